// An event of the audit log and what it must look like. Pure. Never holds a
// secret; not a log line (libs/log).
#pragma once

#include <cstdint>
#include <string>

#include "libs/base/clock.h"
#include "libs/status/status.h"

namespace gatehouse::auth {

struct AuditEvent {
  std::string id;    // UUID, chosen by the writer.
  std::string type;  // "login_success"
  Time event_time;
  std::string actor_user_id;  // UUID, or empty when unknown.
  std::string actor_username;
  std::string target;  // "user/<uuid>"
  std::int64_t tenant_id = 0;
  std::string client_address;
  std::string user_agent;
  std::string request_id;
  bool success = false;
  std::string reason;
  std::string details_json = "{}";
};

// INVALID_ARGUMENT / AUDIT_EVENT_INVALID.
absl::Status Check(const AuditEvent& event);

// Who asks, as far as the edge knows.
struct Origin {
  std::string client_address = "";
  std::string user_agent = "";
  std::string request_id = "";
};

// An event of auth's own: a fresh id, the time of now, and what came from
// outside cut to the limits.
AuditEvent NewEvent(const std::string& type, bool success, const Origin& origin);

// At most `bytes_max` bytes of UTF-8 text without NUL, cut between characters.
std::string Clip(const std::string& text, std::size_t bytes_max);

}  // namespace gatehouse::auth
