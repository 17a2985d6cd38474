// Requests and responses that go well, byte by byte on both sides.
#include <thread>

#include "libs/http/forward_fixture.h"

namespace gatehouse::http {
namespace {

TEST_F(ForwardTest, PassesAGetOnAndUsesTheConnectionAgain) {
  RawPeer client = Ask(Get("/a?b=c%20d", "X-One: 1\r\nX-One: 2\r\n"));
  std::string head;
  RawPeer peer = AcceptRequest(&head);
  EXPECT_EQ(head, "GET /a?b=c%20d HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nX-One: 2\r\n\r\n");
  ASSERT_TRUE(peer.Send(Ok("first", "Server: x\r\n")));
  const Received first = client.ReadReply();
  EXPECT_EQ(first.body, "first");
  EXPECT_EQ(first.Header("Server"), "x");
  EXPECT_EQ(first.Header("Content-Length"), "5");
  EXPECT_NE(first.Header("Date"), "");

  ASSERT_TRUE(client.Send(Get("/again")));
  EXPECT_EQ(peer.ReadHead(), "GET /again HTTP/1.1\r\nHost: a\r\n\r\n") << "on the same connection";
  ASSERT_TRUE(peer.Send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_EQ(client.ReadReply().status, 404);

  const ForwardReport one = NextReport();
  EXPECT_EQ(one.status, 200);
  EXPECT_EQ(one.endpoint, upstream.address());
  EXPECT_EQ(one.attempts, 1);
  EXPECT_EQ(one.response_bytes, 5u);
  EXPECT_FALSE(one.client_left || one.is_truncated || one.was_tunnel);
  const ForwardReport two = NextReport();
  EXPECT_EQ(two.status, 404);
  EXPECT_EQ(two.connect.count(), 0);
  EXPECT_EQ(two.attempts, 1);
}

TEST_F(ForwardTest, AnswersWithoutABodyEndWithTheirHead) {
  RawPeer client = Ask("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n");
  RawPeer peer = AcceptRequest();
  ASSERT_TRUE(peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"));
  EXPECT_EQ(client.ReadReply(true).Header("Content-Length"), "500");
  for (const char* answer : {"204 No Content\r\nX: 1", "304 Not Modified\r\nContent-Length: 7",
                             "204 No Content\r\nContent-Length: 7"}) {
    ASSERT_TRUE(client.Send(Get("/y")));
    ASSERT_NE(peer.ReadHead(), "") << answer;
    ASSERT_TRUE(peer.Send("HTTP/1.1 " + std::string(answer) + "\r\n\r\n"));
    EXPECT_EQ(std::to_string(client.ReadReply(true).status), std::string(answer, 3));
  }
  ASSERT_TRUE(client.Send(Get("/z")));
  ASSERT_NE(peer.ReadHead(), "");
  ASSERT_TRUE(peer.Send(Ok("still in step")));
  EXPECT_EQ(client.ReadReply().body, "still in step");
}

TEST_F(ForwardTest, RepeatedFieldsKeepTheirOrderAndHopByHopOnesStay) {
  RawPeer client = Ask(Get("/"));
  RawPeer peer = AcceptRequest();
  ASSERT_TRUE(peer.Send(Ok("x",
                           "Set-Cookie: b=1\r\nX-Secret: s\r\nset-cookie: a=2\r\nVia: u\r\n"
                           "Connection: X-Secret, keep-alive\r\nKeep-Alive: timeout=5\r\n"
                           "Trailer: T\r\nProxy-Authenticate: Basic\r\nSet-Cookie: b=3\r\n")));
  const Received received = client.ReadReply();
  EXPECT_NE(
      received.head.find("Set-Cookie: b=1\r\nset-cookie: a=2\r\nVia: u\r\nSet-Cookie: b=3\r\n"),
      std::string::npos)
      << received.head;
  for (const char* name :
       {"X-Secret", "Connection", "Keep-Alive", "Trailer", "Proxy-Authenticate"}) {
    EXPECT_EQ(received.Header(name), "") << name;
  }
}

TEST_F(ForwardTest, ChunksAreFramedAnewWithoutExtensionsAndTrailers) {
  RawPeer client = Ask(Get("/"));
  RawPeer peer = AcceptRequest();
  ASSERT_TRUE(
      peer.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n"));
  EXPECT_EQ(client.ReadHead().find("ext"), std::string::npos);
  EXPECT_EQ(client.Read(10), "5\r\nhello\r\n") << "before the rest is there";
  ASSERT_TRUE(peer.Send("1\r\n!\r\n0\r\nX-User-Id: evil\r\n\r\n"));
  EXPECT_EQ(client.Read(11), "1\r\n!\r\n0\r\n\r\n");
  ASSERT_TRUE(client.Send(Get("/2")));
  ASSERT_NE(peer.ReadHead(), "") << "the connection is used again";
  ASSERT_TRUE(peer.Send(Ok("2")));
  EXPECT_EQ(client.ReadReply().body, "2") << "and no trailer came between";
}

TEST_F(ForwardTest, ABodyThatEndsWithTheConnectionIsChunkedForTheClient) {
  RawPeer client = Ask(Get("/"));
  RawPeer peer = AcceptRequest();
  ASSERT_TRUE(peer.Send("HTTP/1.1 200 OK\r\n\r\npart one,"));
  ASSERT_TRUE(peer.Send(" part two"));
  peer.Close();
  const Received received = client.ReadReply();
  EXPECT_EQ(received.body, "part one, part two");
  EXPECT_EQ(received.Header("Transfer-Encoding"), "chunked");
  ASSERT_TRUE(client.Send(Get("/2")));
  RawPeer next = AcceptRequest();
  ASSERT_TRUE(next.Send(Ok("2")));
  EXPECT_EQ(client.ReadReply().body, "2");
}

TEST_F(ForwardTest, AnOldClientReadsToTheEnd) {
  RawPeer client = Ask("GET / HTTP/1.0\r\n\r\n");
  RawPeer peer = AcceptRequest();
  ASSERT_TRUE(
      peer.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
  EXPECT_EQ(client.ReadHead().find("Transfer-Encoding"), std::string::npos);
  EXPECT_EQ(client.ReadAll(), "abc");
}

TEST_F(ForwardTest, AnOldUpstreamIsUsedAgainOnlyIfItSaysSo) {
  RawPeer client = Ask(Get("/1"));
  RawPeer peer = AcceptRequest();
  ASSERT_TRUE(peer.Send("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n1"));
  EXPECT_EQ(client.ReadReply().body, "1");
  ASSERT_TRUE(client.Send(Get("/2")));
  ASSERT_NE(peer.ReadHead(), "");
  ASSERT_TRUE(peer.Send("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n2"));
  EXPECT_EQ(client.ReadReply().body, "2");
  EXPECT_TRUE(peer.AwaitEnd());
}

TEST_F(ForwardTest, InterimResponsesAreDropped) {
  RawPeer client = Ask(Get("/"));
  RawPeer peer = AcceptRequest();
  for (const char* interim : {"100 Continue", "102 Processing", "103 Early Hints\r\nLink: x"}) {
    ASSERT_TRUE(peer.Send("HTTP/1.1 " + std::string(interim) + "\r\n\r\n"));
  }
  ASSERT_TRUE(peer.Send(Ok("final")));
  const Received received = client.ReadReply();
  EXPECT_EQ(received.status, 200);
  EXPECT_EQ(received.Header("Link"), "");
  EXPECT_EQ(received.body, "final");
}

TEST_F(ForwardTest, AHeadMayComeInAnyPieces) {
  RawPeer client = Ask(Get("/"));
  RawPeer peer = AcceptRequest();
  for (char c : "HTTP/1.1 103 Early\r\n\r\n" + Ok("xyz", "X-A: b\r\n")) {
    ASSERT_TRUE(peer.Send(std::string_view(&c, 1)));
  }
  const Received received = client.ReadReply();
  EXPECT_EQ(received.Header("X-A"), "b");
  EXPECT_EQ(received.body, "xyz");
}

TEST_F(ForwardTest, AnUploadKeepsItsLength) {
  RawPeer client = Ask("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
  std::string head;
  RawPeer peer = AcceptRequest(&head);
  EXPECT_EQ(head, "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
  EXPECT_EQ(peer.Read(5), "hello") << "before the rest is there";
  ASSERT_TRUE(client.Send("world"));
  EXPECT_EQ(peer.Read(5), "world");
  ASSERT_TRUE(peer.Send(Ok("got it")));
  EXPECT_EQ(client.ReadReply().body, "got it");
  EXPECT_EQ(NextReport().request_bytes, 10u);

  ASSERT_TRUE(client.Send("POST /two HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok"));
  EXPECT_NE(peer.ReadHead(), "") << "on the same connection";
  EXPECT_EQ(peer.Read(2), "ok");
  ASSERT_TRUE(peer.Send(Ok("2")));
  EXPECT_EQ(client.ReadReply().body, "2");
}

TEST_F(ForwardTest, AChunkedUploadStaysChunked) {
  RawPeer client =
      Ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n");
  std::string head;
  RawPeer peer = AcceptRequest(&head);
  EXPECT_EQ(head, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(peer.Read(10), "5\r\nhello\r\n");
  ASSERT_TRUE(client.Send("3\r\nabc\r\n0\r\nT: trailer\r\n\r\n"));
  EXPECT_EQ(peer.Read(13), "3\r\nabc\r\n0\r\n\r\n");
  ASSERT_TRUE(peer.Send(Ok("done")));
  EXPECT_EQ(client.ReadReply().body, "done");
}

TEST_F(ForwardTest, AClientThatExpectsItIsToldToContinueOnceTheUpstreamIsThere) {
  RawPeer client =
      Ask("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_EQ(client.ReadHead(), "HTTP/1.1 100 Continue\r\n\r\n");
  std::string head;
  RawPeer peer = AcceptRequest(&head);
  EXPECT_EQ(head.find("Expect"), std::string::npos);
  ASSERT_TRUE(client.Send("data"));
  EXPECT_EQ(peer.Read(4), "data");
  ASSERT_TRUE(peer.Send("HTTP/1.1 100 Continue\r\n\r\n" + Ok("x")));
  EXPECT_EQ(client.ReadReply().body, "x");
}

TEST_F(ForwardTest, ABodyThatWasReadWholeGoesOutWithItsLength) {
  streams = false;
  RawPeer client =
      Ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
          "3\r\nabc\r\n0\r\n\r\n");
  std::string head;
  RawPeer peer = AcceptRequest(&head);
  EXPECT_EQ(head, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(peer.Read(3), "abc");
  ASSERT_TRUE(peer.Send(Ok("x")));
  EXPECT_EQ(client.ReadReply().status, 200);
  const std::string big(300000, 'b');
  ASSERT_TRUE(client.Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + big));
  ASSERT_NE(peer.ReadHead(), "");
  EXPECT_EQ(peer.Read(big.size()), big);
  ASSERT_TRUE(peer.Send(Ok("y")));
  EXPECT_EQ(client.ReadReply().body, "y");
}

TEST_F(ForwardTest, MethodsThatAnticipateABodyHaveALength) {
  RawPeer client = Ask("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  std::string head;
  RawPeer peer = AcceptRequest(&head);
  EXPECT_NE(head.find("\r\nContent-Length: 0\r\n"), std::string::npos) << head;
  ASSERT_TRUE(peer.Send(Ok("x")));
  EXPECT_EQ(client.ReadReply().status, 200);
  ASSERT_TRUE(client.Send("DELETE /d HTTP/1.1\r\nHost: a\r\n\r\n"));
  EXPECT_EQ(peer.ReadHead(), "DELETE /d HTTP/1.1\r\nHost: a\r\n\r\n");
}

TEST_F(ForwardTest, PipelinedRequestsAreAnsweredInOrder) {
  RawPeer client = Ask(Get("/1") + Get("/2") + Get("/3"));
  RawPeer peer = AcceptRequest();
  for (const char* name : {"1", "2", "3"}) {
    if (name[0] != '1') {
      EXPECT_EQ(peer.ReadHead(), Get("/" + std::string(name)));
    }
    ASSERT_TRUE(peer.Send(Ok(name)));
    EXPECT_EQ(client.ReadReply().body, name);
  }
}

// Each worker has its own pool; nobody gets another's answer.
TEST_F(ForwardTest, ManyClientsOnTwoWorkersGetTheirOwnAnswers) {
  TestServer answering;
  addresses = {answering.address()};
  server_options.workers = 2;
  Start();
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int round = 0; round < 10; ++round) {
        RawPeer client = RawPeer::Connect(server().address());
        for (int i = 0; i < 20; ++i) {
          const std::string path = "/" + std::to_string(thread * 1000 + round * 100 + i);
          if (!client.Send(Get(path)) || client.ReadReply().body != path) ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LT(answering.server().stats().connections_open, 20u) << "they were used again";
}

}  // namespace
}  // namespace gatehouse::http
