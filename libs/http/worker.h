// One thread of the server: its listening socket, its connections, their timers
// and its mailbox. Shares nothing with other workers but the count of open
// connections. Internal to libs/http.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/base/unique_fd.h"
#include "libs/http/connection.h"
#include "libs/http/connection_table.h"
#include "libs/http/exchange.h"
#include "libs/http/mailbox.h"
#include "libs/http/reactor.h"
#include "libs/http/request_parser.h"
#include "libs/http/response_writer.h"
#include "libs/http/server.h"
#include "libs/http/timers.h"

namespace gatehouse::http {

// What all workers have in common.
struct WorkerSettings {
  ServerOptions options;
  Server::Handler handler;
  std::function<void()> drained;  // Called once by each worker, on its thread.
};

class Worker final : public Loop, public ReplyDesk {
 public:
  static constexpr std::size_t kScratchBytes = 64 * 1024;

  // `settings` and `open` (the connections of all workers) must outlive this.
  Worker(const WorkerSettings& settings, UniqueFd listener, std::atomic<int>* open);
  ~Worker() override;

  // From any thread: see Server::Drain.
  void PostDrain();
  void PostEnd();
  std::uint64_t requests() const { return requests_.load(std::memory_order_relaxed); }

  bool Attach(Poller* poller) override;
  void OnEvents(const std::vector<Event>& events) override;

  bool IsOpen(ConnectionId connection) const override;
  void TakeReply(ConnectionId connection, std::uint32_t number, Response response) override;
  void TakeAbandoned(ConnectionId connection, std::uint32_t number,
                     const Request& request) override;
  void SetGone(ConnectionId connection, std::uint32_t number, std::function<void()> gone) override;

  // For its connections.
  const ServerOptions& options() const { return settings_.options; }
  const Server::Handler& handler() const { return settings_.handler; }
  const HeadLimits& limits() const { return limits_; }
  const std::shared_ptr<Mailbox>& mailbox() const { return mailbox_; }
  const std::string& date_line() { return date_line_.Get(); }
  char* scratch() { return scratch_.get(); }
  RequestHead* head() { return &head_; }
  Timers& timers() { return timers_; }
  SteadyTime now() const { return now_; }
  bool draining() const { return draining_; }
  void CountRequest() {
    requests_.store(requests_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  // Has Pump called for it at the end of the batch.
  void Schedule(ConnectionId connection) { scheduled_.push_back(connection); }
  void Remove(Connection* connection);
  Response ErrorPageOf(int status, const Request& request) const;

 private:
  void Accept(int most);
  void Adopt(UniqueFd socket, const sockaddr_storage& address);
  void PauseAccepting();
  void ResumeAccepting();
  void StopAccepting();
  void Drain();
  void End();
  void OnTimer();
  void RunScheduled();
  void SetTimer();
  void ReportDrained();

  const WorkerSettings& settings_;
  const HeadLimits limits_;
  UniqueFd listener_;
  UniqueFd timer_;
  std::atomic<int>* const open_;
  const std::shared_ptr<Mailbox> mailbox_;
  Poller* poller_ = nullptr;
  bool bound_ = false;
  bool draining_ = false;
  bool reported_ = false;
  SteadyTime now_;
  std::optional<SteadyTime> timer_set_;
  std::optional<SteadyTime> accepts_again_;  // Set while out of descriptors.
  std::atomic<std::uint64_t> requests_ = 0;

  std::unique_ptr<char[]> scratch_;
  RequestHead head_;
  DateLine date_line_;
  Timers timers_;
  ConnectionTable connections_;
  std::vector<ConnectionId> scheduled_;
  std::vector<std::unique_ptr<Connection>> removed_;  // In this batch.
};

}  // namespace gatehouse::http
