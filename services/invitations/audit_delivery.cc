#include "services/invitations/audit_delivery.h"

#include "absl/strings/str_cat.h"
#include "gatehouse/auth/v1/audit.methods.h"
#include "libs/base/uuid.h"
#include "libs/log/log.h"
#include "libs/rpc/timestamp.h"

namespace gatehouse::invitations {
namespace {

constexpr char kAppendAudit[] = "auth.append_audit";

// No text of anybody's is among it, so that nothing needs to be escaped.
std::string DetailsOf(const Invitation& invitation) {
  const auto ttl = std::chrono::duration_cast<std::chrono::seconds>(invitation.expire_time -
                                                                    invitation.create_time);
  return absl::StrCat(R"({"action":"passkey_created","ttl_seconds":)", ttl.count(),
                      R"(,"max_uses":)", invitation.uses_max, R"(,"tenant_scope":)",
                      invitation.tenant_id, R"(,"email_bound":)",
                      invitation.email.empty() ? "false" : "true", "}");
}

}  // namespace

absl::Status AppendPasskeyCreated(pg::Tx& tx, const Invitation& invitation) {
  auth::v1::AppendAuditRequest request;
  auth::v1::AuditEvent& event = *request.mutable_event();
  event.set_id(UuidV7());
  event.set_type("admin_action");
  *event.mutable_event_time() = rpc::ToTimestamp(invitation.create_time);
  event.set_actor_user_id(invitation.creator_user_id);
  event.set_actor_username(invitation.creator_username);
  event.set_target("passkey/" + invitation.id);
  event.set_tenant_id(invitation.tenant_id);
  event.set_success(true);
  event.set_details_json(DetailsOf(invitation));
  return pg::AppendOutbox(tx, "invitations", event.target(), kAppendAudit,
                          request.SerializeAsString());
}

absl::Status AuditDelivery::operator()(const pg::OutboxMessage& message) {
  if (message.kind != kAppendAudit) {
    return Error(absl::StatusCode::kUnimplemented, "OUTBOX_KIND_UNKNOWN",
                 "no such kind of message: " + message.kind);
  }
  auth::v1::AppendAuditRequest request;
  if (!request.ParseFromString(message.payload)) {
    return Error(absl::StatusCode::kDataLoss, "OUTBOX_UNREADABLE",
                 "a message of kind auth.append_audit cannot be parsed");
  }
  rpc::CallOptions options;
  options.idempotent = true;
  absl::Status told = auth_.Call(auth::v1::AuditService::kAppendAudit, request, options).status();
  if (told.code() != absl::StatusCode::kInvalidArgument) return told;
  log::Error("auth refused an audit event for good", {{"subject", message.subject},
                                                      {"event", request.event().id()},
                                                      {"reason", Reason(told)},
                                                      {"text", std::string(told.message())}});
  return absl::OkStatus();
}

}  // namespace gatehouse::invitations
