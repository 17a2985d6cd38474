// A WebSocket over a stream that the test holds in its hands: handshake, answers,
// pings, queue, close. Over real sockets in websocket_wire_test.cc.
#include "libs/http/websocket.h"

#include <gtest/gtest.h>

#include "libs/http/websocket_case.h"
#include "libs/http/websocket_handshake.h"

namespace gatehouse::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

class FakeStream : public Stream {
 public:
  void ReadBody() override { reads = true; }
  void PauseBody() override { reads = false; }
  bool body_done() const override { return false; }
  void BeginReply(ReplyHead) override {}
  bool has_begun() const override { return false; }
  void Write(std::string bytes) override {
    ++writes;
    waiting += bytes.size();
    written += bytes;
    if (breaks) owner->OnClosed();
  }
  std::size_t queued() const override { return waiting; }
  void End() override { end = "end"; }
  void Abort() override { end = "abort"; }
  void Upgrade(std::string lines) override { head = lines; }

  StreamOwner* owner = nullptr;
  bool reads = false;
  bool breaks = false;  // The next write finds the client gone.
  int writes = 0;
  std::size_t waiting = 0;  // As if the client had taken none of it.
  std::string written;
  std::string head;
  std::string end;
};

class FakeExchange : public Exchange {
 public:
  const Request& request() const override { return request_; }
  void Reply(Response) override {}
  void OnGone(std::function<void()>) override {}
  void Post(std::function<void()>) override {}
  Stream* OpenStream(std::shared_ptr<StreamOwner> owner) override {
    if (has_left) return nullptr;
    stream.owner = owner.get();
    owner_ = std::move(owner);
    return &stream;
  }
  int worker() const override { return 0; }

  Request request_;
  FakeStream stream;
  bool has_left = false;

 private:
  std::shared_ptr<StreamOwner> owner_;
};

// Sends text back, and tells what it heard.
class Echo : public WebSocketOwner {
 public:
  void OnOpen(WebSocket* opened) override {
    socket = opened;
    heard += "open ";
  }
  void OnMessage(std::string_view message, bool is_text) override {
    heard += is_text ? "text " : "binary ";
    if (message == "close yourself") return socket->Close(4001, "as told");
    if (is_text) socket->SendText(message);
  }
  void OnTick(SteadyTime) override { ++ticks; }
  void OnWritable() override { heard += "writable "; }
  void OnDrain(milliseconds spread) override {
    heard += "drain " + std::to_string(spread.count()) + " ";
  }
  void OnClosed(int code) override { heard += "closed:" + std::to_string(code) + " "; }

  WebSocket* socket = nullptr;
  std::string heard;
  int ticks = 0;
};

Request* WithHandshake(Request* request) {
  request->method = "GET";
  request->headers = {{"Host", "a"},
                      {"Upgrade", "websocket"},
                      {"Connection", "Upgrade"},
                      {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
                      {"Sec-WebSocket-Version", "13"}};
  return request;
}

class WebSocketTest : public ::testing::Test {
 protected:
  void Open(const WebSocketOptions& options = {}) {
    WithHandshake(&exchange_->request_);
    AcceptWebSocket(exchange_, "X-Request-ID: r\r\n", "", options, echo_);
    ASSERT_NE(stream().owner, nullptr);
    opened_ = steady_clock::now();
  }
  FakeStream& stream() { return exchange_->stream; }
  void Receive(const std::string& bytes, bool is_last = false) {
    stream().owner->OnBody(bytes, is_last);
  }
  void Tick(milliseconds at) { stream().owner->OnTick(opened_ + at); }
  std::string Written() { return TellServerFrames(stream().written); }

  const std::shared_ptr<FakeExchange> exchange_ = std::make_shared<FakeExchange>();
  const std::shared_ptr<Echo> echo_ = std::make_shared<Echo>();
  SteadyTime opened_;
};

TEST_F(WebSocketTest, AnswersTheHandshakeOfTheStandardsSample) {
  Open();
  EXPECT_EQ(stream().head,
            "Connection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nX-Request-ID: r\r\n");
  EXPECT_TRUE(stream().reads);
  EXPECT_EQ(echo_->heard, "open ");
}

TEST_F(WebSocketTest, NamesTheSubprotocolThatWasChosen) {
  WithHandshake(&exchange_->request_);
  AcceptWebSocket(exchange_, "", "bearer", {}, echo_);
  EXPECT_NE(stream().head.find("\r\nSec-WebSocket-Protocol: bearer\r\n"), std::string::npos);
}

TEST_F(WebSocketTest, CallsNothingForAClientThatHasLeft) {
  exchange_->has_left = true;
  WithHandshake(&exchange_->request_);
  AcceptWebSocket(exchange_, "", "", {}, echo_);
  EXPECT_EQ(echo_->heard, "");
}

TEST_F(WebSocketTest, EchoesText) {
  Open();
  Receive(TextFrame("one") + TextFrame("two"));
  EXPECT_EQ(Written(), "text(one) text(two) ");
  EXPECT_EQ(stream().writes, 1) << "answers to one piece of input go out as one piece";
}

TEST_F(WebSocketTest, AnswersPingsWithTheirPayload) {
  Open();
  Receive(PingFrame("a") + PingFrame("") + PingFrame(std::string(125, 'x')));
  EXPECT_EQ(Written(), "pong(a) pong() pong(#125) ");
  EXPECT_EQ(echo_->heard, "open ");
}

TEST_F(WebSocketTest, DoesNotReadWhoFloodsWithPingsAndTakesNoPongs) {
  Open();
  std::string flood;
  for (int i = 0; i < 500; ++i) flood += PingFrame(std::string(125, 'x'));
  int pieces = 0;
  while (stream().reads && pieces < 100) {
    Receive(flood);
    ++pieces;
  }
  EXPECT_LT(pieces, 7);
  EXPECT_LT(stream().waiting, Stream::kHighBytes + 2 * flood.size());
  stream().waiting = 0;
  stream().owner->OnWritable();
  EXPECT_TRUE(stream().reads) << "it goes on when the pongs are taken";
}

TEST_F(WebSocketTest, EchoesTheCodeOfAClose) {
  Open();
  Receive(CloseFrame(4321, "bye"));
  EXPECT_EQ(Written(), "close(4321) ");
  EXPECT_EQ(echo_->heard, "open closed:4321 ");
  EXPECT_EQ(stream().end, "end");
}

TEST_F(WebSocketTest, AnswersACloseWithoutCodeInKind) {
  Open();
  Receive(Frame(kFin | 8, ""));
  EXPECT_EQ(Written(), "close() ");
  EXPECT_EQ(echo_->heard, "open closed:1005 ");
}

TEST_F(WebSocketTest, SendsWhatWasAskedBeforeTheClose) {
  Open();
  Receive(TextFrame("a") + PingFrame("p") + CloseFrame(1000) + TextFrame("b"));
  EXPECT_EQ(Written(), "text(a) pong(p) close(1000) ");
  EXPECT_EQ(echo_->heard, "open text closed:1000 ");
}

TEST_F(WebSocketTest, ClosesOnABreachAndSaysWhy) {
  Open();
  Receive(TextFrame("a") + TextFrame("\xff"));
  EXPECT_EQ(Written(), "text(a) close(1007) ");
  EXPECT_EQ(echo_->heard, "open text closed:1007 ");
  EXPECT_EQ(stream().end, "end");
}

TEST_F(WebSocketTest, ClosesOnAMessageThatIsTooBig) {
  WebSocketOptions options;
  options.message_bytes_max = 10;
  Open(options);
  Receive(TextFrame("0123456789") + TextFrame("0123456789a"));
  EXPECT_EQ(Written(), "text(0123456789) close(1009) ");
}

TEST_F(WebSocketTest, ClosesWhenItsOwnerSaysSoAndWaitsForTheAnswer) {
  Open();
  echo_->socket->Close(4401, "revoked");
  EXPECT_EQ(Written(), "close(4401 revoked) ");
  EXPECT_EQ(stream().end, "");
  EXPECT_FALSE(echo_->socket->SendText("late"));
  Receive(TextFrame("meanwhile") + PingFrame("") + CloseFrame(4401));
  EXPECT_EQ(Written(), "close(4401 revoked) ") << "nothing follows a close frame";
  EXPECT_EQ(echo_->heard, "open closed:4401 ") << "messages are dropped";
  EXPECT_EQ(stream().end, "end");
}

TEST_F(WebSocketTest, ClosesOnceHoweverOftenItIsAsked) {
  Open();
  echo_->socket->Close(1001, "");
  echo_->socket->Close(4401, "x");
  EXPECT_EQ(Written(), "close(1001) ");
}

TEST_F(WebSocketTest, ClosesFromWithinAMessage) {
  Open();
  Receive(TextFrame("close yourself") + TextFrame("a"));
  EXPECT_EQ(Written(), "close(4001 as told) ");
  EXPECT_EQ(echo_->heard, "open text ");
}

TEST_F(WebSocketTest, ADoubleCloseEndsCleanly) {
  Open();
  echo_->socket->Close(1001, "");
  Receive(CloseFrame(1000));
  EXPECT_EQ(Written(), "close(1001) ");
  EXPECT_EQ(echo_->heard, "open closed:1000 ");
}

TEST_F(WebSocketTest, GivesUpOnWhoDoesNotAnswerAClose) {
  Open();
  echo_->socket->Close(1001, "");
  Tick(milliseconds(4900));
  EXPECT_EQ(stream().end, "");
  Tick(milliseconds(5200));
  EXPECT_EQ(stream().end, "abort");
  EXPECT_EQ(echo_->heard, "open closed:1006 ");
}

TEST_F(WebSocketTest, CutsAReasonThatIsTooLong) {
  Open();
  echo_->socket->Close(4000, std::string(200, 'r'));
  EXPECT_EQ(Written(), "close(4000 " + std::string(123, 'r') + ") ");
}

TEST_F(WebSocketTest, AnEndWithoutACloseIsAbnormal) {
  Open();
  Receive(TextFrame("a"), true);
  EXPECT_EQ(echo_->heard, "open text closed:1006 ");
  EXPECT_EQ(stream().end, "end");
}

TEST_F(WebSocketTest, ABrokenConnectionIsReportedOnce) {
  Open();
  stream().owner->OnClosed();
  stream().owner->OnClosed();
  EXPECT_EQ(echo_->heard, "open closed:1006 ");
  EXPECT_EQ(stream().end, "") << "there is nothing left to end";
}

TEST_F(WebSocketTest, SurvivesAClientThatVanishesUnderAWrite) {
  Open();
  stream().breaks = true;
  Receive(TextFrame("a") + TextFrame("b"));
  EXPECT_EQ(echo_->heard, "open text text closed:1006 ");
  EXPECT_FALSE(echo_->socket->SendText("late"));
  echo_->socket->Close(1000, "");
  EXPECT_EQ(echo_->heard, "open text text closed:1006 ");
}

TEST_F(WebSocketTest, PingsAndTakesAPongForLife) {
  Open();
  Tick(milliseconds(29000));
  EXPECT_EQ(Written(), "");
  Tick(milliseconds(30000));
  EXPECT_EQ(Written(), "ping() ");
  Receive(Frame(kFin | 10, ""));
  Tick(milliseconds(51000));
  EXPECT_EQ(stream().end, "");
  Tick(milliseconds(60000));
  EXPECT_EQ(Written(), "ping() ping() ");
}

TEST_F(WebSocketTest, WhoDoesNotAnswerAPingIsGone) {
  Open();
  Tick(milliseconds(30000));
  stream().waiting = 0;
  Tick(milliseconds(49900));
  EXPECT_EQ(stream().end, "");
  Tick(milliseconds(50000));
  EXPECT_EQ(stream().end, "abort");
  EXPECT_EQ(echo_->heard, "open closed:1006 ");
}

TEST_F(WebSocketTest, ASlowReaderHasItsTimeFromWhenItHasTakenThePing) {
  Open();
  Tick(milliseconds(30000));
  Tick(milliseconds(60000));
  EXPECT_EQ(stream().end, "") << "what was sent before the ping is still being taken";
  stream().waiting = 0;
  Tick(milliseconds(79900));
  EXPECT_EQ(stream().end, "");
  Tick(milliseconds(80000));
  EXPECT_EQ(stream().end, "abort");
}

TEST_F(WebSocketTest, ALongMessageUnderWayIsASignOfLife) {
  Open();
  Tick(milliseconds(30000));
  Receive(Frame(1, "a").substr(0, 3));
  Tick(milliseconds(55000));
  EXPECT_EQ(stream().end, "");
}

TEST_F(WebSocketTest, RefusesTextWhenTheQueueIsFullAndTellsWhenItIsNot) {
  WebSocketOptions options;
  options.queue_bytes_max = 1000;
  Open(options);
  const std::string text(400, 'x');
  EXPECT_TRUE(echo_->socket->SendText(text));
  EXPECT_TRUE(echo_->socket->SendText(text));
  EXPECT_FALSE(echo_->socket->SendText(text));
  EXPECT_EQ(Written(), "text(#400) text(#400) ");
  Tick(milliseconds(250));
  EXPECT_EQ(echo_->heard, "open ") << "it is still full";
  stream().waiting = 300;
  Tick(milliseconds(500));
  EXPECT_EQ(echo_->heard, "open writable ");
  Tick(milliseconds(750));
  EXPECT_EQ(echo_->heard, "open writable ") << "once per refusal";
  EXPECT_TRUE(echo_->socket->SendText(text));
}

TEST_F(WebSocketTest, TextThatNoQueueCouldHoldGoesWhenNothingWaits) {
  WebSocketOptions options;
  options.queue_bytes_max = 100;
  Open(options);
  EXPECT_TRUE(echo_->socket->SendText(std::string(500, 'x')));
  EXPECT_FALSE(echo_->socket->SendText("y"));
}

TEST_F(WebSocketTest, PassesDrainAndTicksOn) {
  Open();
  stream().owner->OnDrain(milliseconds(70));
  Tick(milliseconds(250));
  EXPECT_EQ(echo_->heard, "open drain 70 ");
  EXPECT_EQ(echo_->ticks, 1);
}

struct HandshakeCase {
  const char* name;
  int status;
  std::function<void(Request*)> change;
};
void PrintTo(const HandshakeCase& one, std::ostream* out) { *out << one.name; }

void Set(Request* request, const std::string& name, const std::string& value) {
  for (Header& header : request->headers) {
    if (header.name == name) header.value = value;
  }
}
void Drop(Request* request, const std::string& name) {
  std::erase_if(request->headers, [&](const Header& header) { return header.name == name; });
}

// 4.2.1
const HandshakeCase kHandshakes[] = {
    {"Good", 0, [](Request*) {}},
    {"UpgradeInCapitals", 0, [](Request* r) { Set(r, "Upgrade", "WebSocket"); }},
    {"ConnectionAsAList", 0, [](Request* r) { Set(r, "Connection", "keep-alive, UPGRADE"); }},
    {"UpgradeAsAList", 0, [](Request* r) { Set(r, "Upgrade", "h2c, websocket"); }},
    {"NoUpgrade", 426, [](Request* r) { Drop(r, "Upgrade"); }},
    {"AnotherUpgrade", 426, [](Request* r) { Set(r, "Upgrade", "h2c"); }},
    {"NoConnection", 400, [](Request* r) { Drop(r, "Connection"); }},
    {"ConnectionWithoutUpgrade", 400, [](Request* r) { Set(r, "Connection", "keep-alive"); }},
    {"Post", 400, [](Request* r) { r->method = "POST"; }},
    {"Http10", 426, [](Request* r) { r->minor_version = 0; }},
    {"NoKey", 400, [](Request* r) { Drop(r, "Sec-WebSocket-Key"); }},
    {"TwoKeys", 400,
     [](Request* r) {
       r->headers.push_back({"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="});
     }},
    {"ShortKey", 400, [](Request* r) { Set(r, "Sec-WebSocket-Key", "dGhlIHNhbXBsZQ=="); }},
    {"KeyOf17Bytes", 400,
     [](Request* r) { Set(r, "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZTE="); }},
    {"KeyThatIsNotBase64", 400,
     [](Request* r) { Set(r, "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j!Q=="); }},
    {"NoVersion", 426, [](Request* r) { Drop(r, "Sec-WebSocket-Version"); }},
    {"Version8", 426, [](Request* r) { Set(r, "Sec-WebSocket-Version", "8"); }},
    {"VersionWithAZero", 426, [](Request* r) { Set(r, "Sec-WebSocket-Version", "013"); }},
    {"TwoVersions", 400,
     [](Request* r) {
       r->headers.push_back({"Sec-WebSocket-Version", "13"});
     }},
    {"WithABody", 400, [](Request* r) { r->body = "x"; }},
    {"WithABodyToCome", 400, [](Request* r) { r->body_follows = true; }},
};
class Handshake : public ::testing::TestWithParam<HandshakeCase> {};
TEST_P(Handshake, IsCheckedAsTheStandardSays) {
  Request request;
  GetParam().change(WithHandshake(&request));
  EXPECT_EQ(CheckHandshake(request), GetParam().status);
}
INSTANTIATE_TEST_SUITE_P(Rfc6455, Handshake, ::testing::ValuesIn(kHandshakes),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(OfferedSubprotocols, AreListedInOrderOverAllFields) {
  Request request;
  request.headers = {{"Sec-WebSocket-Protocol", "bearer,  abc.def ,"},
                     {"sec-websocket-protocol", "chat"}};
  EXPECT_EQ(OfferedSubprotocols(request), (std::vector<std::string>{"bearer", "abc.def", "chat"}));
}

}  // namespace
}  // namespace gatehouse::http
