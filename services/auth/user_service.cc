#include "services/auth/user_service.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <utility>
#include <vector>

#include "gatehouse/auth/v1/user.methods.h"
#include "libs/base/uuid.h"
#include "libs/rpc/page.h"
#include "services/auth/audit_store.h"
#include "services/auth/auth_proto.h"
#include "services/auth/call_actor.h"
#include "services/auth/control_store.h"
#include "services/auth/revocation.h"
#include "services/auth/role_store.h"
#include "services/auth/tenant_store.h"
#include "services/auth/user_store.h"
#include "services/auth/user_update.h"

namespace gatehouse::auth {
namespace {

namespace json = boost::json;

constexpr int kPageSizeDefault = 50;
constexpr int kPageSizeMax = 1000;
constexpr int kSkipMax = 100000;
constexpr std::size_t kSearchBytesMax = 254;

template <typename Request>
NewUser NewUserOf(const Request& request) {
  NewUser user{.id = UuidV7(),
               .username = request.username(),
               .email = request.email(),
               .password_hash = "",
               .role = request.role().empty() ? "user" : request.role(),
               .tenant_id = request.tenant_id(),
               .first_name = request.first_name(),
               .last_name = request.last_name()};
  if (request.has_rate_limit_per_second()) {
    user.rate_limit_per_second = request.rate_limit_per_second();
  }
  if (request.has_rate_limit_burst()) user.rate_limit_burst = request.rate_limit_burst();
  return user;
}

absl::Status Check(const NewUser& user) {
  GH_RETURN_IF_ERROR(CheckUsername(user.username));
  GH_RETURN_IF_ERROR(CheckEmail(user.email));
  GH_RETURN_IF_ERROR(CheckRole(user.role));
  if (user.rate_limit_per_second) {
    GH_RETURN_IF_ERROR(CheckRate("rate_limit_per_second", *user.rate_limit_per_second));
  }
  if (user.rate_limit_burst) {
    GH_RETURN_IF_ERROR(CheckRate("rate_limit_burst", *user.rate_limit_burst));
  }
  GH_RETURN_IF_ERROR(CheckPersonName("first_name", user.first_name));
  return CheckPersonName("last_name", user.last_name);
}

UserChange ChangeOf(const v1::UpdateUserRequest& request) {
  UserChange change;
  if (request.has_username()) change.username = request.username();
  if (request.has_email()) change.email = request.email();
  if (request.has_password()) change.password = request.password();
  if (request.has_role()) change.role = request.role();
  if (request.has_is_active()) change.is_active = request.is_active();
  if (request.has_disable_reason()) change.disable_reason = request.disable_reason();
  if (request.has_tenant_id()) change.tenant_id = request.tenant_id();
  if (request.has_rate_limit_per_second()) {
    change.rate_limit_per_second = request.rate_limit_per_second();
  }
  if (request.has_rate_limit_burst()) change.rate_limit_burst = request.rate_limit_burst();
  if (request.has_first_name()) change.first_name = request.first_name();
  if (request.has_last_name()) change.last_name = request.last_name();
  if (request.has_settings_json()) change.settings_json = request.settings_json();
  if (request.has_notes()) change.notes = request.notes();
  if (request.has_stripe_customer_id()) change.stripe_customer_id = request.stripe_customer_id();
  return change;
}

absl::StatusOr<UserFilter> FilterOf(const v1::ListUsersRequest& request, const Actor& actor) {
  if (request.search().size() > kSearchBytesMax ||
      request.search().find('\0') != std::string::npos) {
    return FieldError("SEARCH_INVALID", "search",
                      "must be at most 254 bytes, without NUL characters");
  }
  if (request.skip() < 0 || request.skip() > kSkipMax) {
    return FieldError("PAGE_SIZE_INVALID", "skip", "must be from 0 to 100000");
  }
  UserFilter filter{.search = request.search(), .is_active = {}, .hides_admins = !IsTrusted(actor)};
  if (request.has_is_active()) filter.is_active = request.is_active();
  return filter;
}

v1::Role ToProto(const Role& role) {
  v1::Role proto;
  proto.set_name(role.name);
  for (const std::string& permission : role.permissions) proto.add_permissions(permission);
  for (const std::string& scope : role.scopes) proto.add_scopes(scope);
  proto.set_rate_limit_per_second(role.rate_limit_per_second);
  proto.set_rate_limit_burst(role.rate_limit_burst);
  return proto;
}

// Sorted, each once.
std::vector<std::string> Distinct(std::vector<std::string> texts) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  return texts;
}

// Of two sorted ones.
std::vector<std::string> Without(const std::vector<std::string>& all,
                                 const std::vector<std::string>& left_out) {
  std::vector<std::string> rest;
  std::set_difference(all.begin(), all.end(), left_out.begin(), left_out.end(),
                      std::back_inserter(rest));
  return rest;
}

absl::StatusOr<Role> LockChangeableRole(pg::Tx& tx, const std::string& name) {
  if (name == "admin") {
    return Error(absl::StatusCode::kFailedPrecondition, "ROLE_FIXED",
                 "an administrator holds every permission");
  }
  const bool is_text = name.find('\0') == std::string::npos;
  std::optional<Role> role = is_text ? LockRole(tx, name) : std::nullopt;
  if (!role) return Error(absl::StatusCode::kNotFound, "ROLE_NOT_FOUND", "there is no such role");
  return *std::move(role);
}

// What to revoke, with the target of its audit event.
absl::StatusOr<std::int64_t> Revoke(pg::Tx& tx, const rpc::Call& call,
                                    const v1::RevokeCredentialsRequest& request) {
  const Actor actor = ActorOf(call);
  const auto audit = [&](const std::string& target, std::int64_t tenant_id) {
    AppendEvent(tx, EventBy(call, "credentials_revoked", target, tenant_id));
  };
  if (request.has_user()) {
    GH_ASSIGN_OR_RETURN(const User user,
                        LockVisibleUser(tx, actor, request.user(), UserKey::kIdOrUsername));
    SetRevoked(tx, user.id, true);
    audit("user/" + user.id, user.tenant.id);
    return RaiseUserEpoch(tx, user.id);
  }
  // Administrators may be among them.
  GH_RETURN_IF_ERROR(CheckAdmin(actor));
  if (request.everybody()) {
    audit("global", 0);
    return RaiseGlobalEpoch(tx);
  }
  if (!FindTenant(tx, request.tenant_id())) {
    return Error(absl::StatusCode::kNotFound, "TENANT_NOT_FOUND", "there is no such tenant");
  }
  audit("tenant/" + std::to_string(request.tenant_id()), request.tenant_id());
  return *RaiseTenantEpoch(tx, request.tenant_id());
}

}  // namespace

UserService::UserService(pg::Database& db, PasswordHasher& hasher, ControlHub& hub)
    : db_(db), hasher_(hasher), hub_(hub), rpc_(v1::UserService::kFullName) {
  RegisterUsers();
  RegisterRights();
}

void UserService::RegisterUsers() {
  using Api = v1::UserService;
  const rpc::Policy plain{.callers = {"gateway"}};
  // Hashing a password takes long: a lane of its own.
  const rpc::Policy slow{.callers = {"gateway"}, .calls_out = true};
  rpc_.Unary(
          Api::kCreateUser, slow,
          [this](rpc::Call& call, const v1::CreateUserRequest& r) { return CreateUser(call, r); })
      .Unary(Api::kGetUser, plain,
             [this](rpc::Call& call, const v1::GetUserRequest& r) { return GetUser(call, r); })
      .Unary(Api::kListUsers, plain,
             [this](rpc::Call& call, const v1::ListUsersRequest& r) { return ListUsers(call, r); })
      .Unary(
          Api::kUpdateUser, slow,
          [this](rpc::Call& call, const v1::UpdateUserRequest& r) { return UpdateUser(call, r); })
      .Unary(Api::kResetPassword, slow, [this](rpc::Call& call, const v1::ResetPasswordRequest& r) {
        return ResetPassword(call, r);
      });
}

void UserService::RegisterRights() {
  using Api = v1::UserService;
  const rpc::Policy plain{.callers = {"gateway"}};
  rpc_.Unary(Api::kRevokeCredentials, plain,
             [this](rpc::Call& call, const v1::RevokeCredentialsRequest& r) {
               return RevokeCredentials(call, r);
             })
      .Unary(Api::kClearRevocation, plain,
             [this](rpc::Call& call, const v1::ClearRevocationRequest& r) {
               return ClearRevocation(call, r);
             })
      .Unary(Api::kListRoles, plain,
             [this](rpc::Call&, const v1::ListRolesRequest&) { return ListRoles(); })
      .Unary(Api::kUpdateRole, plain, [this](rpc::Call& call, const v1::UpdateRoleRequest& r) {
        return UpdateRole(call, r);
      });
}

absl::StatusOr<v1::User> UserService::CreateUser(rpc::Call& call,
                                                 const v1::CreateUserRequest& request) {
  NewUser user = NewUserOf(request);
  GH_RETURN_IF_ERROR(Check(user));
  GH_RETURN_IF_ERROR(CheckPassword(request.password(), user.username, user.email));
  GH_RETURN_IF_ERROR(CheckMayGiveRole(ActorOf(call), user.role));
  GH_ASSIGN_OR_RETURN(user.password_hash, hasher_.Hash(request.password()));
  GH_ASSIGN_OR_RETURN(
      const User added, pg::RepeatInDoubt([&] {
        return db_.InTransaction([&](pg::Tx& tx) { return AddUser(tx, call, user); });
      }));
  return ToProto(added);
}

absl::StatusOr<v1::User> UserService::GetUser(rpc::Call& call, const v1::GetUserRequest& request) {
  using Found = std::optional<User>;
  GH_ASSIGN_OR_RETURN(const Found found, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Found> {
    if (!request.id().empty()) return FindUser(tx, request.id(), UserKey::kIdOrNumber);
    return FindUser(tx, request.username(), UserKey::kUsername);
  }));
  if (!found) return UserNotFound();
  GH_RETURN_IF_ERROR(CheckMayTouch(ActorOf(call), *found));
  return ToProto(*found);
}

absl::StatusOr<v1::ListUsersResponse> UserService::ListUsers(rpc::Call& call,
                                                             const v1::ListUsersRequest& request) {
  GH_ASSIGN_OR_RETURN(const int limit,
                      rpc::PageLimit(request.page_size(), kPageSizeDefault, kPageSizeMax));
  GH_ASSIGN_OR_RETURN(const UserFilter filter, FilterOf(request, ActorOf(call)));
  GH_ASSIGN_OR_RETURN(const std::optional<rpc::PagePosition> after,
                      rpc::ParsePageToken(request.page_token()));
  struct Page {
    std::vector<User> users;
    std::int64_t total = 0;
  };
  // One more than asked for shows whether there is a next page.
  GH_ASSIGN_OR_RETURN(Page page, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Page> {
    return Page{auth::ListUsers(tx, filter, after, request.skip(), limit + 1),
                CountUsers(tx, filter)};
  }));
  v1::ListUsersResponse response;
  if (page.users.size() > static_cast<std::size_t>(limit)) {
    page.users.resize(limit);
    response.set_next_page_token(
        rpc::PageToken({page.users.back().create_time, page.users.back().id}));
  }
  for (const User& user : page.users) *response.add_users() = ToProto(user);
  response.set_total(page.total);
  return response;
}

absl::StatusOr<v1::User> UserService::UpdateUser(rpc::Call& call,
                                                 const v1::UpdateUserRequest& request) {
  Update update{.change = ChangeOf(request)};
  GH_RETURN_IF_ERROR(CheckChange(update.change));
  if (update.change.role) {
    GH_RETURN_IF_ERROR(CheckMayGiveRole(ActorOf(call), *update.change.role));
  }
  GH_ASSIGN_OR_RETURN(const User user, Apply(call, request.id(), std::move(update)));
  return ToProto(user);
}

absl::StatusOr<v1::ResetPasswordResponse> UserService::ResetPassword(
    rpc::Call& call, const v1::ResetPasswordRequest& request) {
  Update update{.change = {}, .must_change_password = true};
  update.change.password = request.new_password();
  GH_RETURN_IF_ERROR(Apply(call, request.id(), std::move(update)).status());
  return v1::ResetPasswordResponse();
}

absl::StatusOr<User> UserService::Apply(rpc::Call& call, const std::string& id, Update update) {
  if (update.change.password) {
    GH_ASSIGN_OR_RETURN(update.password_hash, HashFor(ActorOf(call), id, update.change));
  }
  const auto apply = [&](pg::Tx& tx) { return ApplyUpdate(tx, call, id, update); };
  absl::StatusOr<User> user = pg::RepeatInDoubt([&] { return db_.InTransaction(apply); });
  hub_.Wake();
  return user;
}

absl::StatusOr<std::string> UserService::HashFor(const Actor& actor, const std::string& id,
                                                 const UserChange& change) {
  using Found = std::optional<User>;
  GH_ASSIGN_OR_RETURN(const Found user, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Found> {
    return FindUser(tx, id, UserKey::kIdOrNumber);
  }));
  if (!user) return UserNotFound();
  GH_RETURN_IF_ERROR(CheckMayTouch(actor, *user));
  GH_RETURN_IF_ERROR(CheckPassword(*change.password, change.username.value_or(user->username),
                                   change.email.value_or(user->email)));
  return hasher_.Hash(*change.password);
}

absl::StatusOr<v1::RevokeCredentialsResponse> UserService::RevokeCredentials(
    rpc::Call& call, const v1::RevokeCredentialsRequest& request) {
  if (!request.has_user() && !request.has_tenant_id() && !request.everybody()) {
    return FieldError("SUBJECT_MISSING", "subject", "must be a user, a tenant or everybody");
  }
  const auto revoke = [&](pg::Tx& tx) { return Revoke(tx, call, request); };
  GH_ASSIGN_OR_RETURN(const std::int64_t epoch,
                      pg::RepeatInDoubt([&] { return db_.InTransaction(revoke); }));
  hub_.Wake();
  v1::RevokeCredentialsResponse response;
  response.set_epoch(epoch);
  return response;
}

absl::StatusOr<v1::User> UserService::ClearRevocation(rpc::Call& call,
                                                      const v1::ClearRevocationRequest& request) {
  const auto clear = [&](pg::Tx& tx) -> absl::StatusOr<User> {
    GH_ASSIGN_OR_RETURN(User user,
                        LockVisibleUser(tx, ActorOf(call), request.user(), UserKey::kIdOrUsername));
    if (!user.is_revoked) return user;
    SetRevoked(tx, user.id, false);
    AppendEvent(tx, EventBy(call, "revocation_cleared", "user/" + user.id, user.tenant.id));
    return *FindUserById(tx, user.id);
  };
  GH_ASSIGN_OR_RETURN(const User user, pg::RepeatInDoubt([&] { return db_.InTransaction(clear); }));
  return ToProto(user);
}

absl::StatusOr<v1::ListRolesResponse> UserService::ListRoles() {
  using Roles = std::vector<Role>;
  GH_ASSIGN_OR_RETURN(const Roles roles, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Roles> {
    return auth::ListRoles(tx);
  }));
  v1::ListRolesResponse response;
  for (const Role& role : roles) *response.add_roles() = ToProto(role);
  return response;
}

absl::StatusOr<v1::Role> UserService::UpdateRole(rpc::Call& call,
                                                 const v1::UpdateRoleRequest& request) {
  const std::vector<std::string> permissions =
      Distinct({request.permissions().begin(), request.permissions().end()});
  const auto update = [&](pg::Tx& tx) -> absl::StatusOr<Role> {
    GH_ASSIGN_OR_RETURN(Role role, LockChangeableRole(tx, request.name()));
    GH_RETURN_IF_ERROR(CheckPresented(tx, call));
    const auto unknown = Without(permissions, Distinct(KnownPermissions(tx)));
    if (!unknown.empty()) {
      return FieldError("PERMISSION_UNKNOWN", "permissions", "there is no " + unknown.front());
    }
    if (permissions == role.permissions) return role;
    GH_RETURN_IF_ERROR(CheckMayGrant(ActorOf(call), Without(permissions, role.permissions)));
    SetPermissions(tx, role.name, permissions);
    AuditEvent event = EventBy(call, "role_permissions_changed", "role/" + role.name, 0);
    event.details_json =
        json::serialize(json::object{{"permissions", json::value_from(permissions)}});
    AppendEvent(tx, event);
    AppendSubjectChange(tx, "role/" + role.name);
    role.permissions = permissions;
    return role;
  };
  GH_ASSIGN_OR_RETURN(const Role role,
                      pg::RepeatInDoubt([&] { return db_.InTransaction(update); }));
  hub_.Wake();
  return ToProto(role);
}

}  // namespace gatehouse::auth
