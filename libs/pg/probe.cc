#include "libs/pg/probe.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <utility>

#include "libs/pg/connection.h"
#include "libs/pg/failure.h"

namespace gatehouse::pg {
namespace {

constexpr char kReadOnlyTransaction[] = "25006";

std::string StatementFor(const std::string& table) {
  if (table.empty()) return "SELECT 1";
  const std::size_t dot = table.find('.');
  return "UPDATE " + Identifier(table.substr(0, dot)) + '.' + Identifier(table.substr(dot + 1)) +
         " SET probe_time = now()";
}

absl::Status Silent() { return ToStatus(FailureKind::kUnavailable); }

absl::Status Refused(const std::string& problem) {
  return Error(absl::StatusCode::kUnavailable, ReasonOf(FailureKind::kUnavailable),
               "the database refuses the readiness probe: " + problem);
}

bool Await(PGconn* session, short events, SteadyTime deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - std::chrono::steady_clock::now());
  pollfd socket{PQsocket(session), events, 0};
  return left.count() > 0 && ::poll(&socket, 1, static_cast<int>(left.count())) > 0;
}

bool Connected(PGconn* session, SteadyTime deadline) {
  if (PQstatus(session) == CONNECTION_BAD) return false;
  PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;
  while (wanted == PGRES_POLLING_READING || wanted == PGRES_POLLING_WRITING) {
    if (!Await(session, wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline)) return false;
    wanted = PQconnectPoll(session);
  }
  return wanted == PGRES_POLLING_OK;
}

absl::Status Judge(PGresult* result) {
  switch (PQresultStatus(result)) {
    case PGRES_TUPLES_OK:
      return absl::OkStatus();
    case PGRES_COMMAND_OK:
      if (std::string(PQcmdTuples(result)) == "1") return absl::OkStatus();
      return Refused("its row is missing");
    default:
      break;
  }
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (state == nullptr) return Silent();
  if (std::string(state) == kReadOnlyTransaction) {
    return Error(absl::StatusCode::kUnavailable, "DATABASE_READ_ONLY",
                 "the database takes no writes");
  }
  const char* text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  return Refused(text == nullptr ? state : text);
}

}  // namespace

Probe::Probe(std::string connection_string, const std::string& table)
    : connection_string_(std::move(connection_string)),
      statement_(StatementFor(table)),
      session_(nullptr, PQfinish) {}

Probe::~Probe() = default;

absl::Status Probe::Ask(std::chrono::milliseconds patience) {
  std::lock_guard lock(mutex_);
  const SteadyTime deadline = std::chrono::steady_clock::now() + patience;
  // The old session may have died with a server that is back by now.
  if (session_ != nullptr && Query(deadline).ok()) return absl::OkStatus();
  session_.reset(PQconnectStart(connection_string_.c_str()));
  absl::Status answer = Silent();
  if (session_ != nullptr) {
    PQsetNoticeProcessor(
        session_.get(), [](void*, const char*) {}, nullptr);
    if (Connected(session_.get(), deadline)) answer = Query(deadline);
  }
  if (!answer.ok()) session_.reset();
  return answer;
}

// The caller holds mutex_.
absl::Status Probe::Query(SteadyTime deadline) {
  PGconn* const session = session_.get();
  if (PQsendQuery(session, statement_.c_str()) != 1) return Silent();
  absl::Status answer = Silent();
  while (true) {
    while (PQisBusy(session) == 1) {
      if (!Await(session, POLLIN, deadline) || PQconsumeInput(session) != 1) return Silent();
    }
    PGresult* result = PQgetResult(session);
    if (result == nullptr) return answer;
    answer = Judge(result);
    PQclear(result);
    if (PQstatus(session) == CONNECTION_BAD) return Silent();
  }
}

}  // namespace gatehouse::pg
