#include "services/auth/user_update.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "libs/base/secret.h"
#include "libs/base/uuid.h"
#include "services/auth/audit_store.h"
#include "services/auth/call_actor.h"
#include "services/auth/control_store.h"
#include "services/auth/owner_store.h"
#include "services/auth/password_reset_store.h"
#include "services/auth/revocation.h"
#include "services/auth/signup_store.h"
#include "services/auth/tenant_store.h"

namespace gatehouse::auth {
namespace {

absl::Status TenantNotFound() {
  return Error(absl::StatusCode::kNotFound, "TENANT_NOT_FOUND", "there is no such tenant");
}

// Reserves the names as a signup does, so that one under way cannot end under them,
// until the caller's transaction, which gives them to a user, has ended.
absl::Status HoldNames(pg::Tx& tx, const std::string& username, const std::string& email) {
  const Signup names{.id = UuidV7(),
                     .username = username,
                     .email = email,
                     .password_hash = "",
                     .passkey_digest = RandomBytes(32)};  // Of no passkey.
  GH_RETURN_IF_ERROR(ReserveNames(tx, names));
  RemoveSignup(tx, names.id);
  return absl::OkStatus();
}

// New names only: those that the user has already are nobody else's, in any case. In
// the place of a name that stays is one that no user can have.
absl::Status HoldNewNames(pg::Tx& tx, const User& user, const UserChange& change) {
  const std::string no_name = "/" + user.id;
  const auto new_or_none = [&](const std::optional<std::string>& name, const std::string& held) {
    return name && !absl::EqualsIgnoreCase(*name, held) ? *name : no_name;
  };
  const std::string username = new_or_none(change.username, user.username);
  const std::string email = new_or_none(change.email, user.email);
  if (username == no_name && email == no_name) return absl::OkStatus();
  return HoldNames(tx, username, email);
}

// Last: the control log stays locked until the end of the transaction.
void TellGateways(pg::Tx& tx, const std::string& user_id, const UserChange& change) {
  if (KillsCredentials(change)) {
    RaiseUserEpoch(tx, user_id);
  } else if (IsVisible(change)) {
    AppendSubjectChange(tx, "user/" + user_id);
  }
}

}  // namespace

absl::StatusOr<User> LockVisibleUser(pg::Tx& tx, const Actor& actor, const std::string& text,
                                     UserKey forms) {
  const std::optional<User> found = FindUser(tx, text, forms);
  if (!found || !LockOwner(tx, found->id)) return UserNotFound();
  // It may have changed before the lock.
  std::optional<User> user = FindUserById(tx, found->id);
  if (!user) return UserNotFound();
  GH_RETURN_IF_ERROR(CheckMayTouch(actor, *user));
  return *std::move(user);
}

absl::StatusOr<User> AddUser(pg::Tx& tx, const rpc::Call& call, NewUser user) {
  if (std::optional<User> known = FindUserById(tx, user.id)) return *std::move(known);
  GH_RETURN_IF_ERROR(HoldNames(tx, user.username, user.email));
  GH_RETURN_IF_ERROR(CheckPresented(tx, call));
  if (user.tenant_id == 0) {
    GH_ASSIGN_OR_RETURN(const Tenant own, InsertOwnTenant(tx, user.username, user.id));
    user.tenant_id = own.id;
  } else if (!FindTenant(tx, user.tenant_id)) {
    return TenantNotFound();
  }
  User added = InsertUser(tx, user);
  AppendEvent(tx, EventBy(call, "user_created", "user/" + user.id, user.tenant_id));
  return added;
}

absl::StatusOr<User> ApplyUpdate(pg::Tx& tx, const rpc::Call& call, const std::string& id,
                                 const Update& update) {
  // All of them, in one order, and before the user, so that two administrators who
  // remove each other wait for each other.
  std::vector<std::string> active_admins;
  if (MayEndAdmin(update.change)) active_admins = LockActiveAdmins(tx);
  GH_ASSIGN_OR_RETURN(User user, LockVisibleUser(tx, ActorOf(call), id, UserKey::kIdOrNumber));
  GH_RETURN_IF_ERROR(CheckPresented(tx, call));
  const UserChange change = Effective(user, update.change);
  if (IsEmpty(change)) return user;
  GH_RETURN_IF_ERROR(CheckLeavesAnAdmin(user, change, active_admins));
  if (change.tenant_id && !FindTenant(tx, *change.tenant_id)) return TenantNotFound();
  GH_RETURN_IF_ERROR(HoldNewNames(tx, user, change));
  SaveChange(tx, user.id, change);
  if (change.password) {
    SetPassword(tx, user.id, update.password_hash, update.must_change_password);
  }
  // A code that is on its way to the old address, or was asked for before.
  if (change.password || change.email) DropResets(tx, user.id);
  for (const ChangeEvent& one : EventsOf(user, change)) {
    AuditEvent event =
        EventBy(call, one.type, "user/" + user.id, change.tenant_id.value_or(user.tenant.id));
    event.details_json = one.details_json;
    if (one.type == "user_disabled") event.reason = change.disable_reason.value_or("");
    AppendEvent(tx, event);
  }
  TellGateways(tx, user.id, change);
  return *FindUserById(tx, user.id);
}

}  // namespace gatehouse::auth
