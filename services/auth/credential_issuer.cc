#include "services/auth/credential_issuer.h"

#include <algorithm>
#include <utility>

#include "libs/base/secret.h"
#include "libs/base/uuid.h"
#include "libs/token/api_token.h"
#include "services/auth/credential_store.h"
#include "services/auth/refresh_token.h"
#include "services/auth/role_store.h"
#include "services/auth/user_store.h"

namespace gatehouse::auth {
namespace {

constexpr char kRefreshPurpose[] = "gatehouse refresh tokens";
constexpr std::size_t kSeedBytes = 32;

std::optional<std::chrono::seconds> LifeOf(CredentialKind kind, std::chrono::seconds session_age) {
  switch (kind) {
    case CredentialKind::kSession:
      return session_age;
    case CredentialKind::kLogin:
      return kLoginLife;
    case CredentialKind::kAccess:
    case CredentialKind::kPlatform:
      return kRefreshLife;
    case CredentialKind::kToken:
    case CredentialKind::kApi:
    case CredentialKind::kKey:
      break;
  }
  return std::nullopt;
}

absl::Status RefreshTokenInvalid() {
  return Error(absl::StatusCode::kUnauthenticated, "REFRESH_TOKEN_INVALID",
               "the refresh token is not valid; log in again");
}

}  // namespace

CredentialIssuer::CredentialIssuer(KeyRing& keys, std::string secret_key,
                                   std::chrono::seconds session_age)
    : keys_(keys),
      refresh_key_(DeriveKey(secret_key, kRefreshPurpose)),
      session_age_(session_age) {}

absl::StatusOr<IssuedCredential> CredentialIssuer::Issue(pg::Tx& tx, const IssueOrder& order) {
  NewCredential credential{.id = UuidV7(),
                           .user_id = order.user_id,
                           .kind = order.kind,
                           .is_persistent = order.is_persistent,
                           .life = LifeOf(order.kind, session_age_),
                           .origin = order.origin};
  IssuedCredential issued{.credential_id = credential.id,
                          .token = "",
                          .refresh_token = "",
                          .expire_time = {},
                          .user = {}};
  if (IsSigned(order.kind)) {
    credential.refresh_seed = RandomBytes(kSeedBytes);
    issued.refresh_token =
        MakeRefreshToken(refresh_key_, credential.refresh_seed, credential.id, 0);
  } else {
    issued.token = token::NewApiToken(PrefixOf(order.kind));
    credential.digest = token::TokenDigest(issued.token);
  }
  const auth::Issue issue = InsertCredential(tx, credential);
  issued.expire_time = issue.expire_time;
  issued.user = FindUserById(tx, order.user_id).value();
  if (order.kind == CredentialKind::kToken) {
    issued.has_revoked = EndOldest(tx, order.user_id, credential.id);
  }
  if (order.kind == CredentialKind::kLogin) issued.scopes = ScopesOf(tx, issued.user.role);
  if (IsSigned(order.kind)) {
    GH_RETURN_IF_ERROR(SignAccess(tx,
                                  {.session_id = credential.id,
                                   .kind = order.kind,
                                   .epoch = issue.epoch,
                                   .now = issue.create_time,
                                   .expire_time = issue.expire_time},
                                  issued));
  }
  return issued;
}

absl::StatusOr<std::optional<IssuedCredential>> CredentialIssuer::Keep(
    pg::Tx& tx, const std::string& user_id, const std::string& credential_id) {
  const std::optional<KeptCredential> kept = LiftEpoch(tx, user_id, credential_id);
  if (!kept) return std::nullopt;
  IssuedCredential issued{.credential_id = credential_id,
                          .token = "",
                          .refresh_token = "",
                          .expire_time = kept->expire_time,
                          .user = FindUserById(tx, user_id).value()};
  if (IsSigned(kept->kind)) {
    GH_RETURN_IF_ERROR(SignAccess(tx,
                                  {.session_id = credential_id,
                                   .kind = kept->kind,
                                   .epoch = kept->epoch,
                                   .now = kept->now,
                                   .expire_time = kept->expire_time},
                                  issued));
  }
  return issued;
}

absl::StatusOr<IssuedCredential> CredentialIssuer::Refresh(pg::Tx& tx,
                                                           const std::string& refresh_token,
                                                           std::optional<Reuse>* reused) {
  reused->reset();
  const std::optional<RefreshToken> presented = ParseRefreshToken(refresh_token);
  if (!presented) return RefreshTokenInvalid();
  // Nobody who cannot make one may take a lock, or end a session.
  const std::optional<RefreshSeed> seed = FindRefreshSeed(tx, presented->credential_id);
  if (!seed || !IsGenuine(*presented, refresh_key_, seed->seed)) return RefreshTokenInvalid();
  LockOwner(tx, seed->user_id);
  const std::optional<SignedSession> session =
      LockSession(tx, seed->user_id, presented->credential_id);
  if (!session || !session->is_live) return RefreshTokenInvalid();
  if (presented->counter == session->counter) {
    return GrantSession(tx, seed->user_id, RotateSession(tx, *session));
  }
  // The answer to the rotation was lost, or two tabs refreshed at once.
  if (presented->counter == session->counter - 1 && session->in_replay_window) {
    return GrantSession(tx, seed->user_id, *session);
  }
  const std::optional<RevokedCredential> revoked = RevokeCredential(tx, session->credential_id);
  if (revoked) {
    *reused = Reuse{.user_id = revoked->user_id,
                    .username = revoked->username,
                    .tenant_id = revoked->tenant_id,
                    .credential_id = revoked->credential_id};
  }
  return Error(absl::StatusCode::kUnauthenticated, "REFRESH_TOKEN_REUSED",
               "the refresh token was used before; the session has been ended");
}

absl::StatusOr<IssuedCredential> CredentialIssuer::Extend(pg::Tx& tx, const std::string& user_id,
                                                          const std::string& credential_id) {
  LockOwner(tx, user_id);
  const std::optional<SignedSession> session = LockSession(tx, user_id, credential_id);
  if (!session || !session->is_live) {
    return Error(absl::StatusCode::kNotFound, "SESSION_NOT_FOUND", "there is no such session");
  }
  return GrantSession(tx, user_id, RotateSession(tx, *session));
}

absl::Status CredentialIssuer::SignAccess(pg::Tx& tx, const Grant& grant,
                                          IssuedCredential& issued) {
  const Time now = std::chrono::floor<std::chrono::seconds>(grant.now);
  Time expire_time = now + AccessLife(grant.kind);
  if (grant.expire_time) {
    expire_time =
        std::min<Time>(expire_time, std::chrono::floor<std::chrono::seconds>(*grant.expire_time));
  }
  token::Claims claims;
  claims.subject = issued.user.id;
  claims.id = UuidV7();
  claims.session_id = grant.session_id;
  claims.tenant_id = issued.user.tenant.id;
  claims.epoch = grant.epoch;
  claims.role = issued.user.role;
  claims.issue_time = now;
  claims.expire_time = expire_time;
  GH_ASSIGN_OR_RETURN(issued.token, keys_.Sign(tx, std::move(claims)));
  issued.expire_time = expire_time;
  return absl::OkStatus();
}

absl::StatusOr<IssuedCredential> CredentialIssuer::GrantSession(pg::Tx& tx,
                                                                const std::string& user_id,
                                                                const SignedSession& session) {
  IssuedCredential issued{.credential_id = session.credential_id,
                          .token = "",
                          .refresh_token = MakeRefreshToken(refresh_key_, session.seed,
                                                            session.credential_id, session.counter),
                          .expire_time = {},
                          .user = FindUserById(tx, user_id).value()};
  GH_RETURN_IF_ERROR(SignAccess(tx,
                                {.session_id = session.credential_id,
                                 .kind = session.kind,
                                 .epoch = session.epoch,
                                 .now = session.now,
                                 .expire_time = session.expire_time},
                                issued));
  return issued;
}

}  // namespace gatehouse::auth
