#include "libs/http/reactor.h"

#include <pistache/http.h>
#include <pistache/peer.h>
#include <pistache/reactor.h>
#include <pistache/tcp.h>
#include <pistache/transport.h>
#include <pistache/version.h>
#include <unistd.h>

#include <exception>

namespace gatehouse::http {
namespace {

namespace Aio = Pistache::Aio;
namespace Polling = Pistache::Polling;
namespace Tcp = Pistache::Tcp;
using Flags = Pistache::Flags<Polling::NotifyOn>;

// The classes below derive from Pistache's, whose layout and behaviour are only
// known for this version.
static_assert(Pistache::Version::Git == 20220901, "read reactor.cc against the new Pistache");

// Tells our tags from those of Pistache's own queues, which are descriptors.
constexpr std::uint64_t kOurs = std::uint64_t{1} << 63;

Flags BothWays() {
  return Flags(Polling::NotifyOn::Read) | Polling::NotifyOn::Write | Polling::NotifyOn::Shutdown;
}

// Pistache wants a handler of input; no input ever reaches it.
class NoInput final : public Tcp::Handler {
 public:
  std::shared_ptr<Tcp::Handler> clone() const override { return std::make_shared<NoInput>(); }
  void onInput(const char*, std::size_t, const std::shared_ptr<Tcp::Peer>&) override {}
};

// Entry hides the flags of its event, and offers no way to see Shutdown, without
// which the end of a stream behind a short read would go unnoticed.
Flags FlagsOf(const Aio::FdSet::Entry& entry) {
  return ((const Polling::Event&)entry).flags;  // NOLINT: only this cast reaches a private base.
}

class LoopTransport final : public Tcp::Transport, public Poller {
 public:
  explicit LoopTransport(const std::vector<Loop*>* loops)
      : Tcp::Transport(std::make_shared<NoInput>()), loops_(loops) {}

  // Pistache clones the handler that it is given once per thread.
  std::shared_ptr<Aio::Handler> clone() const override {
    auto made = std::make_shared<LoopTransport>(loops_);
    made->loop_ = loops_->at(cloned_++);
    return made;
  }

  void registerPoller(Polling::Epoll& poller) override {
    Transport::registerPoller(poller);
    poller_ = &poller;
    if (!loop_->Attach(this)) throw std::runtime_error("a loop could not be attached");
  }

  void onReady(const Aio::FdSet& ready) override {
    events_.clear();
    std::vector<Polling::Event> others;
    for (const Aio::FdSet::Entry& entry : ready) {
      const Flags flags = FlagsOf(entry);
      const std::uint64_t tag = entry.getTag().value();
      if ((tag & kOurs) != 0) {
        const bool ended =
            flags.hasFlag(Polling::NotifyOn::Shutdown) || flags.hasFlag(Polling::NotifyOn::Hangup);
        events_.push_back({tag & ~kOurs, flags.hasFlag(Polling::NotifyOn::Read),
                           flags.hasFlag(Polling::NotifyOn::Write), ended});
      } else if (flags.hasFlag(Polling::NotifyOn::Read)) {
        // The base throws on a write event that it does not expect.
        Polling::Event event(entry.getTag());
        event.flags = Flags(Polling::NotifyOn::Read);
        others.push_back(event);
      }
    }
    if (!others.empty()) Transport::onReady(Aio::FdSet(std::move(others)));
    if (!events_.empty()) loop_->OnEvents(events_);
  }

  bool Watch(int fd, std::uint64_t token) override {
    return Add(fd, Flags(Polling::NotifyOn::Read), token, Polling::Mode::Level);
  }

  void Unwatch(int fd) override { poller_->removeFd(fd); }

  bool WatchBothWays(int fd, std::uint64_t token) override {
    return Add(fd, BothWays(), token, Polling::Mode::Edge);
  }

  // Transport::handleNewPeer would add a write queue and register for less than we
  // need, to be corrected by another system call; its table of peers is enough.
  bool AddPeer(int fd, const sockaddr* address, std::uint64_t token) override {
    const auto from = Pistache::Address::fromUnix(const_cast<sockaddr*>(address));
    if (!Add(fd, BothWays(), token, Polling::Mode::Edge)) {
      ::close(fd);
      return false;
    }
    peers.emplace(fd, Tcp::Peer::Create(fd, from));
    return true;
  }

  void RemovePeer(int fd) override {
    const auto found = peers.find(fd);
    if (found == peers.end()) return;
    const std::shared_ptr<Tcp::Peer> peer = found->second;  // removePeer erases the table's own.
    removePeer(peer);
  }

 private:
  bool Add(int fd, Flags interest, std::uint64_t token, Polling::Mode mode) {
    try {
      poller_->addFd(fd, interest, Polling::Tag(token | kOurs), mode);
      return true;
    } catch (const std::exception&) {
      return false;  // Out of memory or of the user's watches.
    }
  }

  const std::vector<Loop*>* loops_;
  mutable std::size_t cloned_ = 0;
  Loop* loop_ = nullptr;
  Polling::Epoll* poller_ = nullptr;
  std::vector<Loop::Event> events_;
};

}  // namespace

struct Reactor::Impl {
  std::vector<Loop*> loops;
  Aio::Reactor reactor;
};

Reactor::Reactor() : impl_(std::make_unique<Impl>()) {}

absl::StatusOr<std::unique_ptr<Reactor>> Reactor::Start(const std::vector<Loop*>& loops) {
  std::unique_ptr<Reactor> made(new Reactor());
  made->impl_->loops = loops;
  try {
    Aio::Reactor& reactor = made->impl_->reactor;
    reactor.init(Aio::AsyncContext(loops.size(), "http"));
    reactor.addHandler(std::make_shared<LoopTransport>(&made->impl_->loops));
    reactor.run();
  } catch (const std::exception& error) {
    return Error(absl::StatusCode::kResourceExhausted, "REACTOR_START",
                 std::string("the HTTP workers cannot start: ") + error.what());
  }
  return made;
}

Reactor::~Reactor() { impl_->reactor.shutdown(); }

}  // namespace gatehouse::http
