#include "services/auth/audit_service.h"

#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "gatehouse/auth/v1/audit.methods.h"
#include "libs/base/uuid.h"
#include "libs/log/log.h"
#include "libs/rpc/page.h"
#include "libs/rpc/timestamp.h"
#include "services/auth/audit.h"
#include "services/auth/audit_store.h"

namespace gatehouse::auth {
namespace {

constexpr int kPageSizeDefault = 100;
constexpr int kPageSizeMax = 1000;
constexpr int kSealRowsMax = 500;
constexpr std::int64_t kYear10000Seconds = 253402300800;

absl::Status InvalidArgument(const std::string& reason, const std::string& message) {
  return Error(absl::StatusCode::kInvalidArgument, reason, message);
}

absl::StatusOr<AuditEvent> FromProto(const v1::AuditEvent& proto) {
  AuditEvent event;
  event.id = proto.id();
  event.type = proto.type();
  event.event_time = SystemClock().Now();
  if (proto.has_event_time()) {
    const auto& time = proto.event_time();
    if (time.seconds() < 0 || time.seconds() >= kYear10000Seconds || time.nanos() < 0 ||
        time.nanos() > 999999999) {
      return InvalidArgument("AUDIT_EVENT_INVALID", "event_time is out of range");
    }
    event.event_time = rpc::FromTimestamp(time);
  }
  event.actor_user_id = absl::AsciiStrToLower(proto.actor_user_id());
  event.actor_username = proto.actor_username();
  event.target = proto.target();
  event.tenant_id = proto.tenant_id();
  event.client_address = proto.client_address();
  event.user_agent = proto.user_agent();
  event.request_id = proto.request_id();
  event.success = proto.success();
  event.reason = proto.reason();
  if (!proto.details_json().empty()) event.details_json = proto.details_json();
  GH_RETURN_IF_ERROR(Check(event));
  return event;
}

void ToProto(const AuditEvent& event, v1::AuditEvent& proto) {
  proto.set_id(event.id);
  proto.set_type(event.type);
  *proto.mutable_event_time() = rpc::ToTimestamp(event.event_time);
  proto.set_actor_user_id(event.actor_user_id);
  proto.set_actor_username(event.actor_username);
  proto.set_target(event.target);
  proto.set_tenant_id(event.tenant_id);
  proto.set_client_address(event.client_address);
  proto.set_user_agent(event.user_agent);
  proto.set_request_id(event.request_id);
  proto.set_success(event.success);
  proto.set_reason(event.reason);
  proto.set_details_json(event.details_json);
}

absl::StatusOr<AuditFilter> FilterOf(const v1::ListAuditEventsRequest& request) {
  if (!request.user_id().empty() && !IsUuid(request.user_id())) {
    return InvalidArgument("USER_ID_INVALID", "user_id must be a UUID");
  }
  if (request.type().find('\0') != std::string::npos) {
    return InvalidArgument("TYPE_INVALID", "type must not contain a NUL character");
  }
  return AuditFilter{.user_id = absl::AsciiStrToLower(request.user_id()), .type = request.type()};
}

}  // namespace

AuditService::AuditService(pg::Database& db) : db_(db), rpc_(v1::AuditService::kFullName) {
  rpc_.Unary(
      v1::AuditService::kAppendAudit, {.callers = {"gateway", "jobs", "billing", "invitations"}},
      [this](rpc::Call&, const v1::AppendAuditRequest& request) { return AppendAudit(request); });
  rpc_.Unary(v1::AuditService::kListAuditEvents, {.callers = {"gateway"}},
             [this](rpc::Call&, const v1::ListAuditEventsRequest& request) {
               return ListAuditEvents(request);
             });
}

absl::StatusOr<v1::AppendAuditResponse> AuditService::AppendAudit(
    const v1::AppendAuditRequest& request) {
  GH_ASSIGN_OR_RETURN(const AuditEvent event, FromProto(request.event()));
  const auto append = [&](pg::Tx& tx) -> absl::Status {
    AppendEvent(tx, event);
    return absl::OkStatus();
  };
  GH_RETURN_IF_ERROR(pg::RepeatInDoubt([&] { return db_.Statement(append); }));
  return v1::AppendAuditResponse();
}

absl::StatusOr<v1::ListAuditEventsResponse> AuditService::ListAuditEvents(
    const v1::ListAuditEventsRequest& request) {
  GH_ASSIGN_OR_RETURN(const int limit,
                      rpc::PageLimit(request.page_size(), kPageSizeDefault, kPageSizeMax));
  GH_ASSIGN_OR_RETURN(const AuditFilter filter, FilterOf(request));
  GH_ASSIGN_OR_RETURN(const std::optional<rpc::PagePosition> after,
                      rpc::ParsePageToken(request.page_token()));
  // One more than asked for shows whether there is a next page.
  using Page = std::vector<AuditEvent>;
  v1::ListAuditEventsResponse response;
  GH_ASSIGN_OR_RETURN(Page page, db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Page> {
    response.set_total(CountEvents(tx, filter));
    return ListEvents(tx, filter, after, limit + 1);
  }));
  if (page.size() > static_cast<std::size_t>(limit)) {
    page.resize(limit);
    response.set_next_page_token(rpc::PageToken({page.back().event_time, page.back().id}));
  }
  for (const AuditEvent& event : page) ToProto(event, *response.add_events());
  return response;
}

AuditSealer::AuditSealer(pg::Database& db)
    : ticker_("audit-seal", [&db]() -> std::chrono::milliseconds {
        const absl::StatusOr<int> sealed = pg::Seal(db, AuditChain(), kSealRowsMax);
        if (!sealed.ok()) {
          log::Warning("audit events could not be sealed", {{"reason", Reason(sealed.status())}});
          return std::chrono::seconds(5);
        }
        // A full batch means that more is waiting.
        if (*sealed == kSealRowsMax) return std::chrono::milliseconds(1);
        return std::chrono::seconds(1);
      }) {}

}  // namespace gatehouse::auth
