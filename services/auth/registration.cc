#include "services/auth/registration.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "libs/base/secret.h"
#include "libs/base/uuid.h"
#include "libs/log/log.h"
#include "services/auth/audit_store.h"
#include "services/auth/signup_store.h"
#include "services/auth/tenant_store.h"
#include "services/auth/user_change.h"
#include "services/auth/user_store.h"

namespace gatehouse::auth {
namespace {

constexpr std::size_t kDigestBytes = 32;
constexpr std::size_t kActorBytesMax = 254;
constexpr std::size_t kUsernameMin = 3;
// Leaves room for what makes it unique.
constexpr std::size_t kMadeUsernameMax = 37;
constexpr std::size_t kTailBegin = 24;  // Of a UUID's text: 12 random digits.

absl::Status Closed() {
  return Error(absl::StatusCode::kPermissionDenied, "REGISTRATION_CLOSED",
               "registration needs an invitation here");
}

// Names to try in turn, under this user id.
std::vector<std::string> UsernamesOf(const RegistrationRequest& request, const std::string& id) {
  if (!request.username.empty()) return {request.username};
  const std::string made = UsernameFor(request.email);
  return {made, made + '-' + id.substr(kTailBegin)};
}

// Reserves the names as a signup does, so that one under way cannot end under them.
// The same `id` again finds what it made before.
absl::StatusOr<User> Create(pg::Tx& tx, const RegistrationRequest& request, const Signup& names) {
  if (std::optional<User> made = FindUserById(tx, names.id)) return *std::move(made);
  GH_RETURN_IF_ERROR(ReserveNames(tx, names));
  RemoveSignup(tx, names.id);
  GH_ASSIGN_OR_RETURN(const Tenant tenant,
                      InsertOwnTenant(tx, names.username, names.id, request.company));
  User user = InsertUser(tx, {.id = names.id,
                              .username = names.username,
                              .email = names.email,
                              .password_hash = names.password_hash,
                              .role = "user",
                              .tenant_id = tenant.id,
                              .first_name = request.first_name,
                              .last_name = request.last_name});
  AuditEvent event = NewEvent("signup_success", /*success=*/true, request.origin);
  event.actor_user_id = user.id;
  event.actor_username = user.username;
  event.target = "user/" + user.id;
  event.tenant_id = tenant.id;
  AppendEvent(tx, event);
  return user;
}

// What cannot be written is lost: the refusal stands all the same.
absl::Status Refuse(pg::Database& db, const RegistrationRequest& request,
                    const absl::Status& refusal) {
  const absl::Status written = db.Statement([&](pg::Tx& tx) -> absl::Status {
    AuditEvent event = NewEvent("signup_failure", /*success=*/false, request.origin);
    event.actor_username =
        Clip(request.username.empty() ? request.email : request.username, kActorBytesMax);
    event.reason = Reason(refusal);
    AppendEvent(tx, event);
    return absl::OkStatus();
  });
  if (!written.ok()) {
    log::Warning("a refused registration was not audited", {{"reason", Reason(written)}});
  }
  return refusal;
}

}  // namespace

absl::Status Check(const RegistrationRequest& request) {
  if (!request.username.empty()) GH_RETURN_IF_ERROR(CheckUsername(request.username));
  GH_RETURN_IF_ERROR(CheckEmail(request.email));
  GH_RETURN_IF_ERROR(CheckPersonName("first_name", request.first_name));
  GH_RETURN_IF_ERROR(CheckPersonName("last_name", request.last_name));
  if (!request.company.empty() && !CheckTenantName(request.company).ok()) {
    return FieldError("NAME_INVALID", "company", "must be at most 200 bytes of text");
  }
  const std::string username =
      request.username.empty() ? UsernameFor(request.email) : request.username;
  return CheckPassword(request.password, username, request.email);
}

std::string UsernameFor(const std::string& email) {
  std::string username;
  // What follows a "+" is a mark of the owner's, not a part of the name.
  for (const char c : email.substr(0, email.find_first_of("+@"))) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || c == '_' || c == '.' || c == '-') username += c;
  }
  username.resize(std::min(username.size(), kMadeUsernameMax));
  if (username.size() >= kUsernameMin) return username;
  return username.empty() ? "user" : "user-" + username;
}

Registration::Registration(pg::Database& db, PasswordHasher& hasher, bool is_open)
    : db_(db), hasher_(hasher), is_open_(is_open) {}

absl::StatusOr<User> Registration::Register(const RegistrationRequest& request) {
  if (!is_open_) return Refuse(db_, request, Closed());
  GH_RETURN_IF_ERROR(Check(request));
  GH_ASSIGN_OR_RETURN(const std::string password_hash, hasher_.Hash(request.password));
  Signup names{.id = UuidV7(),
               .username = "",
               .email = request.email,
               .password_hash = password_hash,
               .passkey_digest = RandomBytes(kDigestBytes),  // Of no passkey.
               .origin = request.origin};
  absl::StatusOr<User> user = Closed();
  for (const std::string& username : UsernamesOf(request, names.id)) {
    names.username = username;
    user = pg::RepeatInDoubt(
        [&] { return db_.InTransaction([&](pg::Tx& tx) { return Create(tx, request, names); }); });
    if (Reason(user.status()) != "USERNAME_TAKEN") break;
  }
  if (user.status().code() == absl::StatusCode::kAlreadyExists) {
    return Refuse(db_, request, user.status());
  }
  return user;
}

}  // namespace gatehouse::auth
