// SQL for signed sessions, whose tokens name their row: rotation of their refresh
// tokens, and what outlives a revocation. Every function runs in the caller's
// transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "libs/pg/database.h"
#include "services/auth/credential.h"

namespace gatehouse::auth {

// What makes and checks a session's refresh tokens; never changes.
struct RefreshSeed {
  std::string user_id;
  std::string seed;
};
// Without a lock. nullopt when there is no such signed credential.
std::optional<RefreshSeed> FindRefreshSeed(pg::Tx& tx, const std::string& credential_id);

// A signed session under its row's lock. The owner's row must be locked before.
struct SignedSession {
  std::string credential_id;
  CredentialKind kind = CredentialKind::kAccess;
  bool is_live = false;
  std::int64_t epoch = 0;  // Of its issue.
  std::string seed;
  std::int64_t counter = 0;
  bool in_replay_window = false;  // Rotated less than kReplayWindow ago.
  Time now;                       // The transaction's time.
  Time expire_time;               // If it is not refreshed again.
};
std::optional<SignedSession> LockSession(pg::Tx& tx, const std::string& user_id,
                                         const std::string& credential_id);

// Counts the refresh token up and moves the end of the locked session. Its new state.
SignedSession RotateSession(pg::Tx& tx, const SignedSession& session);

// What is left of a credential that was lifted to the present epoch.
struct KeptCredential {
  CredentialKind kind = CredentialKind::kToken;
  std::int64_t epoch = 0;
  Time now;  // The transaction's time.
  std::optional<Time> expire_time;
};
// nullopt when it is not the user's or did not live. One that RaiseUserEpoch has
// killed in this very transaction counts as living, and does so again.
std::optional<KeptCredential> LiftEpoch(pg::Tx& tx, const std::string& user_id,
                                        const std::string& credential_id);

}  // namespace gatehouse::auth
