// Makes credentials: the row, the opaque text or the signed access token, the
// refresh token. Does not check passwords (login.h) and writes no audit event.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "libs/pg/database.h"
#include "services/auth/audit.h"
#include "services/auth/credential.h"
#include "services/auth/key_ring.h"
#include "services/auth/owner_store.h"
#include "services/auth/session_store.h"

namespace gatehouse::auth {

struct IssueOrder {
  std::string user_id;
  CredentialKind kind = CredentialKind::kToken;
  bool is_persistent = false;  // Of kSession.
  Origin origin = {};
};

// Thread-safe. Every function runs in the caller's transaction, which holds the
// lock on the user's row (LockOwner), so that a revocation comes before or after;
// Refresh and Extend take it themselves.
class CredentialIssuer {
 public:
  // `keys` must outlive this. `session_age`: of kSession, SESSION_COOKIE_AGE.
  CredentialIssuer(KeyRing& keys, std::string secret_key, std::chrono::seconds session_age);

  // Any kind but kApi and kKey (token_service.h makes those).
  absl::StatusOr<IssuedCredential> Issue(pg::Tx& tx, const IssueOrder& order);

  // Lifts a live credential of the user to the present epoch, so that it outlives a
  // revocation made in this very transaction. For signed kinds the access token
  // (and no refresh token) is issued anew; for opaque ones `token` is empty.
  // nullopt when the credential is not the user's or did not live before.
  absl::StatusOr<std::optional<IssuedCredential>> Keep(pg::Tx& tx, const std::string& user_id,
                                                       const std::string& credential_id);

  // UNAUTHENTICATED / REFRESH_TOKEN_INVALID: malformed, unknown, ended or revoked.
  // REFRESH_TOKEN_REUSED: neither the newest nor, within kReplayWindow, the one
  // before; the session is then revoked in this transaction, whose result must be
  // committed all the same: `*reused` names whose it was.
  struct Reuse {
    std::string user_id;
    std::string username;
    std::int64_t tenant_id = 0;
    std::string credential_id;
  };
  absl::StatusOr<IssuedCredential> Refresh(pg::Tx& tx, const std::string& refresh_token,
                                           std::optional<Reuse>* reused);

  // The access and refresh token of a live signed session anew; an older refresh
  // token counts as used. NOT_FOUND / SESSION_NOT_FOUND.
  absl::StatusOr<IssuedCredential> Extend(pg::Tx& tx, const std::string& user_id,
                                          const std::string& credential_id);

 private:
  // What an access token says of its session.
  struct Grant {
    std::string session_id;
    CredentialKind kind;
    std::int64_t epoch;
    Time now;
    std::optional<Time> expire_time;  // Of the session.
  };
  // Fills in the token and its end.
  absl::Status SignAccess(pg::Tx& tx, const Grant& grant, IssuedCredential& issued);
  // The access token and the newest refresh token.
  absl::StatusOr<IssuedCredential> GrantSession(pg::Tx& tx, const std::string& user_id,
                                                const SignedSession& session);

  KeyRing& keys_;
  const std::string refresh_key_;  // Derived from the secret key.
  const std::chrono::seconds session_age_;
};

}  // namespace gatehouse::auth
