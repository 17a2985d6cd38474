#include "services/auth/call_actor.h"

#include <algorithm>

#include "services/auth/credential_store.h"

namespace gatehouse::auth {

Actor ActorOf(const rpc::Call& call) {
  const type::v1::Principal& principal = call.principal();
  const auto& holds = principal.is_narrowed() ? principal.scopes() : principal.permissions();
  Actor actor{.user_id = principal.user_id(),
              .is_admin = principal.role() == "admin",
              .is_narrowed = principal.is_narrowed(),
              .holds = {holds.begin(), holds.end()}};
  if (actor.is_narrowed) {
    actor.is_admin =
        actor.is_admin && std::find(holds.begin(), holds.end(), "admin") != holds.end();
  }
  return actor;
}

absl::Status CheckPresented(pg::Tx& tx, const rpc::Call& call) {
  const std::string& credential_id = call.principal().credential_id();
  if (credential_id.empty() || IsLive(tx, credential_id)) return absl::OkStatus();
  return Error(absl::StatusCode::kUnauthenticated, "CREDENTIALS_INVALID",
               "the credential was revoked meanwhile");
}

AuditEvent EventBy(const rpc::Call& call, const std::string& type, const std::string& target,
                   std::int64_t tenant_id) {
  AuditEvent event = NewEvent(type, /*success=*/true, {.request_id = call.request_id()});
  event.actor_user_id = call.principal().user_id();
  event.actor_username = event.actor_user_id.empty() ? call.caller() : call.principal().username();
  event.target = target;
  event.tenant_id = tenant_id;
  return event;
}

}  // namespace gatehouse::auth
