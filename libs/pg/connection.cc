#include "libs/pg/connection.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>

#include <map>

namespace gatehouse::pg {
namespace {

std::string Quote(const char* value) {
  std::string quoted = "'";
  for (const char* c = value; *c != '\0'; ++c) {
    if (*c == '\'' || *c == '\\') quoted += '\\';
    quoted += *c;
  }
  return quoted + "'";
}

std::string SessionOptions(const SessionLimits& limits) {
  const auto setting = [](const char* name, std::chrono::milliseconds value) {
    return " -c " + std::string(name) + "=" + std::to_string(value.count());
  };
  // To compile a statement takes longer than what is asked for here may take.
  return "-c timezone=UTC -c client_min_messages=error -c jit=off" +
         setting("statement_timeout", limits.statement_timeout) +
         setting("lock_timeout", limits.lock_timeout) +
         setting("idle_in_transaction_session_timeout", limits.idle_in_transaction_timeout);
}

// What libpq would otherwise leave open: a peer that vanished is noticed within
// half a minute, and Kerberos is not tried before the password.
std::map<std::string, std::string> Defaults() {
  return {{"client_encoding", "UTF8"},
          {"connect_timeout", "2"},
          {"fallback_application_name", program_invocation_short_name},
          {"gssencmode", "disable"},
          {"keepalives_idle", "10"},
          {"keepalives_interval", "5"},
          {"keepalives_count", "3"},
          {"tcp_user_timeout", "15000"}};
}

}  // namespace

absl::StatusOr<std::string> ConnectionString(const std::string& url, const SessionLimits& limits) {
  char* problem = nullptr;
  std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> given(
      PQconninfoParse(url.c_str(), &problem), PQconninfoFree);
  if (given == nullptr) {
    // libpq's text quotes the URL, and with it perhaps the password.
    PQfreemem(problem);
    return Error(absl::StatusCode::kInvalidArgument, "DATABASE_URL_INVALID",
                 "the database URL is not valid");
  }
  std::map<std::string, std::string> values = Defaults();
  for (const PQconninfoOption* option = given.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) values[option->keyword] = option->val;
  }
  std::string& options = values["options"];
  options += (options.empty() ? "" : " ") + SessionOptions(limits);
  std::string text;
  for (const auto& [keyword, value] : values) text += keyword + "=" + Quote(value.c_str()) + " ";
  return text;
}

Session::Session(const std::string& connection_string)
    : pqxx::connection(connection_string), quiet_(*this) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  // Else pqxx opens a new session by itself, and an open transaction, its locks
  // and the session's settings vanish without an error.
  inhibit_reactivation(true);
#pragma GCC diagnostic pop
  // Without DETAIL, which quotes the values of rows.
  set_verbosity(terse);
}

std::unique_ptr<Session> Connect(const std::string& url, const SessionLimits& limits) {
  const auto connection_string = ConnectionString(url, limits);
  if (!connection_string.ok()) throw pqxx::broken_connection("the database URL is not valid");
  return std::make_unique<Session>(*connection_string);
}

std::string Identifier(const std::string& name) {
  std::string quoted = "\"";
  for (const char c : name) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

bool SpokeUnasked(const pqxx::connection& connection) {
  pollfd socket{connection.sock(), POLLIN, 0};
  return ::poll(&socket, 1, 0) != 0;
}

}  // namespace gatehouse::pg
