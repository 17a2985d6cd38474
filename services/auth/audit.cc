#include "services/auth/audit.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "absl/strings/ascii.h"
#include "libs/base/uuid.h"

namespace gatehouse::auth {
namespace {

constexpr std::size_t kTypeBytesMax = 64;
constexpr std::size_t kTextBytesMax = 512;
constexpr std::size_t kDetailsBytesMax = 16384;
constexpr std::size_t kDetailsDepthMax = 16;

absl::Status Invalid(const std::string& message) {
  return Error(absl::StatusCode::kInvalidArgument, "AUDIT_EVENT_INVALID", message);
}

bool IsType(const std::string& type) {
  if (type.empty() || type.size() > kTypeBytesMax || !absl::ascii_islower(type[0])) return false;
  for (unsigned char c : type) {
    if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '_') return false;
  }
  return true;
}

bool IsJsonObject(const std::string& text) {
  boost::json::error_code error;
  boost::json::parse_options options;
  options.max_depth = kDetailsDepthMax;
  const boost::json::value value = boost::json::parse(text, error, {}, options);
  return !error && value.is_object();
}

}  // namespace

absl::Status Check(const AuditEvent& event) {
  if (!IsUuid(event.id)) return Invalid("id must be a UUID");
  if (!IsType(event.type)) return Invalid("type must be lower_snake_case, at most 64 bytes");
  if (!event.actor_user_id.empty() && !IsUuid(event.actor_user_id)) {
    return Invalid("actor_user_id must be a UUID or empty");
  }
  if (event.tenant_id < 0) return Invalid("tenant_id must not be negative");
  const std::string* const texts[] = {&event.actor_username, &event.target,
                                      &event.client_address, &event.user_agent,
                                      &event.request_id,     &event.reason};
  for (const std::string* text : texts) {
    if (text->size() > kTextBytesMax) return Invalid("a text is longer than 512 bytes");
    if (text->find('\0') != std::string::npos) return Invalid("a text contains a NUL character");
  }
  if (event.details_json.size() > kDetailsBytesMax || !IsJsonObject(event.details_json)) {
    return Invalid("details_json must be a JSON object of at most 16 KiB");
  }
  return absl::OkStatus();
}

AuditEvent NewEvent(const std::string& type, bool success, const Origin& origin) {
  AuditEvent event;
  event.id = UuidV7();
  event.type = type;
  event.event_time = SystemClock().Now();
  event.success = success;
  event.client_address = Clip(origin.client_address, kTextBytesMax);
  event.user_agent = Clip(origin.user_agent, kTextBytesMax);
  event.request_id = Clip(origin.request_id, kTextBytesMax);
  return event;
}

std::string Clip(const std::string& text, std::size_t bytes_max) {
  std::string clipped = text.substr(0, text.find('\0'));
  if (clipped.size() <= bytes_max) return clipped;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(clipped[end]) & 0xC0) == 0x80) --end;
  clipped.resize(end);
  return clipped;
}

}  // namespace gatehouse::auth
