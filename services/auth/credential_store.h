// SQL for credentials of every kind: digests and seeds only, never a credential.
// Every function runs in the caller's transaction. Not the rotation of signed
// sessions (session_store.h), and not the lists of users' tokens and keys.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/pg/database.h"
#include "services/auth/audit.h"
#include "services/auth/credential.h"

namespace gatehouse::auth {

struct NewCredential {
  std::string id;  // UUID
  std::string user_id;
  CredentialKind kind = CredentialKind::kToken;
  std::string digest = "";        // Of opaque kinds.
  std::string refresh_seed = "";  // Of signed kinds.
  std::string name = "";
  std::optional<std::vector<std::string>> scopes = {};  // nullopt: not narrowed.
  std::string hint = "";
  bool is_persistent = false;
  // Either, or neither for no end.
  std::optional<std::chrono::seconds> life = {};
  std::optional<Time> expire_time = {};
  Origin origin = {};
};

// What the database has made of it.
struct Issue {
  std::int64_t epoch = 0;  // The present control sequence.
  Time create_time;
  std::optional<Time> expire_time;
};

// The user's row must be locked (LockOwner).
Issue InsertCredential(pg::Tx& tx, const NewCredential& credential);

// A live credential and whom it stands for, with the rights of this moment.
struct CredentialRow {
  std::string credential_id;
  CredentialKind kind = CredentialKind::kToken;
  std::optional<std::vector<std::string>> scopes;  // nullopt: not narrowed.
  bool is_persistent = false;
  std::int64_t epoch = 0;  // Of its issue.
  std::optional<Time> expire_time;
  bool use_is_stale = false;  // Its last use was recorded a minute ago or earlier.
  std::string user_id;
  std::int64_t user_number = 0;
  std::string username;
  std::string email;
  bool password_change_required = false;
  std::string role;
  std::vector<std::string> permissions;  // Of the role.
  std::vector<std::string> role_scopes;
  int rate_limit_per_second = 0;  // The user's own, else the role's.
  int rate_limit_burst = 0;
  std::int64_t tenant_id = 0;
  std::string client_id;
  std::string tier;
  std::int64_t control_sequence = 0;  // Of the same snapshot.
};

// One statement each. nullopt for what is unknown, revoked, expired or outdated,
// and for a disabled user.
std::optional<CredentialRow> LookupCredential(pg::Tx& tx, const std::string& digest);
// By the `sid` and `epoch` of an access token: the token must live, and the session.
std::optional<CredentialRow> LookupSession(pg::Tx& tx, const std::string& session_id,
                                           std::int64_t epoch);

// Whether the credential of that id lives.
bool IsLive(pg::Tx& tx, const std::string& credential_id);

struct RecordedUse {
  bool was_extended = false;  // Of kSession: its end has moved.
  bool is_persistent = false;
  std::optional<Time> expire_time;
};

// Records a use, at most once a minute, and slides a kSession by as much, so that
// it keeps its whole life ahead. nullopt when nothing was written. One statement.
std::optional<RecordedUse> RecordUse(pg::Tx& tx, const std::string& credential_id);

// A live login of a user.
struct LoginSession {
  std::string id;
  CredentialKind kind = CredentialKind::kToken;
  std::string client_address;
  std::string user_agent;
  Time create_time;
  std::optional<Time> expire_time;
  std::optional<Time> last_used_time;
};

// Of every kind but kApi and kKey, newest first, at most 1,000.
std::vector<LoginSession> ListLogins(pg::Tx& tx, const std::string& user_id);

// Whose credential was revoked.
struct RevokedCredential {
  std::string credential_id;
  CredentialKind kind = CredentialKind::kToken;
  std::string user_id;
  std::string username;
  std::int64_t tenant_id = 0;
  bool is_new = false;  // False: it was revoked before, and nothing was written.
};

// What a credential must be to be revoked; empty: anything.
struct CredentialFilter {
  std::string user_id = "";
  std::vector<CredentialKind> kinds = {};
};

// Revokes it and writes the control log, once. nullopt when there is none that fits.
std::optional<RevokedCredential> RevokeCredential(pg::Tx& tx, const std::string& credential_id,
                                                  const CredentialFilter& filter = {});

// Revokes the oldest of kind kToken beyond the newest kLiveTokensMax of the locked
// user, never `newest_id`, and writes the control log. True when some were.
bool EndOldest(pg::Tx& tx, const std::string& user_id, const std::string& newest_id);

}  // namespace gatehouse::auth
