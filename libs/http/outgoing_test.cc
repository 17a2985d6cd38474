#include "libs/http/outgoing.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <future>

#include "libs/base/unique_fd.h"
#include "libs/http/exchange.h"
#include "libs/http/socket_table.h"
#include "libs/http/testing.h"
#include "libs/http/upstream_pool.h"
#include "libs/http/worker.h"

namespace gatehouse::http {
namespace {

using ::testing::ElementsAre;

struct Pair {
  UniqueFd ours;
  UniqueFd theirs;
};

Pair MakePair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) std::abort();
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// Calls what the test has set.
class Sink final : public SocketSink {
 public:
  void OnReady(bool readable, bool writable, bool ended) override {
    readable_ += readable ? 1 : 0;
    writable_ += writable ? 1 : 0;
    ended_ += ended ? 1 : 0;
    if (then) then();
  }
  int readable() const { return readable_; }
  int writable() const { return writable_; }
  int ended() const { return ended_; }
  std::function<void()> then;

 private:
  std::atomic<int> readable_ = 0, writable_ = 0, ended_ = 0;
};

class OutgoingTest : public ::testing::Test {
 protected:
  // Has a request held, whose worker's sockets the test uses.
  OutgoingTest() {
    client_.Send(Get("/hold"));
    exchange_ = server_.TakeHeld();
  }
  ~OutgoingTest() override { exchange_->Reply(Response()); }

  void OnWorker(const std::function<void(Outgoing&)>& work) {
    std::promise<void> done;
    exchange_->Post([&] {
      work(static_cast<PendingExchange&>(*exchange_).outgoing());
      done.set_value();
    });
    ASSERT_EQ(done.get_future().wait_for(kPatience), std::future_status::ready);
  }

  TestServer server_;
  RawClient client_{server_.address()};
  std::shared_ptr<Exchange> exchange_;
};

TEST_F(OutgoingTest, TellsASinkOfBothDirectionsAndTheEnd) {
  Pair pair = MakePair();
  Sink sink;
  SocketId id = 0;
  OnWorker([&](Outgoing& out) { id = out.AddSocket(pair.ours.Release(), nullptr, &sink); });
  ASSERT_NE(id, 0u);
  EXPECT_TRUE(Eventually([&] { return sink.writable() == 1; }));
  EXPECT_EQ(sink.readable(), 0);
  ASSERT_EQ(::send(pair.theirs.get(), "x", 1, 0), 1);
  EXPECT_TRUE(Eventually([&] { return sink.readable() == 1; }));
  EXPECT_EQ(sink.ended(), 0);
  pair.theirs.Reset();
  EXPECT_TRUE(Eventually([&] { return sink.ended() == 1; }));
  OnWorker([&](Outgoing& out) { out.CloseSocket(id); });
}

TEST_F(OutgoingTest, TellsOfAConnectionThatIsMadeOrRefused) {
  for (const bool listens : {true, false}) {
    UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    ASSERT_EQ(::bind(listener.get(), any, size), 0);
    ASSERT_EQ(::getsockname(listener.get(), any, &size), 0);
    if (listens) ::listen(listener.get(), 1);
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    Sink sink;
    SocketId id = 0;
    OnWorker([&](Outgoing& out) {
      ::connect(fd, any, size);
      id = out.AddSocket(fd, any, &sink);
    });
    EXPECT_TRUE(Eventually([&] { return sink.writable() > 0; }));
    EXPECT_EQ(sink.ended() > 0, !listens);
    OnWorker([&](Outgoing& out) { out.CloseSocket(id); });
  }
}

TEST_F(OutgoingTest, NoEventComesForASocketThatWasClosedInTheSameBatch) {
  Pair one = MakePair(), two = MakePair();
  Sink first, second;
  SocketId ids[2];
  OnWorker([&](Outgoing& out) {
    ids[0] = out.AddSocket(one.ours.Release(), nullptr, &first);
    ids[1] = out.AddSocket(two.ours.Release(), nullptr, &second);
  });
  ASSERT_TRUE(Eventually([&] { return first.writable() + second.writable() == 2; }));
  // Whichever is first closes both, and puts another in the other's place.
  Pair three = MakePair();
  Sink third;
  std::atomic<SocketId> replaced = 0;
  std::atomic<int> called = 0;
  OnWorker([&](Outgoing& out) {
    first.then = second.then = [&] {
      ++called;
      out.CloseSocket(ids[0]);
      out.CloseSocket(ids[1]);
      out.CloseSocket(ids[1]);
      replaced = out.AddSocket(three.ours.Release(), nullptr, &third);
    };
    // Both become readable while the worker is busy here, so they share a batch.
    ::send(one.theirs.get(), "x", 1, 0);
    ::send(two.theirs.get(), "x", 1, 0);
  });
  EXPECT_TRUE(Eventually([&] { return third.writable() == 1; }));
  EXPECT_EQ(called, 1);
  EXPECT_EQ(third.readable(), 0) << "what the other was owed is not its";
  for (const Pair* pair : {&one, &two}) {
    char byte;
    EXPECT_EQ(::recv(pair->theirs.get(), &byte, 1, 0), -1);
    EXPECT_EQ(errno, ECONNRESET) << "closed with a byte unread";
  }
  OnWorker([&](Outgoing& out) { out.CloseSocket(replaced); });
}

TEST_F(OutgoingTest, EventsGoToTheSinkThatWasSetLast) {
  Pair pair = MakePair();
  Sink first, second;
  SocketId id = 0;
  OnWorker([&](Outgoing& out) {
    id = out.AddSocket(pair.ours.Release(), nullptr, &first);
    out.SetSink(id, &second);
  });
  EXPECT_TRUE(Eventually([&] { return second.writable() == 1; }));
  ::send(pair.theirs.get(), "x", 1, 0);
  EXPECT_TRUE(Eventually([&] { return second.readable() == 1; }));
  EXPECT_EQ(first.readable() + first.writable(), 0);
  OnWorker([&](Outgoing& out) { out.CloseSocket(id); });
}

TEST_F(OutgoingTest, DeferredWorkRunsBehindTheBatchEachOnce) {
  std::vector<std::string> order;
  std::promise<void> done;
  OnWorker([&](Outgoing& out) {
    out.Defer([&] {
      order.push_back("first");
      out.Defer([&] {
        order.push_back("third");
        done.set_value();
      });
      throw std::runtime_error("harms nobody");
    });
    out.Defer([&] { order.push_back("second"); });
    order.push_back("work");
  });
  ASSERT_EQ(done.get_future().wait_for(kPatience), std::future_status::ready);
  EXPECT_THAT(order, ElementsAre("work", "first", "second", "third"));
}

TEST_F(OutgoingTest, OffersTheWorkersOwn) {
  OnWorker([&](Outgoing& out) {
    EXPECT_FALSE(out.draining());
    EXPECT_EQ(out.date_line().substr(0, 6), "Date: ");
    EXPECT_LE(out.now(), std::chrono::steady_clock::now());
    out.scratch()[Worker::kScratchBytes - 1] = 'x';
    EXPECT_EQ(out.pool().size(), 0u);
  });
}

TEST_F(OutgoingTest, SocketsThatAreLeftOpenAreClosedWithTheServer) {
  Pair pair = MakePair();
  Sink sink;
  OnWorker([&](Outgoing& out) { out.AddSocket(pair.ours.Release(), nullptr, &sink); });
  server_.server().Drain(std::chrono::milliseconds(0));
  char byte;
  EXPECT_EQ(::recv(pair.theirs.get(), &byte, 1, 0), 0);
}

TEST(SocketTableTest, AnIdIsNeverUsedAgain) {
  SocketTable table;
  Sink sink;
  std::vector<SocketId> ids;
  for (int i = 0; i < 1000; ++i) {
    const SocketId id = table.NextId();
    table.Insert(UniqueFd(), &sink);
    EXPECT_EQ(table.Find(id), &sink);
    EXPECT_NE(id & SocketTable::kBit, 0u);
    EXPECT_LT(id, SocketId{1} << 63);
    for (SocketId old : ids) ASSERT_EQ(table.Find(old), nullptr);
    table.Close(id);
    table.Close(id);
    ids.push_back(id);
  }
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.Find(0), nullptr);
}

}  // namespace
}  // namespace gatehouse::http
