// An administrator's change of a user: the user is found, the change written to the
// audit log, then made. Not how a surface spells either.
#pragma once

#include <functional>
#include <string>

#include "gatehouse/auth/v1/user.pb.h"
#include "services/gateway/audited_call.h"

namespace gatehouse::gateway {

using UserDone = std::function<void(const auth::v1::User&)>;

// The user whom {id} names by UUID or number. Fails the request when there is none
// whom the caller may see: what is done by UUID alone must ask here first.
void WithUser(const Context& context, UserDone done);

// "admin_action" on `user`; "user_action" when that is the caller. `details_json`
// begins with "action".
auth::v1::AuditEvent MakeUserEvent(const RequestContext& context, const auth::v1::User& user,
                                   const std::string& details_json);

// The members that both surfaces spell alike: email, is_active and the rates, where
// null follows the role again.
void ReadCommonUpdate(JsonBody& body, auth::v1::UpdateUserRequest* change);

// Makes `change` of `user`. The event says what was asked for and from where; auth
// adds, with the change itself, what came of it ("user_disabled", "tenant_changed",
// …). What names no field is done at once and not audited.
void UpdateUser(const Context& context, const auth::v1::User& user,
                auth::v1::UpdateUserRequest change, Wording wording, UserDone done);

}  // namespace gatehouse::gateway
