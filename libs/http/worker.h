// One thread of the server: its listening socket, its connections, their streams
// and timers, its sockets towards upstreams, and its mailbox. Shares nothing with other workers but
// the count of open connections. Internal to libs/http.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/base/unique_fd.h"
#include "libs/http/connection.h"
#include "libs/http/connection_stream.h"
#include "libs/http/connection_table.h"
#include "libs/http/exchange.h"
#include "libs/http/mailbox.h"
#include "libs/http/outgoing.h"
#include "libs/http/reactor.h"
#include "libs/http/request_parser.h"
#include "libs/http/response_writer.h"
#include "libs/http/server.h"
#include "libs/http/socket_table.h"
#include "libs/http/timers.h"

namespace gatehouse::http {

// What all workers have in common.
struct WorkerSettings {
  ServerOptions options;
  Server::Handler handler;
  std::function<void()> drained;  // Called once by each worker, on its thread.
};

class Worker final : public Loop, public ReplyDesk, public Outgoing {
 public:
  static constexpr std::size_t kScratchBytes = 64 * 1024;

  // `settings` and `open` (the connections of all workers) must outlive this.
  Worker(const WorkerSettings& settings, UniqueFd listener, std::atomic<int>* open, int index = 0);
  ~Worker() override;

  // From any thread: see Server::Drain.
  void PostDrain(std::chrono::milliseconds grace);
  void PostEnd();
  // See Server::Post.
  void Post(std::function<void()> work) { mailbox_->Post(std::move(work)); }
  std::uint64_t requests() const { return requests_.load(std::memory_order_relaxed); }

  bool Attach(Poller* poller) override;
  void OnEvents(const std::vector<Event>& events) override;

  bool IsOpen(ConnectionId connection) const override;
  void TakeReply(ConnectionId connection, std::uint32_t number, Response response) override;
  void TakeAbandoned(ConnectionId connection, std::uint32_t number,
                     const Request& request) override;
  void SetGone(ConnectionId connection, std::uint32_t number, std::function<void()> gone) override;
  Stream* OpenStream(ConnectionId connection, std::uint32_t number,
                     std::shared_ptr<StreamOwner> owner) override;
  Outgoing& outgoing() override { return *this; }
  int index() const override { return index_; }

  SocketId AddSocket(int fd, const sockaddr* address, SocketSink* sink) override;
  void SetSink(SocketId id, SocketSink* sink) override { sockets_.SetSink(id, sink); }
  void CloseSocket(SocketId id) override { sockets_.Close(id); }
  void Defer(std::function<void()> work) override { deferred_.push_back(std::move(work)); }
  char* scratch() override { return scratch_.get(); }
  SteadyTime now() const override { return now_; }
  const std::string& date_line() override { return date_line_.Get(); }
  UpstreamPool& pool() override { return *pool_; }
  bool draining() const override { return draining_; }
  std::chrono::milliseconds drain_spread() const override { return drain_spread_; }

  // For its connections.
  const ServerOptions& options() const { return settings_.options; }
  const Server::Handler& handler() const { return settings_.handler; }
  const HeadLimits& limits() const { return limits_; }
  const std::shared_ptr<Mailbox>& mailbox() const { return mailbox_; }
  // Not scratch(): what was received is still being used when upstreams are read.
  char* receive_buffer() { return receive_buffer_.get(); }
  RequestHead* head() { return &head_; }
  Timers& timers() { return timers_; }
  void CountRequest() {
    requests_.store(requests_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  // Has Pump called for it at the end of the batch.
  void Schedule(ConnectionId connection) { scheduled_.push_back(connection); }
  void Remove(Connection* connection);
  void AddStream(ConnectionStream* stream);
  // Keeps one that has ended, and its owner, until the batch in hand is done.
  void Bury(std::unique_ptr<ConnectionStream> stream) { ended_.push_back(std::move(stream)); }
  Response ErrorPageOf(int status, const Request& request) const;

 private:
  void Accept(int most);
  void Adopt(UniqueFd socket, const sockaddr_storage& address);
  void PauseAccepting();
  void ResumeAccepting();
  void StopAccepting();
  void Drain(std::chrono::milliseconds grace);
  void End();
  void OnTimer();
  void OnSocket(const Event& event);
  void Tick();
  void RunScheduled();
  void RunDeferred();
  // Of what has ended in this batch.
  void LetGo();
  void SetTimer();
  void ReportDrained();

  const WorkerSettings& settings_;
  const HeadLimits limits_;
  const int index_;
  UniqueFd listener_;
  UniqueFd timer_;
  std::atomic<int>* const open_;
  const std::shared_ptr<Mailbox> mailbox_;
  Poller* poller_ = nullptr;
  bool bound_ = false;
  bool draining_ = false;
  std::chrono::milliseconds drain_spread_{0};
  bool reported_ = false;
  SteadyTime now_;
  std::optional<SteadyTime> timer_set_;
  std::optional<SteadyTime> accepts_again_;  // Set while out of descriptors.
  std::optional<SteadyTime> next_tick_;      // Set while there is anything to tick.
  std::atomic<std::uint64_t> requests_ = 0;

  std::unique_ptr<char[]> receive_buffer_;
  std::unique_ptr<char[]> scratch_;
  RequestHead head_;
  DateLine date_line_;
  Timers timers_;
  ConnectionTable connections_;
  std::vector<ConnectionId> scheduled_;
  std::vector<std::function<void()>> deferred_;
  StreamList streams_;
  SocketTable sockets_;
  std::unique_ptr<UpstreamPool> pool_;
  std::vector<std::unique_ptr<Connection>> removed_;      // In this batch.
  std::vector<std::unique_ptr<ConnectionStream>> ended_;  // In this batch.
};

}  // namespace gatehouse::http
