// Timeouts, limits, the port and the drain.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "libs/http/listener.h"
#include "libs/http/server.h"
#include "libs/http/testing.h"

namespace gatehouse::http {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kShort{50};
constexpr std::chrono::seconds kGrace{20};

TEST(TimeoutTest, ASlowHeadIsAnsweredWith408AndClosed) {
  ServerOptions options;
  options.head_timeout = kShort;
  TestServer server(options);
  RawClient client(server.address());
  client.Send("GET / HTTP/1.1\r\nHost: ");
  EXPECT_EQ(client.Read().status, 408);
  EXPECT_TRUE(client.AwaitEnd());
}

TEST(TimeoutTest, ATrickleDoesNotProlongAHead) {
  ServerOptions options;
  options.head_timeout = milliseconds(200);
  TestServer server(options);
  RawClient client(server.address());
  client.Send("GET / HTTP/1.1\r\n");
  const auto end = std::chrono::steady_clock::now() + kPatience;
  bool answered = false;
  while (!answered && std::chrono::steady_clock::now() < end) {
    client.Send("X: 1\r\n");
    pollfd waits{client.fd(), POLLIN, 0};
    answered = ::poll(&waits, 1, 20) > 0;
  }
  ASSERT_TRUE(answered);
  EXPECT_EQ(client.Read().status, 408);
}

TEST(TimeoutTest, EachHeadHasItsOwnTime) {
  ServerOptions options;
  options.head_timeout = std::chrono::seconds(3);
  TestServer server(options);
  RawClient client(server.address());
  const std::string second = Get("/2");
  client.Send("GET /1 HTTP/1.1\r\n");
  std::this_thread::sleep_for(options.head_timeout * 3 / 5);
  client.Send("Host: a\r\n\r\n" + second.substr(0, 10));
  EXPECT_EQ(client.Read().body, "/1");
  std::this_thread::sleep_for(options.head_timeout * 3 / 5);
  client.Send(second.substr(10));
  EXPECT_EQ(client.Read().body, "/2") << "its time began with its own first byte";
}

TEST(TimeoutTest, ABodyWithoutProgressIsAnsweredWith408) {
  ServerOptions options;
  options.body_timeout = kShort;
  TestServer server(options);
  RawClient client(server.address());
  client.Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(client.Read().status, 408);
  EXPECT_TRUE(client.AwaitEnd());
}

TEST(TimeoutTest, AnIdleConnectionIsClosedWithoutAWord) {
  ServerOptions options;
  options.idle_timeout = kShort;
  TestServer server(options);
  RawClient fresh(server.address());
  RawClient used(server.address());
  used.Send(Get("/1") + "\r\n");  // The empty line begins no request.
  EXPECT_EQ(used.Read().body, "/1");
  EXPECT_TRUE(used.AwaitEnd());
  EXPECT_TRUE(fresh.AwaitEnd());
}

TEST(TimeoutTest, AClientThatDoesNotReadIsClosed) {
  ServerOptions options;
  options.write_timeout = milliseconds(200);
  TestServer server(options);
  RawClient client(server.address(), 4096);
  client.Send(Get("/big?50000000"));
  EXPECT_TRUE(Eventually([&] { return server.server().stats().requests == 1; }));
  EXPECT_TRUE(Eventually([&] { return server.server().stats().connections_open == 0; }));
  EXPECT_LT(client.Drain(50000000), 50000000u);
}

TEST(LimitTest, ConnectionsAboveTheLimitGet503) {
  ServerOptions options;
  options.connections_max = 2;
  TestServer server(options);
  RawClient first(server.address());
  RawClient second(server.address());
  first.Send(Get("/1"));
  second.Send(Get("/2"));
  ASSERT_TRUE(first.Read());
  ASSERT_TRUE(second.Read());
  {
    RawClient third(server.address());
    third.Send(Get("/3"));
    EXPECT_EQ(third.Read().status, 503);
    EXPECT_TRUE(third.AwaitEnd());
  }
  first.Send(Get("/1"));
  EXPECT_EQ(first.Read().status, 200) << "those within the limit go on";
  second.Reset();
  ASSERT_TRUE(Eventually([&] { return server.server().stats().connections_open == 1; }));
  RawClient fourth(server.address());
  fourth.Send(Get("/4"));
  EXPECT_EQ(fourth.Read().status, 200);
}

long CpuMicros() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
         usage.ru_stime.tv_usec;
}

TEST(LimitTest, RunningOutOfDescriptorsNeitherSpinsNorEndsTheServer) {
  TestServer server;
  RawClient before(server.address());
  before.Send(Get("/1"));
  ASSERT_TRUE(before.Read());
  const auto take_one = [] { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); };
  rlimit old_limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old_limit), 0);
  const rlimit small{static_cast<rlim_t>(take_one().get()) + 64, old_limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &small), 0);
  std::vector<UniqueFd> all;
  for (UniqueFd one = take_one(); one.valid(); one = take_one()) all.push_back(std::move(one));
  all.pop_back();
  RawClient hungry(server.address());  // The last descriptor: none is left to accept it.
  ASSERT_TRUE(hungry.connected());
  hungry.Send(Get("/hungry"));

  const long cpu = CpuMicros();
  pollfd answered{hungry.fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&answered, 1, 400), 0);
  EXPECT_LT(CpuMicros() - cpu, 200000) << "of 400,000 with two workers";
  before.Send(Get("/2"));
  EXPECT_EQ(before.Read().status, 200);

  all.clear();
  EXPECT_EQ(hungry.Read().status, 200) << "accepted when there are descriptors again";
  setrlimit(RLIMIT_NOFILE, &old_limit);
}

TEST(PortTest, ASecondServerOnThePortIsRefused) {
  auto listeners = Listen("127.0.0.1:0", 2);
  ASSERT_TRUE(listeners.ok());
  const std::string address = listeners->address;
  listeners->sockets.clear();

  ServerOptions options;
  options.address = address;
  const auto answer = [](std::shared_ptr<Exchange> exchange) { exchange->Reply(Response()); };
  auto first = Server::Start(options, answer);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ((*first)->address(), address);
  const auto second = Server::Start(options, answer);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Reason(second.status()), "PORT_IN_USE");

  (*first)->Drain(kGrace);
  EXPECT_TRUE(Server::Start(options, answer).ok()) << "free again after the drain";
}

TEST(PortTest, APortOfAnotherProgramIsRefused) {
  auto other = Listen("127.0.0.1:0", 1);  // Shares by SO_REUSEPORT, but holds no lock.
  ASSERT_TRUE(other.ok());
  const auto listeners = Listen(other->address, 1);
  EXPECT_EQ(Reason(listeners.status()), "PORT_IN_USE");
}

TEST(PortTest, APortThatIsLockedIsRefusedBeforeAnybodyListens) {
  auto probe = Listen("127.0.0.1:0", 1);
  ASSERT_TRUE(probe.ok());
  probe->sockets.clear();
  auto first = Listen(probe->address, 1);
  ASSERT_TRUE(first.ok()) << first.status();
  first->sockets.clear();
  EXPECT_EQ(Reason(Listen(probe->address, 1).status()), "PORT_IN_USE");
  first->lock.Reset();
  EXPECT_TRUE(Listen(probe->address, 1).ok());
}

TEST(PortTest, OfEightThatStartAtOnceOneListens) {
  auto probe = Listen("127.0.0.1:0", 1);
  ASSERT_TRUE(probe.ok());
  const std::string address = probe->address;
  probe->sockets.clear();
  std::vector<std::future<absl::StatusOr<Listeners>>> starting;
  for (int i = 0; i < 8; ++i) {
    starting.push_back(std::async(std::launch::async, [&] { return Listen(address, 2); }));
  }
  std::vector<absl::StatusOr<Listeners>> results;
  for (auto& one : starting) results.push_back(one.get());
  int listening = 0;
  for (const auto& result : results) listening += result.ok() ? 1 : 0;
  EXPECT_EQ(listening, 1);
}

TEST(PortTest, AddressesMustBeNumericWithAPort) {
  for (const char* address : {"", "127.0.0.1", ":80", "127.0.0.1:", "localhost:80", "1.2.3:4:5",
                              "127.0.0.1:http", "127.0.0.1:70000"}) {
    EXPECT_EQ(Reason(Listen(address, 1).status()), "ADDRESS_INVALID") << address;
  }
}

TEST(DrainTest, RequestsInHandAreFinishedAndIdleConnectionsClosed) {
  TestServer server;
  RawClient busy(server.address());
  RawClient idle(server.address());
  idle.Send(Get("/idle"));
  ASSERT_TRUE(idle.Read());
  busy.Send(Get("/hold"));
  const auto held = server.TakeHeld();
  ASSERT_NE(held, nullptr);

  std::thread drain([&] { server.server().Drain(kGrace); });
  EXPECT_TRUE(idle.AwaitEnd());
  EXPECT_TRUE(Eventually([&] { return !RawClient(server.address()).connected(); }));
  held->Reply({200, {}, "finished"});
  const auto received = busy.Read();
  EXPECT_EQ(received.body, "finished");
  EXPECT_EQ(received.Header("Connection"), "close");
  EXPECT_TRUE(busy.AwaitEnd());
  busy.Reset();
  drain.join();
  EXPECT_EQ(server.server().stats().connections_open, 0u);
}

TEST(DrainTest, WhoIsInTheBacklogIsServed) {
  for (int round = 0; round < 20; ++round) {
    TestServer server;
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 50; ++i) {
      clients.push_back(std::make_unique<RawClient>(server.address()));
      ASSERT_TRUE(clients.back()->connected());
      if (i % 2 == 0) clients.back()->Send(Get("/early"));
    }
    std::thread drain([&] { server.server().Drain(kGrace); });
    for (int i = 1; i < 50; i += 2) clients[i]->Send(Get("/late"));
    for (auto& client : clients) {
      const auto received = client->Read();
      ASSERT_TRUE(received) << round;
      EXPECT_EQ(received.status, 200);
    }
    clients.clear();
    drain.join();
  }
}

TEST(DrainTest, TheGraceEndsWhatDoesNotFinish) {
  TestServer server;
  RawClient stuck(server.address());
  stuck.Send(Get("/hold"));
  const auto held = server.TakeHeld();
  server.server().Drain(kShort);
  EXPECT_TRUE(stuck.AwaitEnd());
  EXPECT_EQ(server.gone(), 1) << "its handler is told";
  held->Reply(Response());  // Goes nowhere, and harms nobody.
  held->Post([] { FAIL() << "after the end"; });
}

TEST(DrainTest, IsIdempotentAndMayBeCalledByMany) {
  TestServer server;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { server.server().Drain(kGrace); });
  for (std::thread& thread : threads) thread.join();
  server.server().Drain(kGrace);
  EXPECT_FALSE(RawClient(server.address()).connected());
}

TEST(DrainTest, UnderLoadEveryConnectionThatIsAcceptedGetsItsAnswer) {
  TestServer server;
  std::atomic<bool> refused = false;
  std::atomic<int> lost = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!refused) {
        RawClient client(server.address());
        if (!client.connected()) {
          refused = true;
        } else if (!client.Send(Get("/x")) || !client.Read()) {
          // Only a connection that the kernel let in between our last accept and
          // the closing of the listener may be reset.
          ++lost;
        }
      }
    });
  }
  EXPECT_TRUE(Eventually([&] { return server.server().stats().requests > 200; }));
  server.server().Drain(kGrace);
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(lost, 6) << "three clients, two listeners";
}

}  // namespace
}  // namespace gatehouse::http
