// What an upstream can do wrong, and what the client is told.
#include <sys/resource.h>

#include <future>
#include <thread>

#include "libs/http/forward_fixture.h"

namespace gatehouse::http {
namespace {

using std::chrono::milliseconds;

TEST_F(ForwardTest, ADeadPooledConnectionIsReplacedOnceForAGet) {
  RawPeer idle = Exchange200("first");
  RawPeer client = Ask(Get("/again"));
  ASSERT_NE(idle.ReadHead(), "") << "the idle connection is tried";
  idle.Close();
  RawPeer fresh = AcceptRequest();
  ASSERT_TRUE(fresh.Send(Ok("cured")));
  EXPECT_EQ(client.ReadReply().body, "cured");
  const ForwardReport report = NextReport();
  EXPECT_EQ(report.attempts, 2);
  EXPECT_EQ(report.error, ForwardError::kNone);
}

TEST_F(ForwardTest, ASecondDeadConnectionIsAnError) {
  RawPeer idle = Exchange200("first");
  RawPeer client = Ask(Get("/again"));
  ASSERT_NE(idle.ReadHead(), "");
  idle.Reset();
  AcceptRequest().Close();
  EXPECT_EQ(client.ReadReply().status, 502);
  EXPECT_EQ(NextReport().attempts, 2);
  EXPECT_FALSE(upstream.HasConnection());
}

TEST_F(ForwardTest, WhatMayNotBeRepeatedIsNot) {
  options.breaker_threshold = 1;
  for (const char* request : {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
                              "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
                              "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"}) {
    RawPeer idle = Exchange200("first");
    RawPeer client = Ask(request);
    ASSERT_NE(idle.ReadHead(), "");
    idle.Close();
    EXPECT_EQ(client.ReadReply().status, 502) << request;
    const ForwardReport report = NextReport();
    EXPECT_EQ(report.attempts, 1);
    EXPECT_EQ(report.error, ForwardError::kBroken);
    EXPECT_EQ(breaker(), UpstreamGroup::Breaker::kClosed) << "idle connections may end";
  }
  EXPECT_FALSE(upstream.HasConnection());
}

TEST_F(ForwardTest, NothingIsRepeatedOnceSomethingHasCome) {
  RawPeer idle = Exchange200("first");
  RawPeer client = Ask(Get("/again"));
  ASSERT_NE(idle.ReadHead(), "");
  ASSERT_TRUE(idle.Send("HTTP/1.1 2"));
  idle.Close();
  EXPECT_EQ(client.ReadReply().status, 502);
  EXPECT_FALSE(upstream.HasConnection());
}

TEST_F(ForwardTest, AConnectionThatEndsWhileIdleIsNotUsed) {
  RawPeer idle = Exchange200("first");
  idle.ShutDown();
  EXPECT_TRUE(idle.AwaitEnd()) << "the pool closes its side too";
  RawPeer client = Ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(AcceptRequest().Send(Ok("x")));
  EXPECT_EQ(client.ReadReply().status, 200);
}

TEST_F(ForwardTest, AnUnusedConnectionIsClosedInTime) {
  options.pool_idle = kSoon;
  RawPeer idle = Exchange200("first");
  EXPECT_TRUE(idle.AwaitEnd());
}

TEST_F(ForwardTest, BytesBehindAResponseReachNobody) {
  RawPeer client = Ask(Get("/1"));
  RawPeer peer = AcceptRequest();
  ASSERT_TRUE(peer.Send(Ok("one") + Ok("for nobody")));
  EXPECT_EQ(client.ReadReply().body, "one");
  EXPECT_TRUE(peer.AwaitEnd());
  ASSERT_TRUE(client.Send(Get("/2")));
  ASSERT_TRUE(AcceptRequest().Send(Ok("two")));
  EXPECT_EQ(client.ReadReply().body, "two");
}

TEST_F(ForwardTest, BytesOnAnIdleConnectionReachNobody) {
  RawPeer idle = Exchange200("first");
  ASSERT_TRUE(idle.Send(Ok("for nobody")));
  EXPECT_TRUE(idle.AwaitEnd());
  RawPeer client = Ask(Get("/2"));
  ASSERT_TRUE(AcceptRequest().Send(Ok("two")));
  EXPECT_EQ(client.ReadReply().body, "two");
}

// They are told of in one batch of events, the request first, which takes the connection.
TEST_F(ForwardTest, BytesThatCameBeforeTheNextRequestWasSentReachNobody) {
  RawPeer idle = Exchange200("first");
  RawPeer client = Ask(Get("/second"));
  ASSERT_NE(idle.ReadHead(), "");
  ASSERT_TRUE(idle.Send(Ok("second")));
  EXPECT_EQ(client.ReadReply().body, "second");
  std::promise<void> held;
  std::promise<void> go_on;
  server().Post(0, [&] {
    held.set_value();
    go_on.get_future().wait();
  });
  held.get_future().wait();
  ASSERT_TRUE(client.Send(Get("/third")) && idle.Send(Ok("for nobody")));
  go_on.set_value();
  ASSERT_TRUE(AcceptRequest().Send(Ok("third")));
  EXPECT_EQ(client.ReadReply().body, "third");
  EXPECT_EQ(NextReport().attempts, 1);
  EXPECT_EQ(NextReport().attempts, 2) << "the connection was taken, and given up";
}

TEST_F(ForwardTest, AHeadThatBreaksOffIsABadGateway) {
  for (const char* begin : {"", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 100 Continue\r\n\r\n"}) {
    RawPeer client = Ask(Get("/"));
    RawPeer peer = AcceptRequest();
    ASSERT_TRUE(peer.Send(begin));
    peer.Close();
    const Received received = client.ReadReply();
    EXPECT_EQ(received.status, 502) << begin;
    EXPECT_EQ(received.body, "failed");
    EXPECT_EQ(NextReport().error, ForwardError::kBroken);
    ASSERT_TRUE(client.Send(Get("/next")));
    ASSERT_TRUE(AcceptRequest().Send(Ok("x", "Connection: close\r\n")));
    EXPECT_EQ(client.ReadReply().status, 200) << "the client's connection goes on";
    EXPECT_EQ(NextReport().error, ForwardError::kNone);
  }
}

TEST_F(ForwardTest, ABodyThatBreaksOffIsSeenByTheClient) {
  for (const char* answer :
       {"Content-Length: 10\r\n\r\n12345", "Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\n123"}) {
    RawPeer client = Ask(Get("/"));
    RawPeer peer = AcceptRequest();
    ASSERT_TRUE(peer.Send("HTTP/1.1 200 OK\r\n" + std::string(answer)));
    EXPECT_NE(client.ReadHead(), "");
    peer.Close();
    EXPECT_TRUE(client.AwaitEndOfAll()) << answer;
    const ForwardReport report = NextReport();
    EXPECT_TRUE(report.is_truncated);
    EXPECT_EQ(report.status, 200);
    EXPECT_FALSE(report.client_left);
  }
}

TEST_F(ForwardTest, ABrokenChunkBreaksTheResponseOff) {
  RawPeer client = Ask(Get("/"));
  RawPeer peer = AcceptRequest();
  ASSERT_TRUE(peer.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"));
  EXPECT_NE(client.ReadHead(), "");
  EXPECT_EQ(client.Read(7), "2\r\nab\r\n");
  ASSERT_TRUE(peer.Send("zz\r\n"));
  EXPECT_EQ(client.Read(5), "") << "and above all no last chunk";
  EXPECT_TRUE(client.AwaitEndOfAll());
  EXPECT_TRUE(NextReport().is_truncated);
}

TEST_F(ForwardTest, AResetInABodyWithoutLengthIsNotItsEnd) {
  RawPeer client = Ask(Get("/"));
  RawPeer peer = AcceptRequest();
  ASSERT_TRUE(peer.Send("HTTP/1.1 200 OK\r\n\r\nhalf"));
  EXPECT_NE(client.ReadHead(), "");
  EXPECT_EQ(client.Read(9), "4\r\nhalf\r\n");
  peer.Reset();
  EXPECT_TRUE(client.AwaitEnd()) << "without the last chunk";
}

TEST_F(ForwardTest, BadResponsesAreBadGateways) {
  options.breaks = false;
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const std::vector<std::string> answers = {
      "SSH-2.0-OpenSSH\r\n",
      "HTTP/2.0 200 OK\r\n\r\n",
      "HTTP/1.1 200\r\n\r\n",
      "HTTP/1.1 600 X\r\n\r\n",
      "HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
      "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
      ok + "Content-Length : 0\r\n\r\n",
      ok + "X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
      ok + std::string("X: a\0b\r\nContent-Length: 0\r\n\r\n", 29),
      ok + "X: a\rb\r\nContent-Length: 0\r\n\r\n",
      ok + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
      ok + "Content-Length: 1, 1\r\n\r\nx",
      ok + "Content-Length: -1\r\n\r\nx",
      ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
      ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
      ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
      "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      ok + "X: " + std::string(40000, 'x') + "\r\n\r\n",
  };
  for (const std::string& answer : answers) {
    RawPeer client = Ask(Get("/"));
    RawPeer peer = AcceptRequest();
    ASSERT_TRUE(peer.Send(answer));
    EXPECT_EQ(client.ReadReply().status, 502) << answer.substr(0, 100);
    EXPECT_TRUE(peer.AwaitEndOfAll()) << answer.substr(0, 100);
    EXPECT_EQ(NextReport().error, ForwardError::kBadResponse) << answer.substr(0, 100);
  }
}

TEST_F(ForwardTest, AHeadThatDoesNotComeIsATimeout) {
  options.head_timeout = kSoon;
  RawPeer client = Ask(Get("/"));
  RawPeer peer = AcceptRequest();
  EXPECT_EQ(client.ReadReply().status, 504);
  EXPECT_TRUE(peer.AwaitEnd());
  EXPECT_EQ(NextReport().error, ForwardError::kHeadTimeout);
}

TEST_F(ForwardTest, ABodyThatStallsIsBrokenOff) {
  options.idle_timeout = kSoon;
  RawPeer client = Ask(Get("/"));
  RawPeer peer = AcceptRequest();
  ASSERT_TRUE(peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123"));
  EXPECT_NE(client.ReadHead(), "");
  EXPECT_EQ(client.Read(10), "123");
  EXPECT_TRUE(NextReport().is_truncated);
}

TEST_F(ForwardTest, EventsMayBeFarApart) {
  options.idle_timeout = milliseconds(1);
  RawPeer client = Ask(Get("/"));
  RawPeer peer = AcceptRequest();
  ASSERT_TRUE(peer.Send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"));
  EXPECT_NE(client.ReadHead(), "");
  EXPECT_EQ(client.Read(14), "9\r\ndata: 1\n\n\r\n");
  // Another exchange that stalls shows that ticks have gone by.
  RawPeer stalls = Ask(Get("/stalls"));
  RawPeer stalling = AcceptRequest();
  ASSERT_TRUE(stalling.Send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"));
  EXPECT_TRUE(NextReport().is_truncated);
  ASSERT_TRUE(peer.Send("data: 2\n\n"));
  EXPECT_EQ(client.Read(14), "9\r\ndata: 2\n\n\r\n");
}

TEST_F(ForwardTest, ARefusedConnectionGoesToAnotherAddress) {
  ScriptedUpstream gone;
  addresses = {gone.address(), upstream.address()};
  gone.Close();
  RawPeer client = Ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
  RawPeer peer = AcceptRequest();
  EXPECT_EQ(peer.Read(2), "hi");
  ASSERT_TRUE(peer.Send(Ok("x")));
  EXPECT_EQ(client.ReadReply().status, 200);
  const ForwardReport report = NextReport();
  EXPECT_EQ(report.attempts, 2);
  EXPECT_EQ(report.endpoint, upstream.address());
}

TEST_F(ForwardTest, ARefusedConnectionIsTriedAgainBeforeItIsABadGateway) {
  Start();
  upstream.Close();
  RawPeer client = Ask(Get("/"));
  EXPECT_EQ(client.ReadReply().status, 502);
  const ForwardReport report = NextReport();
  EXPECT_EQ(report.attempts, options.attempts_max);
  EXPECT_EQ(report.error, ForwardError::kUnreachable);
}

TEST_F(ForwardTest, WhatWasNotTriedComesBeforeWaitingForWhatWas) {
  ScriptedUpstream gone;
  ScriptedUpstream gone_too;
  addresses = {gone.address(), gone_too.address(), upstream.address()};
  gone.Close();
  gone_too.Close();
  options.retry_backoff = std::chrono::hours(1);
  Start();
  group().endpoints()[2]->is_up = false;  // As the active check found it a while ago.
  RawPeer client = Ask(Get("/"));
  ASSERT_TRUE(AcceptRequest().Send(Ok("x")));
  EXPECT_EQ(client.ReadReply().status, 200);
  EXPECT_EQ(NextReport().attempts, 3);
}

TEST_F(ForwardTest, WhatThisSideLacksIsNotTheUpstreamsFault) {
  options.breaker_threshold = 1;
  RawPeer client = Ask(Get("/first"));
  ASSERT_TRUE(AcceptRequest().Send(Ok("x", "Connection: close\r\n")));
  EXPECT_EQ(client.ReadReply().status, 200);
  NextReport();
  rlimit usual{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &usual), 0);
  const rlimit none{3, usual.rlim_max};  // Those that are open stay.
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_TRUE(client.Send(Get("/second")));
  const Received received = client.ReadReply();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &usual), 0);
  EXPECT_EQ(received.status, 502);
  const ForwardReport report = NextReport();
  EXPECT_EQ(report.error, ForwardError::kUnreachable);
  EXPECT_EQ(report.attempts, 1) << "trying again would take more of what there is none of";
  EXPECT_EQ(breaker(), UpstreamGroup::Breaker::kClosed);
  EXPECT_EQ(group().endpoints()[0]->failures, 0);
}

TEST_F(ForwardTest, ConnectingMayNotTakeForEver) {
  // Nobody accepts, and the queue is full: further connections are not answered.
  ScriptedUpstream deaf(0);
  addresses = {deaf.address()};
  options.connect_timeout = kSoon;
  options.attempts_max = 1;
  RawPeer first = RawPeer::Connect(deaf.address());
  RawPeer client = Ask(Get("/fills the queue or times out"));
  client = Ask(Get("/times-out"));
  client = Ask(Get("/times-out-too"));
  EXPECT_EQ(client.ReadReply().status, 502);
}

TEST_F(ForwardTest, WithoutAnAddressThereIsNothingToAsk) {
  addresses = {};
  RawPeer client = Ask(Get("/"));
  EXPECT_EQ(client.ReadReply().status, 502);
  const ForwardReport report = NextReport();
  EXPECT_EQ(report.error, ForwardError::kNoEndpoint);
  EXPECT_EQ(report.attempts, 0);
}

TEST_F(ForwardTest, TheBreakerOpensProbesAndCloses) {
  options.breaker_threshold = 2;
  options.breaker_timeout = kSoon;
  options.attempts_max = 1;
  for (int i = 0; i < 2; ++i) {
    RawPeer client = Ask(Get("/"));
    AcceptRequest().Close();
    EXPECT_EQ(client.ReadReply().status, 502);
  }
  RawPeer refused = Ask(Get("/"));
  const Received answer = refused.ReadReply();
  EXPECT_EQ(answer.status, 503);
  EXPECT_GT(std::stoi(answer.Header("X-Retry-After")), 0);
  ASSERT_TRUE(Eventually([&] { return breaker() == UpstreamGroup::Breaker::kHalfOpen; }));
  RawPeer probe = Ask(Get("/probe"));
  RawPeer peer = AcceptRequest();
  ASSERT_TRUE(refused.Send(Get("/")));
  EXPECT_EQ(refused.ReadReply().status, 503) << "one probe at a time";
  probe.Close();
  EXPECT_TRUE(peer.AwaitEnd());
  ASSERT_TRUE(Eventually([&] { return NextReport().client_left; }));
  probe = Ask(Get("/probe"));
  ASSERT_TRUE(AcceptRequest().Send("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_EQ(probe.ReadReply().status, 500) << "the upstream's own: that is a success";
  EXPECT_EQ(breaker(), UpstreamGroup::Breaker::kClosed);
}

TEST_F(ForwardTest, AnUpstreamsErrorsAreNoFailures) {
  options.breaker_threshold = 1;
  for (int i = 0; i < 3; ++i) {
    RawPeer client = Ask(Get("/"));
    RawPeer peer = AcceptRequest();
    ASSERT_TRUE(peer.Send("HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"));
    const Received received = client.ReadReply();
    EXPECT_EQ(received.status, 503);
    EXPECT_EQ(received.body, "no");
    EXPECT_EQ(received.Header("Connection"), "");
    EXPECT_TRUE(peer.AwaitEnd());
  }
  EXPECT_EQ(breaker(), UpstreamGroup::Breaker::kClosed);
}

TEST_F(ForwardTest, AnOwnerThatThrowsAtTheHeadOfATunnelCostsThatExchangeOnly) {
  options.head_timeout = kSoon;
  fails_at_heads = true;
  RawPeer client = Ask(Get("/ws", "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
  RawPeer peer = AcceptRequest();
  ASSERT_TRUE(peer.Send("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"));
  EXPECT_EQ(client.ReadReply().status, 504);
  EXPECT_TRUE(peer.AwaitEnd());
  EXPECT_FALSE(NextReport().was_tunnel);
  fails_at_heads = false;
  ASSERT_TRUE(client.Send(Get("/")));
  ASSERT_TRUE(AcceptRequest().Send(Ok("x")));
  EXPECT_EQ(client.ReadReply().status, 200);
}

const std::string kBeganToAnswer =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";

TEST_F(ForwardTest, AnUpstreamMayAnswerWhileItReads) {
  const std::string rest(4 << 20, 'r');
  RawPeer client =
      Ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(5 + rest.size()) +
          "\r\n\r\nbegin");
  RawPeer peer = AcceptRequest();
  EXPECT_EQ(peer.Read(5), "begin");
  ASSERT_TRUE(peer.Send(kBeganToAnswer));
  EXPECT_NE(client.ReadHead(), "");
  EXPECT_EQ(client.Read(8), "3\r\none\r\n");
  std::thread sender([&] { EXPECT_TRUE(client.Send(rest)); });
  EXPECT_TRUE(peer.Read(rest.size()) == rest);
  sender.join();
  ASSERT_TRUE(peer.Send("3\r\ntwo\r\n0\r\n\r\n"));
  EXPECT_EQ(client.Read(13), "3\r\ntwo\r\n0\r\n\r\n");
  EXPECT_TRUE(peer.AwaitEnd()) << "it is not used again";
  const ForwardReport report = NextReport();
  EXPECT_EQ(report.request_bytes, 5 + rest.size());
  EXPECT_FALSE(report.is_truncated);
}

TEST_F(ForwardTest, ABodyRefusedBehindTheBeginningOfTheAnswerEndsBoth) {
  RawPeer client = Ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\n\r\nbegin ");
  RawPeer peer = AcceptRequest();
  EXPECT_EQ(peer.Read(6), "begin ");
  ASSERT_TRUE(peer.Send(kBeganToAnswer));
  EXPECT_NE(client.ReadHead(), "");
  ASSERT_TRUE(client.Send("forbidden"));
  EXPECT_TRUE(peer.AwaitEnd());
  EXPECT_TRUE(client.AwaitEndOfAll());
  const ForwardReport report = NextReport();
  EXPECT_EQ(report.error, ForwardError::kBodyRefused);
  EXPECT_TRUE(report.is_truncated);
}

}  // namespace
}  // namespace gatehouse::http
