#include "libs/http/worker.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <utility>

#include "libs/http/listener.h"
#include "libs/http/upstream_pool.h"
#include "libs/log/line.h"
#include "libs/log/log.h"

namespace gatehouse::http {
namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t kMailboxToken = 0;
constexpr std::uint64_t kTimerToken = 1;
constexpr std::uint64_t kListenerToken = 2;

constexpr int kAcceptsPerEvent = 64;
// Refused with 503 above connections_max; above these too, closed without a word.
constexpr int kRefusalsMax = 512;
constexpr milliseconds kAcceptPause{100};
constexpr milliseconds kLingerTime{2000};
// What a new connection is given to send its request when the server drains.
constexpr milliseconds kFirstRequestTime{500};
constexpr milliseconds kDrainSpreadMax{3000};

bool OutOfDescriptors(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

Response PlainPage(int status) {
  Response page;
  page.status = status;
  page.headers.push_back({"Content-Type", "text/plain; charset=utf-8"});
  page.body = std::to_string(status) + " " + ReasonPhrase(status) + "\n";
  return page;
}

}  // namespace

Worker::Worker(const WorkerSettings& settings, UniqueFd listener, std::atomic<int>* open, int index)
    : settings_(settings),
      limits_{settings.options.head_bytes_max, settings.options.header_count_max},
      index_(index),
      listener_(std::move(listener)),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      open_(open),
      mailbox_(std::make_shared<Mailbox>()),
      receive_buffer_(new char[kScratchBytes]),
      scratch_(new char[kScratchBytes]),
      pool_(std::make_unique<UpstreamPool>(*this)) {
  timers_.SetDuration(TimerKind::kIdle, settings.options.idle_timeout);
  timers_.SetDuration(TimerKind::kHead, settings.options.head_timeout);
  timers_.SetDuration(TimerKind::kBody, settings.options.body_timeout);
  timers_.SetDuration(TimerKind::kWrite, settings.options.write_timeout);
  timers_.SetDuration(TimerKind::kLinger, kLingerTime);
  timers_.SetDuration(TimerKind::kFirstRequest, kFirstRequestTime);
}

// Owners and sinks may still call the worker when they are let go of.
Worker::~Worker() {
  mailbox_->Close();
  connections_ = ConnectionTable();
  deferred_.clear();
  LetGo();
  pool_.reset();
}

void Worker::PostDrain(milliseconds grace) {
  mailbox_->Post([this, grace] { Drain(grace); });
}

void Worker::PostEnd() {
  mailbox_->Post([this] { End(); });
}

bool Worker::Attach(Poller* poller) {
  poller_ = poller;
  return mailbox_->fd() >= 0 && timer_.valid() && poller->Watch(mailbox_->fd(), kMailboxToken) &&
         poller->Watch(timer_.get(), kTimerToken) && poller->Watch(listener_.get(), kListenerToken);
}

void Worker::OnEvents(const std::vector<Event>& events) {
  const log::LineBatch one_write;
  if (!std::exchange(bound_, true)) mailbox_->BindToThread();
  now_ = std::chrono::steady_clock::now();
  for (const Event& event : events) {
    if (event.token >= SocketTable::kBit) {
      OnSocket(event);
    } else if (event.token >= ConnectionTable::kFirstId) {
      Connection* connection = connections_.Find(event.token);
      if (connection != nullptr) {
        connection->OnReady(event.readable, event.writable, event.ended);
      }
    } else if (event.token == kMailboxToken) {
      mailbox_->Run();
    } else if (event.token == kTimerToken) {
      OnTimer();
    } else if (listener_.valid()) {
      Accept(kAcceptsPerEvent);
    }
  }
  RunDeferred();
  RunScheduled();
  RunDeferred();
  SetTimer();
  ReportDrained();
  LetGo();
  if (!scheduled_.empty() || !deferred_.empty()) mailbox_->Wake();
}

void Worker::OnSocket(const Event& event) {
  SocketSink* sink = sockets_.Find(event.token);
  if (sink == nullptr) return;
  try {
    sink->OnReady(event.readable, event.writable, event.ended);
  } catch (const std::exception& error) {
    log::Error("an upstream's events were not handled", {{"error", error.what()}});
  }
}

// Only what stands there now, as in RunScheduled.
void Worker::RunDeferred() {
  if (deferred_.empty()) return;
  const std::size_t count = deferred_.size();
  for (std::size_t i = 0; i < count; ++i) {
    const std::function<void()> work = std::move(deferred_[i]);
    try {
      work();
    } catch (const std::exception& error) {
      log::Error("work at the end of a batch threw", {{"error", error.what()}});
    }
  }
  deferred_.erase(deferred_.begin(), deferred_.begin() + static_cast<std::ptrdiff_t>(count));
}

// May let go of exchanges, which are then answered, and of streams' owners, which may
// end other streams.
void Worker::LetGo() {
  for (std::size_t i = 0; i < removed_.size(); ++i) std::exchange(removed_[i], nullptr).reset();
  removed_.clear();
  for (std::size_t i = 0; i < ended_.size(); ++i) std::exchange(ended_[i], nullptr).reset();
  ended_.clear();
}

void Worker::RunScheduled() {
  // Only what stands there now: what is added meanwhile waits for the next batch,
  // behind what other clients have sent.
  std::vector<ConnectionId> scheduled;
  scheduled.swap(scheduled_);
  for (ConnectionId id : scheduled) {
    if (Connection* connection = connections_.Find(id)) connection->Pump();
  }
  scheduled.clear();
  if (scheduled_.empty()) scheduled_.swap(scheduled);  // Keeps the memory.
}

void Worker::Accept(int most) {
  for (int i = 0; i < most; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    UniqueFd socket(::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size,
                              SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.valid()) {
      Adopt(std::move(socket), address);
    } else if (OutOfDescriptors(errno)) {
      return PauseAccepting();
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return;
    }
    // Other errors are those of a connection that failed in the queue.
  }
}

void Worker::Adopt(UniqueFd socket, const sockaddr_storage& address) {
  const int open = open_->fetch_add(1, std::memory_order_relaxed);
  const int most = settings_.options.connections_max;
  const ConnectionId id = connections_.NextId();
  const int fd = socket.Release();
  if (open >= most + kRefusalsMax) {
    ::close(fd);
  } else if (poller_->AddPeer(fd, reinterpret_cast<const sockaddr*>(&address), id)) {
    Connection* connection =
        connections_.Insert(std::make_unique<Connection>(this, id, fd, HostText(address)));
    if (open < most) return connection->Start();
    connection->Refuse(503);
    return connection->Pump();
  }
  open_->fetch_sub(1, std::memory_order_relaxed);
}

// The listener is level-triggered: asking again at once would spin.
void Worker::PauseAccepting() {
  log::Warning("out of descriptors or memory for connections; new ones must wait", {});
  if (!accepts_again_) poller_->Unwatch(listener_.get());
  accepts_again_ = now_ + kAcceptPause;
}

void Worker::ResumeAccepting() {
  accepts_again_.reset();
  if (!poller_->Watch(listener_.get(), kListenerToken)) accepts_again_ = now_ + kAcceptPause;
}

void Worker::StopAccepting() {
  if (!listener_.valid()) return;
  // Who has been let into the backlog is served. Its size bounds this.
  Accept(2 * SOMAXCONN);
  if (!std::exchange(accepts_again_, std::nullopt)) poller_->Unwatch(listener_.get());
  listener_.Reset();
}

SocketId Worker::AddSocket(int fd, const sockaddr*, SocketSink* sink) {
  const SocketId id = sockets_.NextId();
  UniqueFd socket(fd);
  if (!mailbox_->OnOwnThread() || !poller_->WatchBothWays(fd, id)) return 0;
  sockets_.Insert(std::move(socket), sink);
  return id;
}

void Worker::AddStream(ConnectionStream* stream) { streams_.push_back(*stream); }

void Worker::Remove(Connection* connection) {
  poller_->RemovePeer(connection->fd());
  removed_.push_back(connections_.Remove(connection->id()));
  open_->fetch_sub(1, std::memory_order_relaxed);
}

void Worker::Drain(milliseconds grace) {
  if (std::exchange(draining_, true)) return;
  drain_spread_ = std::min(kDrainSpreadMax, grace / 2);
  StopAccepting();
  for (ConnectionId id : connections_.Ids()) {
    if (Connection* connection = connections_.Find(id)) connection->OnDrain();
  }
}

void Worker::End() {
  draining_ = true;
  StopAccepting();
  for (ConnectionId id : connections_.Ids()) {
    if (Connection* connection = connections_.Find(id)) connection->Close();
  }
  RunDeferred();
  pool_->CloseAll();
  sockets_.CloseAll();
  // On this thread, so that nobody who has the same thread id later is taken for it.
  mailbox_->Close();
}

void Worker::ReportDrained() {
  if (!draining_ || reported_ || connections_.size() > 0) return;
  reported_ = true;
  settings_.drained();
}

void Worker::OnTimer() {
  std::uint64_t count;
  [[maybe_unused]] const ssize_t ignored = ::read(timer_.get(), &count, sizeof count);
  timer_set_.reset();
  timers_.Expire(now_, [](Timers::Node* node) {
    static_cast<Connection*>(node->owner)->OnDeadline(node->kind);
  });
  if (next_tick_ && *next_tick_ <= now_) Tick();
  if (accepts_again_ && *accepts_again_ <= now_) ResumeAccepting();
}

void Worker::Tick() {
  next_tick_.reset();  // SetTimer sets it again if there is need.
  pool_->Tick(now_);
  // Any of them may end itself and others.
  StreamList due;
  due.swap(streams_);
  while (!due.empty()) {
    ConnectionStream& stream = due.front();
    due.pop_front();
    streams_.push_back(stream);
    stream.Tick(now_);
  }
}

void Worker::SetTimer() {
  std::optional<SteadyTime> next = timers_.Next();
  if (accepts_again_ && (!next || *accepts_again_ < *next)) next = accepts_again_;
  // Sockets without a stream are those of the pool.
  if (!next_tick_ && (!streams_.empty() || sockets_.size() > 0)) {
    next_tick_ = now_ + StreamOwner::kTick;
  }
  if (next_tick_ && (!next || *next_tick_ < *next)) next = next_tick_;
  // One that fires early is cheaper than one that is set anew for each request.
  if (!next || (timer_set_ && *timer_set_ <= *next)) return;
  const auto since_boot = next->time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
  itimerspec at{};
  at.it_value.tv_sec = seconds.count();
  at.it_value.tv_nsec = std::chrono::nanoseconds(since_boot - seconds).count();
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &at, nullptr);
  timer_set_ = next;
}

bool Worker::IsOpen(ConnectionId connection) const {
  return connections_.Find(connection) != nullptr;
}

void Worker::TakeReply(ConnectionId connection, std::uint32_t number, Response response) {
  Connection* found = connections_.Find(connection);
  if (found != nullptr) found->TakeReply(number, std::move(response));
}

void Worker::TakeAbandoned(ConnectionId connection, std::uint32_t number, const Request& request) {
  Connection* found = connections_.Find(connection);
  if (found != nullptr) found->TakeAbandoned(number, request);
}

void Worker::SetGone(ConnectionId connection, std::uint32_t number, std::function<void()> gone) {
  Connection* found = connections_.Find(connection);
  if (found != nullptr) found->SetGone(number, std::move(gone));
}

Stream* Worker::OpenStream(ConnectionId connection, std::uint32_t number,
                           std::shared_ptr<StreamOwner> owner) {
  Connection* found = connections_.Find(connection);
  return found == nullptr ? nullptr : found->OpenStream(number, std::move(owner));
}

Response Worker::ErrorPageOf(int status, const Request& request) const {
  if (!settings_.options.error_page) return PlainPage(status);
  Response page = settings_.options.error_page(status, request);
  return IsSendable(page) ? page : PlainPage(status);
}

}  // namespace gatehouse::http
