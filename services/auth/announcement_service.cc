#include "services/auth/announcement_service.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <optional>
#include <string>
#include <utility>

#include "gatehouse/auth/v1/announcement.methods.h"
#include "libs/base/utf8.h"
#include "libs/base/uuid.h"
#include "libs/pg/feed.h"
#include "libs/rpc/timestamp.h"
#include "services/auth/audit_store.h"
#include "services/auth/call_actor.h"
#include "services/auth/tenant_store.h"
#include "services/auth/user_store.h"

namespace gatehouse::auth {
namespace {

namespace json = boost::json;

constexpr int kMessageCharactersMax = 2000;

absl::Status Invalid(const std::string& field, const std::string& message) {
  return FieldError("ANNOUNCEMENT_INVALID", field, message);
}

// "system.maintenance"; empty for a type that there is not.
std::string EventType(v1::AnnouncementType type) {
  switch (type) {
    case v1::ANNOUNCEMENT_TYPE_NOTIFICATION:
      return "system.notification";
    case v1::ANNOUNCEMENT_TYPE_MAINTENANCE:
      return "system.maintenance";
    case v1::ANNOUNCEMENT_TYPE_ALERT:
      return "system.alert";
    default:
      return "";
  }
}

bool IsMessage(const std::string& text) {
  int characters = 0;
  for (std::size_t at = 0; at < text.size(); ++characters) {
    const std::size_t length = Utf8Length(text, at);
    if (length == 0 || text[at] == '\0') return false;
    at += length;
  }
  return characters >= 1 && characters <= kMessageCharactersMax;
}

absl::Status Check(const v1::CreateAnnouncementRequest& request) {
  if (EventType(request.type()).empty()) {
    return Invalid("type", "must be notification, maintenance or alert");
  }
  if (!IsMessage(request.message())) {
    return Invalid("message", "must be 1 to 2000 characters, without NUL characters");
  }
  if (request.tenant_id() < 0) return Invalid("tenant_id", "must not be negative");
  if (request.has_enabled() && request.type() != v1::ANNOUNCEMENT_TYPE_MAINTENANCE) {
    return Invalid("enabled", "goes with maintenance only");
  }
  return absl::OkStatus();
}

// Whose it is to be: a tenant's, a user's, or everybody's.
absl::Status FindAudience(pg::Tx& tx, const v1::CreateAnnouncementRequest& request,
                          v1::Announcement* announcement) {
  announcement->set_tenant_id(request.tenant_id());
  if (request.tenant_id() != 0 && !FindTenant(tx, request.tenant_id())) {
    return Error(absl::StatusCode::kNotFound, "TENANT_NOT_FOUND", "there is no such tenant");
  }
  if (request.user().empty()) return absl::OkStatus();
  const std::optional<User> user = FindUser(tx, request.user(), UserKey::kIdOrNumber);
  if (!user || (request.tenant_id() != 0 && user->tenant.id != request.tenant_id())) {
    return UserNotFound();
  }
  announcement->set_tenant_id(user->tenant.id);
  announcement->set_user_id(user->id);
  return absl::OkStatus();
}

pg::Event ToEvent(const v1::Announcement& announcement) {
  json::object data{{"id", announcement.id()}, {"message", announcement.message()}};
  if (announcement.has_enabled()) data["enabled"] = announcement.enabled();
  pg::Event event;
  event.tenant_id = announcement.tenant_id();
  event.user_id = announcement.user_id();
  event.type = EventType(announcement.type());
  event.subject = "announcement/" + announcement.id();
  event.data_json = json::serialize(data);
  return event;
}

// Says what, not in which words: the feed tells those.
AuditEvent ToAudit(const rpc::Call& call, const v1::Announcement& announcement) {
  AuditEvent audit = EventBy(call, "announcement_created", "announcement/" + announcement.id(),
                             announcement.tenant_id());
  audit.id = announcement.id();
  json::object details{{"type", EventType(announcement.type())}};
  if (announcement.has_enabled()) details["enabled"] = announcement.enabled();
  if (!announcement.user_id().empty()) details["user_id"] = announcement.user_id();
  audit.details_json = json::serialize(details);
  return audit;
}

// Whether a try whose outcome was not known did it after all.
bool IsDone(pg::Tx& tx, const std::string& id) {
  static constexpr char kIsDone[] = R"(
SELECT EXISTS (SELECT FROM auth.audit_events WHERE id = $1::uuid))";
  return tx.exec_params(kIsDone, id)[0][0].as<bool>();
}

}  // namespace

AnnouncementService::AnnouncementService(pg::Database& db, std::function<void()> notify)
    : db_(db), notify_(std::move(notify)), rpc_(v1::AnnouncementService::kFullName) {
  rpc_.Unary(v1::AnnouncementService::kCreateAnnouncement, {.callers = {"gateway"}},
             [this](rpc::Call& call, const v1::CreateAnnouncementRequest& r) {
               return CreateAnnouncement(call, r);
             });
}

absl::StatusOr<v1::Announcement> AnnouncementService::CreateAnnouncement(
    rpc::Call& call, const v1::CreateAnnouncementRequest& request) {
  GH_RETURN_IF_ERROR(Check(request));
  GH_RETURN_IF_ERROR(CheckAdmin(ActorOf(call)));
  v1::Announcement announcement;
  announcement.set_id(UuidV7());
  announcement.set_type(request.type());
  announcement.set_message(request.message());
  if (request.type() == v1::ANNOUNCEMENT_TYPE_MAINTENANCE) {
    announcement.set_enabled(!request.has_enabled() || request.enabled());
  }
  *announcement.mutable_create_time() = rpc::ToTimestamp(SystemClock().Now());
  const auto announce = [&](pg::Tx& tx) -> absl::Status {
    GH_RETURN_IF_ERROR(CheckPresented(tx, call));
    GH_RETURN_IF_ERROR(FindAudience(tx, request, &announcement));
    if (IsDone(tx, announcement.id())) return absl::OkStatus();
    AppendEvent(tx, ToAudit(call, announcement));
    return pg::AppendEvent(tx, "auth", ToEvent(announcement));
  };
  GH_RETURN_IF_ERROR(pg::RepeatInDoubt([&] { return db_.InTransaction(announce); }));
  notify_();
  return announcement;
}

}  // namespace gatehouse::auth
