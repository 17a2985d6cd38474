// Signing up across two services: ask the invitations service for the passkey,
// reserve the names here, redeem the passkey there, create tenant and user here.
// Each step is idempotent by the signup's id: a repeat of the request or the sweeper
// finishes what was cut off. No transaction spans a call.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "libs/exec/pool.h"
#include "libs/pg/database.h"
#include "services/auth/password.h"
#include "services/auth/signup.h"
#include "services/auth/user.h"

namespace gatehouse::auth {

// The part of the invitations service that a signup needs.
class InvitationRedeemer {
 public:
  virtual ~InvitationRedeemer() = default;
  // Whether the passkey with `signup.passkey_digest` could be redeemed now for
  // `signup.email`; changes nothing. Refuses as Redeem does.
  virtual absl::Status Check(const Signup& signup) = 0;
  // Redeems one use of the passkey with `signup.passkey_digest`, idempotent by
  // `signup.id`. Returns the tenant to join, or 0 for a tenant of one's own.
  virtual absl::StatusOr<std::int64_t> Redeem(const Signup& signup) = 0;
};

// Thread-safe.
class SignupSaga {
 public:
  // All must outlive this.
  SignupSaga(pg::Database& db, PasswordHasher& hasher, InvitationRedeemer& redeemer);

  // The new user, or the same user again for the same names, passkey and
  // password. Errors: those of Check, then the definite refusals of the invitations
  // service, and only after these, for who holds a good passkey, USERNAME_TAKEN and
  // EMAIL_TAKEN; INVITATION_TENANT_NOT_FOUND when the invitation names a tenant that
  // does not exist; UNAVAILABLE / SIGNUP_PENDING when the outcome is still open.
  absl::StatusOr<User> SignUp(const SignupRequest& request);

  // Finishes signups that nobody has touched for `age`; how many were looked at.
  absl::StatusOr<int> Sweep(std::chrono::seconds age);

 private:
  // A signup to go on with, or a user who exists already.
  struct Reservation {
    Signup signup;
    std::optional<User> user;
  };
  absl::StatusOr<Reservation> Begin(const SignupRequest& request);
  // What the same request has reached before; ALREADY_EXISTS / USERNAME_TAKEN
  // when it had another password.
  absl::StatusOr<std::optional<Reservation>> FindSame(const SignupRequest& request);
  absl::StatusOr<Reservation> Reserve(const Signup& signup, const SignupRequest& request);
  absl::Status ReserveUnchecked(const Signup& signup);
  void Audit(const SignupRequest& request, const std::vector<const char*>& types,
             const absl::Status& refusal);
  absl::StatusOr<User> Finish(const Signup& signup);
  absl::StatusOr<User> CreateUser(const Signup& signup, std::int64_t tenant_id);
  absl::Status Refuse(const Signup& signup, const absl::Status& refusal);

  pg::Database& db_;
  PasswordHasher& hasher_;
  InvitationRedeemer& redeemer_;
};

// Sweeps from a thread of its own. Several processes may.
class SignupSweeper {
 public:
  // `saga` must outlive this.
  SignupSweeper(SignupSaga& saga, std::chrono::seconds age);

 private:
  exec::Ticker ticker_;
};

}  // namespace gatehouse::auth
