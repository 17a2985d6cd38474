#include "libs/pg/listener.h"

#include <libpq-fe.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <cstdint>

#include "libs/log/log.h"
#include "libs/pg/connection.h"

namespace gatehouse::pg {
namespace {

constexpr std::chrono::seconds kPatience{2};

}  // namespace

Listener::Listener(const std::string& url, std::string channel)
    : connection_string_(ConnectionString(url, {.statement_timeout = kPatience}).value_or("")),
      channel_(std::move(channel)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      session_(nullptr, PQfinish) {}

Listener::~Listener() = default;

void Listener::Ensure() {
  if (session_ != nullptr || connection_string_.empty()) return;
  session_.reset(PQconnectdb(connection_string_.c_str()));
  PQsetNoticeProcessor(
      session_.get(), [](void*, const char*) {}, nullptr);
  if (PQstatus(session_.get()) != CONNECTION_OK) {
    Lose(PQerrorMessage(session_.get()));
    return;
  }
  if (Execute("LISTEN " + Identifier(channel_)) && lost_) {
    log::Info("listening again", {{"channel", channel_}});
    lost_ = false;
  }
}

void Listener::Notify() {
  if (session_ != nullptr) Execute("NOTIFY " + Identifier(channel_));
}

bool Listener::Execute(const std::string& sql) {
  PGresult* result = PQexec(session_.get(), sql.c_str());
  const bool done = PQresultStatus(result) == PGRES_COMMAND_OK;
  PQclear(result);
  if (!done) Lose(PQerrorMessage(session_.get()));
  return done;
}

void Listener::Lose(const std::string& why) {
  if (!lost_) log::Warning("not listening", {{"channel", channel_}, {"text", why}});
  lost_ = true;
  session_.reset();
}

void Listener::Await(std::chrono::milliseconds pause) {
  if (session_ != nullptr) {
    // What arrived together with the answer to a statement no longer shows at the socket.
    PGnotify* waiting = PQnotifies(session_.get());
    PQfreemem(waiting);
    if (waiting != nullptr) pause = std::chrono::milliseconds(0);
  }
  pollfd sources[] = {{wake_.get(), POLLIN, 0},
                      {session_ == nullptr ? -1 : PQsocket(session_.get()), POLLIN, 0}};
  if (::poll(sources, 2, static_cast<int>(pause.count())) <= 0) return;
  if (sources[0].revents != 0) {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t ignored = ::read(wake_.get(), &count, sizeof(count));
  }
  if (sources[1].revents == 0) return;
  if (PQconsumeInput(session_.get()) != 1) {
    Lose(PQerrorMessage(session_.get()));
    return;
  }
  // Any number of notifications says the same: look.
  while (PGnotify* notification = PQnotifies(session_.get())) PQfreemem(notification);
}

void Listener::Wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t ignored = ::write(wake_.get(), &one, sizeof(one));
}

}  // namespace gatehouse::pg
