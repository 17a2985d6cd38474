// gatehouse.auth.v1.UserService over RPC: users and roles, and mass revocation.
// Decides no rule itself (user_change.h, user.h, password.h).
#pragma once

#include <string>

#include "gatehouse/auth/v1/user.pb.h"
#include "libs/pg/database.h"
#include "libs/rpc/server.h"
#include "services/auth/control_hub.h"
#include "services/auth/password.h"
#include "services/auth/user_change.h"
#include "services/auth/user_update.h"

namespace gatehouse::auth {

class UserService {
 public:
  // All must outlive this.
  UserService(pg::Database& db, PasswordHasher& hasher, ControlHub& hub);

  rpc::Service& rpc() { return rpc_; }

 private:
  void RegisterUsers();
  void RegisterRights();

  absl::StatusOr<v1::User> CreateUser(rpc::Call& call, const v1::CreateUserRequest& request);
  absl::StatusOr<v1::User> GetUser(rpc::Call& call, const v1::GetUserRequest& request);
  absl::StatusOr<v1::ListUsersResponse> ListUsers(rpc::Call& call,
                                                  const v1::ListUsersRequest& request);
  absl::StatusOr<v1::User> UpdateUser(rpc::Call& call, const v1::UpdateUserRequest& request);
  absl::StatusOr<v1::ResetPasswordResponse> ResetPassword(rpc::Call& call,
                                                          const v1::ResetPasswordRequest& request);
  absl::StatusOr<v1::RevokeCredentialsResponse> RevokeCredentials(
      rpc::Call& call, const v1::RevokeCredentialsRequest& request);
  absl::StatusOr<v1::User> ClearRevocation(rpc::Call& call,
                                           const v1::ClearRevocationRequest& request);
  absl::StatusOr<v1::ListRolesResponse> ListRoles();
  absl::StatusOr<v1::Role> UpdateRole(rpc::Call& call, const v1::UpdateRoleRequest& request);

  // The hash of the new password in `change`, which is judged beside the names that
  // the user will have. Holds no connection while it hashes.
  absl::StatusOr<std::string> HashFor(const Actor& actor, const std::string& id,
                                      const UserChange& change);
  // Hashes, then one transaction; wakes the control hub.
  absl::StatusOr<User> Apply(rpc::Call& call, const std::string& id, Update update);

  pg::Database& db_;
  PasswordHasher& hasher_;
  ControlHub& hub_;
  rpc::Service rpc_;
};

}  // namespace gatehouse::auth
