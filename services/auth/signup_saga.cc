#include "services/auth/signup_saga.h"

#include <utility>
#include <vector>

#include "libs/base/failpoint.h"
#include "libs/base/secret.h"
#include "libs/base/uuid.h"
#include "libs/log/log.h"
#include "services/auth/audit_store.h"
#include "services/auth/signup_store.h"
#include "services/auth/tenant_store.h"
#include "services/auth/user_store.h"

namespace gatehouse::auth {
namespace {

constexpr int kReserveAttemptsMax = 3;
constexpr int kSweepRowsMax = 20;

absl::Status Pending() {
  return Error(absl::StatusCode::kUnavailable, "SIGNUP_PENDING",
               "the signup is not finished yet; repeat it, or log in soon");
}

bool IsTaken(const absl::Status& status) {
  return status.code() == absl::StatusCode::kAlreadyExists;
}

AuditEvent EventOf(const Signup& signup, const std::string& type, bool success,
                   const std::string& reason) {
  AuditEvent event = NewEvent(type, success, signup.origin);
  event.actor_username = signup.username;
  event.reason = reason;
  if (success) {
    event.actor_user_id = signup.id;
    event.target = "user/" + signup.id;
  }
  return event;
}

// The tenant that the invitation names, or a new one of the newcomer's own.
absl::StatusOr<std::int64_t> TenantFor(pg::Tx& tx, const Signup& signup, std::int64_t tenant_id) {
  if (tenant_id == 0) {
    GH_ASSIGN_OR_RETURN(const Tenant own, InsertOwnTenant(tx, signup.username, signup.id));
    return own.id;
  }
  if (FindTenant(tx, tenant_id)) return tenant_id;
  return Error(absl::StatusCode::kFailedPrecondition, "INVITATION_TENANT_NOT_FOUND",
               "the invitation is for a tenant that does not exist; ask for another one");
}

}  // namespace

SignupSaga::SignupSaga(pg::Database& db, PasswordHasher& hasher, InvitationRedeemer& redeemer)
    : db_(db), hasher_(hasher), redeemer_(redeemer) {}

absl::StatusOr<User> SignupSaga::SignUp(const SignupRequest& request) {
  GH_RETURN_IF_ERROR(Check(request));
  absl::StatusOr<Reservation> reservation = Begin(request);
  if (IsTaken(reservation.status())) Audit(request, {"signup_failure"}, reservation.status());
  if (!reservation.ok()) return reservation.status();
  if (reservation->user) return *std::move(reservation->user);
  if (Failpoint("auth.signup.reserved")) return Pending();
  return Finish(reservation->signup);
}

// Whoever has no good passkey is refused before anything depends on whether a name
// is taken: the statements, the hashes and the answer are the same.
absl::StatusOr<SignupSaga::Reservation> SignupSaga::Begin(const SignupRequest& request) {
  GH_ASSIGN_OR_RETURN(std::optional<Reservation> same, FindSame(request));
  if (same) return *std::move(same);
  Signup signup{.id = UuidV7(),
                .username = request.username,
                .email = request.email,
                .password_hash = "",
                .passkey_digest = Sha256(request.passkey),
                .origin = request.origin};
  const absl::Status checked = redeemer_.Check(signup);
  if (IsDefiniteRefusal(checked)) {
    // Perhaps the same request has spent the passkey a moment ago: look again.
    GH_ASSIGN_OR_RETURN(same, FindSame(request));
    if (same) return *std::move(same);
    Audit(request, {"passkey_rejected", "signup_failure"}, checked);
    return checked;
  }
  GH_ASSIGN_OR_RETURN(signup.password_hash, hasher_.Hash(request.password));
  if (!checked.ok()) return ReserveUnchecked(signup);
  return Reserve(signup, request);
}

absl::StatusOr<SignupSaga::Reservation> SignupSaga::Reserve(const Signup& signup,
                                                            const SignupRequest& request) {
  absl::Status taken;
  for (int attempt = 0; attempt < kReserveAttemptsMax; ++attempt) {
    taken = db_.InTransaction([&](pg::Tx& tx) -> absl::Status {
      GH_RETURN_IF_ERROR(ReserveNames(tx, signup));
      AppendEvent(tx, EventOf(signup, "passkey_validated", /*success=*/true, ""));
      return absl::OkStatus();
    });
    if (taken.ok()) return Reservation{.signup = signup, .user = std::nullopt};
    // In doubt: if the row is there, it reserves the names and is swept forward.
    if (pg::InDoubt(taken)) return Pending();
    if (!IsTaken(taken)) return taken;
    // Perhaps by the same request a moment ago: look again.
    GH_ASSIGN_OR_RETURN(std::optional<Reservation> same, FindSame(request));
    if (same) return *std::move(same);
  }
  return taken;
}

// Nobody knows whether the passkey is good, so the answer tells nothing of the
// names. The sweeper goes on with what could be reserved.
absl::Status SignupSaga::ReserveUnchecked(const Signup& signup) {
  absl::Status reserved = db_.InTransaction([&](pg::Tx& tx) { return ReserveNames(tx, signup); });
  if (reserved.ok() || IsTaken(reserved) || pg::InDoubt(reserved)) return Pending();
  return reserved;
}

absl::StatusOr<std::optional<SignupSaga::Reservation>> SignupSaga::FindSame(
    const SignupRequest& request) {
  struct Found {
    std::optional<Signup> signup;
    std::optional<LoginRow> user;
  };
  GH_ASSIGN_OR_RETURN(Found found, db_.InTransaction([&](pg::Tx& tx) -> absl::StatusOr<Found> {
    // The signup first: it becomes the user, never the other way round.
    Found result;
    result.signup = FindSignup(tx, request.username, request.email);
    result.user = FindSignedUp(tx, request.username, request.email, Sha256(request.passkey));
    return result;
  }));
  const bool is_under_way = found.signup && IsSame(*found.signup, request);
  if (!found.user && !is_under_way) return std::nullopt;
  const std::string& hash = found.user ? found.user->password_hash : found.signup->password_hash;
  GH_ASSIGN_OR_RETURN(const Fit fit, hasher_.Verify(request.password, hash));
  if (fit == Fit::kNo) {
    return Error(absl::StatusCode::kAlreadyExists, "USERNAME_TAKEN", "the username already exists");
  }
  Reservation same;
  if (!found.user) {
    same.signup = *std::move(found.signup);
    return same;
  }
  GH_ASSIGN_OR_RETURN(same.user, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<std::optional<User>> {
    return FindUserById(tx, found.user->user_id);
  }));
  return same;
}

absl::StatusOr<User> SignupSaga::Finish(const Signup& signup) {
  const absl::StatusOr<std::int64_t> tenant_id = redeemer_.Redeem(signup);
  if (!tenant_id.ok()) {
    if (IsDefiniteRefusal(tenant_id.status())) return Refuse(signup, tenant_id.status());
    log::Warning("the outcome of a redemption is unknown",
                 {{"signup_id", signup.id}, {"error", std::string(tenant_id.status().message())}});
    return Pending();
  }
  if (Failpoint("auth.signup.redeemed")) return Pending();
  absl::StatusOr<User> user = CreateUser(signup, *tenant_id);
  if (IsDefiniteRefusal(user.status())) return Refuse(signup, user.status());
  if (!user.ok()) {
    log::Warning("a redeemed signup is not finished yet",
                 {{"signup_id", signup.id}, {"error", std::string(user.status().message())}});
    return Pending();
  }
  if (Failpoint("auth.signup.created")) return Pending();
  return user;
}

absl::StatusOr<User> SignupSaga::CreateUser(const Signup& signup, std::int64_t tenant_id) {
  const auto create = [&](pg::Tx& tx) -> absl::StatusOr<User> {
    if (!RemoveSignup(tx, signup.id)) {
      std::optional<User> user = FindUserById(tx, signup.id);
      if (user) return *std::move(user);
      return Error(absl::StatusCode::kAborted, "SIGNUP_LOST", "the signup is gone");
    }
    GH_ASSIGN_OR_RETURN(const std::int64_t own_tenant_id, TenantFor(tx, signup, tenant_id));
    User user = InsertUser(tx, {.id = signup.id,
                                .username = signup.username,
                                .email = signup.email,
                                .password_hash = signup.password_hash,
                                .role = "user",
                                .tenant_id = own_tenant_id,
                                .passkey_digest = signup.passkey_digest});
    for (const char* type : {"passkey_consumed", "signup_success"}) {
      AuditEvent event = EventOf(signup, type, /*success=*/true, "");
      event.tenant_id = own_tenant_id;
      AppendEvent(tx, event);
    }
    return user;
  };
  return pg::RepeatInDoubt([&] { return db_.InTransaction(create); });
}

absl::Status SignupSaga::Refuse(const Signup& signup, const absl::Status& refusal) {
  const absl::Status removed = db_.InTransaction([&](pg::Tx& tx) -> absl::Status {
    if (!RemoveSignup(tx, signup.id)) return absl::OkStatus();
    for (const char* type : {"passkey_rejected", "signup_failure"}) {
      AppendEvent(tx, EventOf(signup, type, /*success=*/false, Reason(refusal)));
    }
    return absl::OkStatus();
  });
  // The refusal is final; a row that could not be removed is the sweeper's.
  if (!removed.ok()) {
    log::Warning("a refused signup still reserves its names", {{"signup_id", signup.id}});
  }
  return refusal;
}

// What cannot be written is lost: the refusal stands all the same.
void SignupSaga::Audit(const SignupRequest& request, const std::vector<const char*>& types,
                       const absl::Status& refusal) {
  const Signup names{.id = "",
                     .username = request.username,
                     .email = request.email,
                     .password_hash = "",
                     .origin = request.origin};
  const absl::Status written = db_.InTransaction([&](pg::Tx& tx) -> absl::Status {
    for (const char* type : types) {
      AppendEvent(tx, EventOf(names, type, /*success=*/false, Reason(refusal)));
    }
    return absl::OkStatus();
  });
  if (!written.ok())
    log::Warning("a refused signup was not audited", {{"reason", Reason(written)}});
}

absl::StatusOr<int> SignupSaga::Sweep(std::chrono::seconds age) {
  using Signups = std::vector<Signup>;
  GH_ASSIGN_OR_RETURN(const Signups stale,
                      db_.Statement([&](pg::Tx& tx) -> absl::StatusOr<Signups> {
                        return ClaimStaleSignups(tx, age, kSweepRowsMax);
                      }));
  for (const Signup& signup : stale) {
    const absl::StatusOr<User> user = Finish(signup);
    log::Info("swept a signup", {{"signup_id", signup.id},
                                 {"result", user.ok() ? "created" : Reason(user.status())}});
  }
  return static_cast<int>(stale.size());
}

SignupSweeper::SignupSweeper(SignupSaga& saga, std::chrono::seconds age)
    : ticker_("signup-sweep", [&saga, age]() -> std::chrono::milliseconds {
        const absl::StatusOr<int> swept = saga.Sweep(age);
        if (!swept.ok()) {
          log::Warning("signups could not be swept", {{"reason", Reason(swept.status())}});
          return std::chrono::seconds(5);
        }
        return std::chrono::seconds(1);
      }) {}

}  // namespace gatehouse::auth
