#include "libs/http/server.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <stdexcept>
#include <thread>

#include "libs/http/testing.h"

namespace gatehouse::http {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

// A server with a handler of the test's own.
std::unique_ptr<Server> StartWith(Server::Handler handler, ServerOptions options = {}) {
  if (options.address == ServerOptions().address) options.address = "127.0.0.1:0";
  auto started = Server::Start(options, std::move(handler));
  EXPECT_TRUE(started.ok()) << started.status();
  return *std::move(started);
}

void ReplyWith(Response response, const std::shared_ptr<Exchange>& exchange) {
  exchange->Reply(std::move(response));
}

TEST(ServerTest, AsksWhetherASilentClientIsStillThere) {
  TestServer server;
  RawClient client(server.address());
  client.Send(Get("/"));
  ASSERT_TRUE(client.Read());
  const auto option = [fd = ServersEnd(client)](int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, level, name, &value, &size) == 0 ? value : -1;
  };
  EXPECT_EQ(option(SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE), 60);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPINTVL), 15);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPCNT), 4);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_NODELAY), 1);
}

TEST(ServerTest, StartsAndJoinsAgainAndAgain) {
  for (int i = 0; i < 50; ++i) {
    TestServer server;
    if (i % 2 == 0) continue;  // Also before its threads have done anything.
    RawClient client(server.address());
    client.Send(Get("/a"));
    ASSERT_EQ(client.Read().status, 200);
  }
}

TEST(ServerTest, DatesItsResponses) {
  TestServer server;
  RawClient client(server.address());
  const std::time_t before = std::time(nullptr);
  client.Send(Get("/a"));
  const std::string date = client.Read().Header("Date");
  std::tm parsed{};
  ASSERT_NE(strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parsed), nullptr) << date;
  EXPECT_GE(timegm(&parsed), before);
  EXPECT_LE(timegm(&parsed), std::time(nullptr));
}

TEST(ServerTest, KeepsRepeatedResponseHeadersAndFramesByItself) {
  auto server = StartWith([](std::shared_ptr<Exchange> exchange) {
    ReplyWith({200,
               {{"Set-Cookie", "a=1"},
                {"Set-Cookie", "b=2"},
                {"content-length", "77"},
                {"Transfer-Encoding", "chunked"},
                {"Connection", "upgrade"},
                {"Date", "never"}},
               "abc"},
              exchange);
  });
  RawClient client(server->address());
  client.Send(Get("/"));
  const auto received = client.Read();
  EXPECT_THAT(received.head, HasSubstr("Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n"));
  EXPECT_EQ(received.Header("Content-Length"), "3");
  EXPECT_EQ(received.Header("Transfer-Encoding"), "");
  EXPECT_EQ(received.Header("Connection"), "");
  EXPECT_THAT(received.Header("Date"), HasSubstr("GMT"));
  EXPECT_EQ(received.body, "abc");
}

TEST(ServerTest, HeadHasTheLengthButNoBody) {
  TestServer server;
  RawClient client(server.address());
  client.Send("HEAD /four HTTP/1.1\r\nHost: a\r\n\r\n" + Get("/next"));
  EXPECT_EQ(client.Read(true).Header("Content-Length"), "5");
  EXPECT_EQ(client.Read().body, "/next");
}

TEST(ServerTest, NoContentAndNotModifiedHaveNeitherLengthNorBody) {
  for (int status : {204, 304}) {
    auto server = StartWith([status](std::shared_ptr<Exchange> exchange) {
      ReplyWith({status, {}, "must not be sent"}, exchange);
    });
    RawClient client(server->address());
    client.Send(Get("/1") + Get("/2"));
    EXPECT_EQ(client.Read().Header("Content-Length"), "");
    EXPECT_EQ(client.Read().status, status);
  }
}

TEST(ServerTest, UnknownStatusesHaveAnEmptyReason) {
  auto server = StartWith([](std::shared_ptr<Exchange> exchange) {
    ReplyWith({599, {}, ""}, exchange);
  });
  RawClient client(server->address());
  client.Send(Get("/"));
  EXPECT_THAT(client.Read().head, ::testing::StartsWith("HTTP/1.1 599 \r\n"));
}

TEST(ServerTest, ResponsesThatWouldBreakTheirFramingBecome500) {
  const std::vector<Response> bad = {{200, {{"X", "a\r\nSet-Cookie: b"}}, ""},
                                     {200, {{"X: y\r\nZ", "1"}}, ""},
                                     {200, {{"", "1"}}, ""},
                                     {200, {{"X", std::string("a\0b", 3)}}, ""},
                                     {101, {}, ""},
                                     {1000, {}, ""}};
  for (const Response& response : bad) {
    auto server =
        StartWith([&](std::shared_ptr<Exchange> exchange) { ReplyWith(response, exchange); });
    RawClient client(server->address());
    client.Send(Get("/"));
    EXPECT_EQ(client.Read().status, 500);
  }
}

TEST(ServerTest, AnExchangeThatIsDroppedIsAnsweredWith500) {
  auto server = StartWith([](std::shared_ptr<Exchange>) {});
  RawClient client(server->address());
  client.Send(Get("/1") + Get("/2"));
  EXPECT_EQ(client.Read().status, 500);
  EXPECT_EQ(client.Read().status, 500) << "the connection goes on";

  TestServer other;
  RawClient held(other.address());
  held.Send(Get("/hold"));
  std::thread([exchange = other.TakeHeld()]() mutable { exchange.reset(); }).join();
  EXPECT_EQ(held.Read().status, 500) << "from another thread too";
}

TEST(ServerTest, AHandlerThatThrowsIsAnsweredWith500) {
  auto server =
      StartWith([](std::shared_ptr<Exchange>) { throw std::runtime_error("out of cheese"); });
  RawClient client(server->address());
  client.Send(Get("/"));
  EXPECT_EQ(client.Read().status, 500);
}

TEST(ServerTest, TheFirstReplyWins) {
  TestServer server;
  RawClient client(server.address());
  client.Send(Get("/hold"));
  const auto held = server.TakeHeld();
  std::atomic<int> ready = 0;
  std::vector<std::thread> threads;
  for (int status : {201, 202, 203, 206}) {
    threads.emplace_back([&, status] {
      ++ready;
      while (ready < 4) std::this_thread::yield();
      held->Reply({status, {}, std::to_string(status)});
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto first = client.Read();
  EXPECT_EQ(std::to_string(first.status), first.body);
  client.Send(Get("/next"));
  EXPECT_EQ(client.Read().body, "/next") << "the others have gone nowhere";
}

TEST(ServerTest, PostedWorkRunsOnTheWorkerAndNotForAClientThatHasLeft) {
  std::thread::id worker;
  std::mutex mutex;
  std::vector<std::shared_ptr<Exchange>> kept;
  ServerOptions options;
  options.workers = 1;
  auto server = StartWith(
      [&](std::shared_ptr<Exchange> exchange) {
        std::lock_guard<std::mutex> lock(mutex);
        worker = std::this_thread::get_id();
        kept.push_back(std::move(exchange));
      },
      options);
  RawClient stays(server->address());
  RawClient leaves(server->address());
  stays.Send(Get("/"));
  leaves.Send(Get("/"));
  const auto count = [&] {
    std::lock_guard<std::mutex> lock(mutex);
    return kept.size();
  };
  ASSERT_TRUE(Eventually([&] { return count() == 2; }));
  leaves.Reset();
  ASSERT_TRUE(Eventually([&] { return server->stats().connections_open == 1; }));

  std::atomic<int> ran = 0;
  std::thread::id ran_on;
  for (const auto& exchange : kept) {
    exchange->Post([&, exchange] {
      ran_on = std::this_thread::get_id();
      exchange->Reply(Response());
      ++ran;
    });
  }
  EXPECT_EQ(stays.Read().status, 200);
  EXPECT_EQ(ran, 1);
  EXPECT_EQ(ran_on, worker);
  kept.clear();
}

TEST(ServerTest, TellsWhenAClientLeavesBeforeTheReply) {
  TestServer server;
  RawClient resets(server.address());
  resets.Send(Get("/hold"));
  const auto first = server.TakeHeld();
  resets.Reset();
  EXPECT_TRUE(server.AwaitGone(1));
  {
    RawClient closes(server.address());
    closes.Send(Get("/hold"));
    ASSERT_NE(server.TakeHeld(), nullptr);  // and drops it: answered with 500
    ASSERT_EQ(closes.Read().status, 500);
    closes.Send(Get("/hold"));
    const auto second = server.TakeHeld();
    closes.ShutDown();
    EXPECT_TRUE(server.AwaitGone(2));
    second->Reply({200, {}, "still here"});
    EXPECT_EQ(closes.Read().body, "still here") << "it had only ended its own side";
    EXPECT_TRUE(closes.AwaitEnd());
  }
  first->Reply(Response());
}

TEST(ServerTest, DoesNotTellOfAClientThatHasItsReply) {
  TestServer server;
  {
    RawClient client(server.address());
    client.Send(Get("/hold"));
    server.TakeHeld()->Reply(Response());
    ASSERT_EQ(client.Read().status, 200);
  }
  ASSERT_TRUE(Eventually([&] { return server.server().stats().connections_open == 0; }));
  EXPECT_EQ(server.gone(), 0);
}

TEST(ServerTest, AnAnsweredExchangeSaysNothingOfTheNextRequest) {
  std::atomic<int> gone = 0;
  std::vector<std::shared_ptr<Exchange>> kept;
  auto server = StartWith([&](std::shared_ptr<Exchange> exchange) {
    if (kept.empty()) {
      exchange->Reply(Response());
    } else {
      kept[0]->OnGone([&] { ++gone; });  // Too late: it is another's turn.
    }
    kept.push_back(std::move(exchange));
  });
  RawClient client(server->address());
  client.Send(Get("/1") + Get("/2"));
  EXPECT_EQ(client.Read().status, 200);
  ASSERT_TRUE(Eventually([&] { return server->stats().requests == 2; }));
  client.Reset();
  ASSERT_TRUE(Eventually([&] { return server->stats().connections_open == 0; }));
  server.reset();
  EXPECT_EQ(gone, 0);
}

TEST(ServerTest, AClientThatEndsItsSideGetsAllItsAnswers) {
  TestServer server;
  RawClient client(server.address());
  client.Send(Get("/1") + Get("/2") + "GET /half");
  client.ShutDown();
  EXPECT_EQ(client.Read().body, "/1");
  EXPECT_EQ(client.Read().body, "/2");
  EXPECT_TRUE(client.AwaitEnd());
  EXPECT_THAT(server.TakeExecuted(), ElementsAre("/1", "/2"));
}

TEST(ServerTest, TheErrorPageIsTheCallersOwn) {
  ServerOptions options;
  options.error_page = [](int status, const Request& request) {
    return Response{status,
                    {{"X-Page", "own"}},
                    request.method + " " + request.target + " " + request.peer_address};
  };
  TestServer server(options);
  RawClient client(server.address());
  client.Send("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: z\r\n\r\n");
  const auto received = client.Read();
  EXPECT_EQ(received.status, 400);
  EXPECT_EQ(received.Header("X-Page"), "own");
  EXPECT_EQ(received.body, "PUT /x 127.0.0.1");
  EXPECT_EQ(received.Header("Connection"), "close");
}

TEST(ServerTest, ARefusedHeadHasNoBodyEither) {
  TestServer server;
  RawClient client(server.address());
  client.Send("HEAD /x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.Read(true).status, 400);
  EXPECT_TRUE(client.AwaitEnd());
}

TEST(ServerTest, ServesIpv6) {
  ServerOptions options;
  options.address = "[::1]:0";
  auto server = StartWith(
      [](std::shared_ptr<Exchange> exchange) {
        exchange->Reply({200, {}, exchange->request().peer_address});
      },
      options);
  EXPECT_THAT(server->address(), MatchesRegex("\\[::1\\]:[0-9]+"));
  RawClient client(server->address());
  client.Send(Get("/"));
  EXPECT_EQ(client.Read().body, "::1");
}

TEST(ServerTest, CountsConnectionsAndRequests) {
  TestServer server;
  {
    RawClient client(server.address());
    client.Send(Get("/1") + Get("/2"));
    client.Read();
    client.Read();
    EXPECT_EQ(server.server().stats().connections_open, 1u);
    EXPECT_EQ(server.server().stats().requests, 2u);
  }
  EXPECT_TRUE(Eventually([&] { return server.server().stats().connections_open == 0; }));
}

}  // namespace
}  // namespace gatehouse::http
