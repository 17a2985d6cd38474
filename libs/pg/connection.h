// Opens sessions the way the suite wants them: encoding, time zone, time-outs,
// no silent reconnect. Used inside libs/pg only. Throws pqxx's exceptions.
#pragma once

#include <chrono>
#include <memory>
#include <pqxx/pqxx>
#include <string>

#include "libs/status/status.h"

namespace gatehouse::pg {

// Limits that the server enforces on a session; 0 is none.
struct SessionLimits {
  std::chrono::milliseconds statement_timeout{0};
  std::chrono::milliseconds lock_timeout{0};
  std::chrono::milliseconds idle_in_transaction_timeout{0};
};

// `url` (postgresql://… or key=value, read by libpq's own rules) as key='value'
// pairs with the suite's defaults where it is silent and `limits` appended to its
// `options`. Secret. INVALID_ARGUMENT / DATABASE_URL_INVALID, without a word of the URL.
absl::StatusOr<std::string> ConnectionString(const std::string& url, const SessionLimits& limits);

// A connection that never reconnects by itself and prints nothing. Not thread-safe.
class Session : public pqxx::connection {
 public:
  // Throws pqxx::broken_connection when the server cannot be reached or refuses.
  explicit Session(const std::string& connection_string);

 private:
  // Else libpq prints notices and last words of the server to standard error, between
  // the lines of the log. What matters arrives as an exception.
  pqxx::quiet_errorhandler quiet_;
};

std::unique_ptr<Session> Connect(const std::string& url, const SessionLimits& limits);

// `name` as a quoted identifier.
std::string Identifier(const std::string& name);

// Whether the server has sent something or hung up while nothing was asked: then
// the session is probably lost, and a round trip will tell.
bool SpokeUnasked(const pqxx::connection& connection);

}  // namespace gatehouse::pg
