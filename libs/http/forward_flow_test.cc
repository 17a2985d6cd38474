// Bodies on their way: too fast for the other side, refused, unwanted, or with
// nobody left to read them.
#include <thread>

#include "libs/http/forward_fixture.h"

namespace gatehouse::http {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMany = 40 << 20;
// More than kernels hold for two connections, and less than all.
constexpr std::size_t kFew = 24 << 20;

std::string Pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 977);
  return bytes;
}

TEST_F(ForwardTest, AnUploadWaitsForAnUpstreamThatDoesNotRead) {
  const std::string body = Pattern(kMany);
  RawPeer client = Ask(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n");
  RawPeer peer = AcceptRequest();
  std::size_t taken = 0;
  EXPECT_FALSE(client.Send(body, milliseconds(200), &taken));
  EXPECT_LT(taken, kFew) << "it is not kept in memory";
  std::thread rest([&] { EXPECT_TRUE(client.Send(std::string_view(body).substr(taken))); });
  EXPECT_TRUE(peer.Read(body.size()) == body);
  rest.join();
  ASSERT_TRUE(peer.Send(Ok("all there")));
  EXPECT_EQ(client.ReadReply().body, "all there");
  EXPECT_EQ(NextReport().request_bytes, body.size());
}

TEST_F(ForwardTest, ADownloadWaitsForAClientThatDoesNotRead) {
  const std::string body = Pattern(kMany);
  for (const bool chunked : {false, true}) {
    RawPeer client = Ask(Get("/"));
    RawPeer peer = AcceptRequest();
    const std::string size = std::to_string(body.size());
    ASSERT_TRUE(
        peer.Send("HTTP/1.1 200 OK\r\n" + (chunked ? "Transfer-Encoding: chunked\r\n\r\n2800000\r\n"
                                                   : "Content-Length: " + size + "\r\n\r\n")));
    std::size_t taken = 0;
    EXPECT_FALSE(peer.Send(body, milliseconds(200), &taken));
    EXPECT_LT(taken, kFew) << "it is not kept in memory";
    std::thread rest([&] {
      EXPECT_TRUE(peer.Send(std::string_view(body).substr(taken)));
      EXPECT_TRUE(peer.Send(chunked ? "\r\n0\r\n\r\n" : ""));
    });
    const Received received = client.ReadReply();
    rest.join();
    EXPECT_TRUE(received.body == body);
    EXPECT_EQ(NextReport().response_bytes, body.size());
    client.Close();
    peer.Close();
  }
}

TEST_F(ForwardTest, TheTimeOfASlowClientIsNotTheUpstreams) {
  options.idle_timeout = kSoon;
  RawPeer client = Ask(Get("/"));
  RawPeer peer = AcceptRequest();
  const std::string body = Pattern(kMany);
  ASSERT_TRUE(
      peer.Send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n"));
  std::size_t taken = 0;
  EXPECT_FALSE(peer.Send(body, milliseconds(900), &taken)) << "ticks go by meanwhile";
  std::thread rest([&] { EXPECT_TRUE(peer.Send(std::string_view(body).substr(taken))); });
  EXPECT_TRUE(client.ReadReply().body == body);
  rest.join();
}

TEST_F(ForwardTest, ARequestThatTheUpstreamDoesNotTakeTimesOut) {
  options.idle_timeout = kSoon;
  RawPeer client =
      Ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(kMany) + "\r\n\r\n");
  RawPeer peer = AcceptRequest();
  client.Send(Pattern(kMany), milliseconds(100));
  EXPECT_EQ(client.ReadReply().status, 504);
}

TEST_F(ForwardTest, AnEarlyAnswerEndsTheUpload) {
  RawPeer client = Ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegin");
  RawPeer peer = AcceptRequest();
  EXPECT_EQ(peer.Read(5), "begin");
  ASSERT_TRUE(peer.Send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"));
  const Received received = client.ReadReply();
  EXPECT_EQ(received.status, 413);
  EXPECT_EQ(received.body, "big");
  EXPECT_EQ(received.Header("Connection"), "close");
  EXPECT_TRUE(peer.AwaitEnd()) << "it is not used again";
  EXPECT_EQ(NextReport().status, 413);
}

TEST_F(ForwardTest, AnEarlyAnswerBeforeAResetStillArrives) {
  RawPeer client =
      Ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(kMany) + "\r\n\r\n");
  RawPeer peer = AcceptRequest();
  std::size_t taken = 0;
  client.Send(Pattern(kMany), milliseconds(100), &taken);
  ASSERT_TRUE(peer.Send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"));
  peer.Close();  // With unread input: a reset.
  EXPECT_EQ(client.ReadReply().status, 413);
}

TEST_F(ForwardTest, ARefusedBodyNeverBecomesACompleteRequest) {
  struct Case {
    const char* framing;
    const char* first;
    const char* last;
  };
  for (const Case& c :
       {Case{"Content-Length: 14", "begin ", "so short"},
        Case{"Transfer-Encoding: chunked", "6\r\nbegin \r\n", "5\r\nshort\r\n0\r\n\r\n"},
        Case{"Content-Length: 15", "begin ", "forbidden"}}) {
    RawPeer client =
        Ask("POST / HTTP/1.1\r\nHost: a\r\n" + std::string(c.framing) + "\r\n\r\n" + c.first);
    RawPeer peer = AcceptRequest();
    const std::string begun = peer.Read(std::string_view(c.first).size());
    ASSERT_EQ(begun, c.first);
    ASSERT_TRUE(client.Send(c.last));
    EXPECT_EQ(client.ReadReply().status, 422) << c.framing;
    EXPECT_TRUE(peer.AwaitEnd()) << c.framing;
    const ForwardReport report = NextReport();
    EXPECT_EQ(report.error, ForwardError::kBodyRefused);
    EXPECT_EQ(report.status, 422);
  }
  EXPECT_EQ(breaker(), UpstreamGroup::Breaker::kClosed);
}

TEST_F(ForwardTest, ARefusedBodyThatWasReadWholeReachesNobody) {
  streams = false;
  RawPeer client = Ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nshort");
  EXPECT_EQ(client.ReadReply().status, 422);
  EXPECT_EQ(NextReport().attempts, 0);
  EXPECT_FALSE(upstream.HasConnection());
}

TEST_F(ForwardTest, ABodyThatBreaksItsFramingIsRefused) {
  RawPeer client =
      Ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n");
  RawPeer peer = AcceptRequest();
  EXPECT_EQ(peer.Read(7), "2\r\nab\r\n");
  ASSERT_TRUE(client.Send("x\r\n"));
  EXPECT_EQ(client.ReadReply().status, 400);
  EXPECT_TRUE(peer.AwaitEnd());
}

TEST_F(ForwardTest, AnUploadThatStopsIsATimeoutOfTheClients) {
  server_options.body_timeout = kSoon;
  RawPeer client = Ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  RawPeer peer = AcceptRequest();
  EXPECT_EQ(client.ReadReply().status, 408);
  EXPECT_EQ(peer.ReadAll(), "abc");
}

TEST_F(ForwardTest, TheUpstreamIsToldWhenTheClientLeaves) {
  RawPeer client = Ask(Get("/waits"));
  RawPeer peer = AcceptRequest();
  client.Close();
  EXPECT_TRUE(peer.AwaitEnd()) << "before the head";
  ForwardReport report = NextReport();
  EXPECT_TRUE(report.client_left);
  EXPECT_EQ(report.status, 0);

  client = Ask(Get("/download"));
  peer = AcceptRequest();
  ASSERT_TRUE(peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"));
  EXPECT_NE(client.ReadHead(), "");
  client.Reset();
  EXPECT_TRUE(peer.AwaitEnd()) << "in the body";
  report = NextReport();
  EXPECT_TRUE(report.client_left);
  EXPECT_EQ(report.status, 200);

  client = Ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  peer = AcceptRequest();
  EXPECT_EQ(peer.Read(3), "abc");
  client.Close();
  EXPECT_TRUE(peer.AwaitEnd()) << "in the upload";
  EXPECT_TRUE(NextReport().client_left);
  EXPECT_EQ(breaker(), UpstreamGroup::Breaker::kClosed);
}

TEST_F(ForwardTest, RequestsInHandFinishWhenTheServerDrains) {
  RawPeer client = Ask(Get("/"));
  RawPeer peer = AcceptRequest();
  std::thread drain([&] { server().Drain(milliseconds(5000)); });
  ASSERT_TRUE(Eventually([&] { return !RawPeer::Connect(server().address()).connected(); }));
  ASSERT_TRUE(peer.Send(Ok("to the end")));
  EXPECT_EQ(client.ReadReply().body, "to the end");
  EXPECT_TRUE(peer.AwaitEnd()) << "it is not kept";
  client.Close();
  drain.join();
}

const std::string kEvents = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n";

TEST_F(ForwardTest, AnEventStreamEndsWhenItsOwnerWantsIt) {
  RawPeer client = Ask(Get("/"));
  RawPeer peer = AcceptRequest();
  ASSERT_TRUE(peer.Send(kEvents));
  client.ReadHead();
  EXPECT_EQ(client.Read(14), "9\r\ndata: 1\n\n\r\n");
  close_code = 4401;
  EXPECT_EQ(client.Read(5), "0\r\n\r\n") << "as if the upstream had ended it";
  EXPECT_TRUE(peer.AwaitEnd());
  EXPECT_FALSE(NextReport().is_truncated);
}

TEST_F(ForwardTest, AnOwnerMayAnswerInsteadOfTheUpstream) {
  refuses_events = true;
  RawPeer client = Ask(Get("/"));
  RawPeer peer = AcceptRequest();
  ASSERT_TRUE(peer.Send(kEvents));
  const Received reply = client.ReadReply();
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.body, "too many");
  EXPECT_TRUE(peer.AwaitEnd());
  const ForwardReport report = NextReport();
  EXPECT_EQ(report.status, 429);
  EXPECT_EQ(report.error, ForwardError::kNone);
  EXPECT_EQ(report.response_bytes, 0u);
  ASSERT_TRUE(client.Send(Get("/")));
  peer = AcceptRequest();
  ASSERT_TRUE(peer.Send(Ok("more")));
  EXPECT_EQ(client.ReadReply().body, "more") << "the client's connection goes on";
}

TEST_F(ForwardTest, AServerThatEndsLeavesNobodyWaiting) {
  RawPeer client = Ask(Get("/"));
  RawPeer peer = AcceptRequest();
  server().Drain(milliseconds(0));
  EXPECT_TRUE(peer.AwaitEnd());
  EXPECT_TRUE(NextReport().client_left);
}

}  // namespace
}  // namespace gatehouse::http
