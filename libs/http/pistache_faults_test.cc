// What Pistache's own HTTP layer gets wrong, shown not to happen here. Framing
// faults have their cases in framing_test.cc and framing_body_test.cc, replies to
// the wrong client in wrong_client_test.cc.
#include <gmock/gmock.h>

#include <chrono>
#include <thread>

#include "libs/http/testing.h"

namespace gatehouse::http {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ServerOptions OneWorker() {
  ServerOptions options;
  options.workers = 1;
  return options;
}

std::vector<int> Statuses(const std::vector<Received>& all) {
  std::vector<int> statuses;
  for (const Received& one : all) statuses.push_back(one.status);
  return statuses;
}

TEST(SlowReaderTest, OneLargeAnswerDoesNotStopTheWorker) {
  TestServer server(OneWorker());
  RawClient slow(server.address(), 4096);
  slow.Send(Get("/big?50000000"));
  RawClient other(server.address());
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(other.Send(Get("/other")));
    ASSERT_EQ(other.Read().status, 200);
  }
  EXPECT_GE(slow.Drain(50000000), 50000000u) << "and gets all of it in the end";
}

TEST(SlowReaderTest, PipelinedRequestsWaitWhileTheirAnswersAreNotRead) {
  TestServer server(OneWorker());
  RawClient slow(server.address(), 4096);
  const std::string request = Get("/big?10000");
  std::string many;
  for (int i = 0; i < 2000; ++i) many += request;
  // The server stops reading, so the client cannot send without end either.
  std::thread sender([&] { slow.Send(many); });
  RawClient other(server.address());
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(other.Send(Get("/other")));
    ASSERT_EQ(other.Read().status, 200);
  }
  // What is queued, what the kernel holds, and one request more than the bound.
  EXPECT_LT(server.TakeExecuted().size(), 1500u) << "20 MB were not to be queued";
  int answered = 0;
  while (answered < 2000 && slow.Read()) ++answered;
  sender.join();
  EXPECT_EQ(answered, 2000);
}

TEST(ChunkTest, CrAndLfOfAChunkInTwoSegments) {
  TestServer server(OneWorker());
  RawClient client(server.address());
  client.Send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r");
  RawClient other(server.address());
  other.Send(Get("/other"));
  EXPECT_EQ(other.Read().status, 200) << "between the segments the worker is free";
  client.Send("\n0\r\n\r\n");
  EXPECT_EQ(client.Read().body, "a");
}

TEST(SmugglingTest, WhatFollowsA413IsNotARequest) {
  TestServer server;
  RawClient client(server.address());
  client.Send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n");
  client.Send(std::string(3900, 'x'));
  client.Send(Get("/smuggled"));
  EXPECT_THAT(Statuses(client.ReadAll()), ElementsAre(413));
  EXPECT_THAT(server.TakeExecuted(), IsEmpty());
}

TEST(SmugglingTest, WhatFollowsA400IsNotARequest) {
  TestServer server;
  RawClient client(server.address());
  client.Send("GET /x HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n" + Get("/smuggled"));
  client.Send(Get("/smuggled"));
  EXPECT_THAT(Statuses(client.ReadAll()), ElementsAre(400));
  EXPECT_THAT(server.TakeExecuted(), IsEmpty());
}

TEST(SmugglingTest, RequestsBeforeTheFaultAreAnswered) {
  TestServer server;
  RawClient client(server.address());
  client.Send(Get("/one") + Get("/two") + "GET /bad\r\n\r\n" + Get("/smuggled"));
  EXPECT_THAT(Statuses(client.ReadAll()), ElementsAre(200, 200, 400));
  EXPECT_THAT(server.TakeExecuted(), ElementsAre("/one", "/two"));
}

TEST(SmugglingTest, ABodyIsNeverARequest) {
  TestServer server;
  RawClient client(server.address());
  const std::string inner = Get("/smuggled");
  client.Send("POST /outer HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(inner.size()) +
              "\r\n\r\n" + inner + Get("/last", "Connection: close\r\n"));
  EXPECT_THAT(Statuses(client.ReadAll()), ElementsAre(200, 200));
  EXPECT_THAT(server.TakeExecuted(), ElementsAre("/outer", "/last"));
}

TEST(PipeliningTest, ThreeRequestsInOneSegmentGetThreeAnswersInOrder) {
  TestServer server;
  RawClient client(server.address());
  client.Send(Get("/1") + Get("/2") + Get("/3"));
  for (const char* path : {"/1", "/2", "/3"}) EXPECT_EQ(client.Read().body, path);
}

TEST(PipeliningTest, AnswersKeepTheirOrderWhenTheFirstTakesLonger) {
  TestServer server;
  RawClient client(server.address());
  client.Send(Get("/hold") + Get("/2"));
  const auto held = server.TakeHeld();
  ASSERT_NE(held, nullptr);
  RawClient other(server.address());
  other.Send(Get("/other"));
  EXPECT_EQ(other.Read().status, 200);
  Response late;
  late.body = "late";
  held->Reply(late);
  EXPECT_EQ(client.Read().body, "late");
  EXPECT_EQ(client.Read().body, "/2");
}

TEST(PipeliningTest, BodiesAndHeadsMayShareSegmentsInAnyWay) {
  TestServer server;
  std::string bytes;
  for (int i = 0; i < 3; ++i) {
    bytes += "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab\r\n";
    bytes +=
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "2\r\ncd\r\n0\r\n\r\n";
  }
  for (std::size_t size : {1u, 2u, 3u, 7u, 50u, 101u, 1000u}) {
    RawClient client(server.address());
    for (std::size_t at = 0; at < bytes.size(); at += size) client.Send(bytes.substr(at, size));
    for (int i = 0; i < 3; ++i) {
      ASSERT_EQ(client.Read().body, "ab\r\n") << size;
      ASSERT_EQ(client.Read().body, "cd") << size;
    }
  }
}

TEST(ConnectionHeaderTest, SaysWhatHappens) {
  TestServer server;
  RawClient persists(server.address());
  persists.Send(Get("/a"));
  EXPECT_EQ(persists.Read().Header("Connection"), "") << "HTTP/1.1 persists by itself";
  persists.Send(Get("/a", "Connection: foo\r\n"));
  EXPECT_EQ(persists.Read().Header("Connection"), "");
  persists.Send(Get("/a", "Connection: close\r\n"));
  EXPECT_EQ(persists.Read().Header("Connection"), "close");
  EXPECT_TRUE(persists.AwaitEnd());

  RawClient old(server.address());
  old.Send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(old.Read().Header("Connection"), "keep-alive");
  old.Send("GET /a HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.Read().Header("Connection"), "close");
  EXPECT_TRUE(old.AwaitEnd());
}

TEST(LenienceTest, HarmlessHeadersAreNotOurs) {
  TestServer server;
  RawClient client(server.address());
  for (const char* line : {"Cookie: novalue", "Cookie: ;;=", "Cache-Control: foo=bar",
                           "Date: yesterday", "Accept: garbage", "If-Modified-Since: x",
                           "Content-Type: multipart/form-data; boundary=\"a b\"",
                           "Authorization: ???", "Content-Encoding: weird"}) {
    client.Send(Get("/a", std::string(line) + "\r\n"));
    EXPECT_EQ(client.Read().status, 200) << line;
  }
}

TEST(InformationTest, NothingOfARequestIsLost) {
  TestServer server;
  RawClient client(server.address());
  client.Send(
      "GET /head?b=2&a=1&a=2&%41=%zz+ HTTP/1.1\r\nHOST: a\r\nx-One: 1\r\nX-oNE: 2\r\n"
      "Cookie: a=1\r\nCookie: b=2\r\n\r\n");
  EXPECT_EQ(client.Read().body,
            "GET /head ? b=2&a=1&a=2&%41=%zz+\n"
            "HOST=a\nx-One=1\nX-oNE=2\nCookie=a=1\nCookie=b=2\n");
}

TEST(InformationTest, TheHostOfAnAbsoluteTargetReplacesTheField) {
  TestServer server;
  RawClient client(server.address());
  client.Send("GET HTTP://b.example:81/head?x HTTP/1.1\r\nX: 1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.Read().body, "GET /head ? x\nX=1\nHost=b.example:81\n");
  client.Send("GET http://b.example/head HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.Read().body, "GET /head ? \nHost=b.example\n");
}

TEST(TimeoutTest, AHandlerMayTakeLongerThanAnyTimeout) {
  ServerOptions options;
  options.head_timeout = options.body_timeout = options.idle_timeout =
      std::chrono::milliseconds(30);
  TestServer server(options);
  RawClient client(server.address());
  client.Send("POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
  const auto held = server.TakeHeld();
  ASSERT_NE(held, nullptr);
  // Another connection is seen to time out meanwhile.
  RawClient idle(server.address());
  EXPECT_TRUE(idle.AwaitEnd());
  held->Reply(Response());
  EXPECT_EQ(client.Read().status, 200);
}

TEST(HoldTest, AThousandIdleConnectionsAreServedAgain) {
  TestServer server(OneWorker());
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 1000; ++i) {
    clients.push_back(std::make_unique<RawClient>(server.address()));
    clients.back()->Send(Get("/first"));
  }
  for (auto& client : clients) ASSERT_TRUE(client->Read());
  EXPECT_EQ(server.server().stats().connections_open, 1000u);
  for (auto& client : clients) client->Send(Get("/second"));
  for (auto& client : clients) ASSERT_EQ(client->Read().body, "/second");
}

// Bursts of new connections, each of which must be seen: a lost wake-up shows as
// a request that nobody answers.
TEST(BurstTest, NoConnectionIsOverlooked) {
  TestServer server;
  for (int burst = 0; burst < 400; ++burst) {
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 5; ++i) {
      clients.push_back(std::make_unique<RawClient>(server.address()));
      clients.back()->Send(Get("/burst"));
    }
    for (auto& client : clients) ASSERT_TRUE(client->Read()) << burst;
  }
}

}  // namespace
}  // namespace gatehouse::http
