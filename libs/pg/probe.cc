#include "libs/pg/probe.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>

#include "libs/base/clock.h"

namespace gatehouse::pg {
namespace {

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

bool Queried(PGconn* session, SteadyTime deadline) {
  if (PQsendQuery(session, "SELECT 1") != 1) return false;
  bool answered = false;
  while (true) {
    while (PQisBusy(session) == 1) {
      if (!Await(session, POLLIN, deadline) || PQconsumeInput(session) != 1) return false;
    }
    PGresult* result = PQgetResult(session);
    if (result == nullptr) return answered;
    answered = PQresultStatus(result) == PGRES_TUPLES_OK;
    PQclear(result);
    if (PQstatus(session) == CONNECTION_BAD) return false;
  }
}

}  // namespace

Probe::Probe(std::string connection_string)
    : connection_string_(std::move(connection_string)), session_(nullptr, PQfinish) {}

Probe::~Probe() = default;

bool Probe::Answers(std::chrono::milliseconds patience) {
  std::lock_guard lock(mutex_);
  const SteadyTime deadline = std::chrono::steady_clock::now() + patience;
  // The old session may have died with a server that is back by now.
  if (session_ != nullptr && Queried(session_.get(), deadline)) return true;
  session_.reset(PQconnectStart(connection_string_.c_str()));
  PQsetNoticeProcessor(
      session_.get(), [](void*, const char*) {}, nullptr);
  if (session_ != nullptr && Connected(session_.get(), deadline) &&
      Queried(session_.get(), deadline)) {
    return true;
  }
  session_.reset();
  return false;
}

}  // namespace gatehouse::pg
