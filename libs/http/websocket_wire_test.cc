// Terminated WebSockets on real sockets: what the server under them must not lose.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "libs/http/testing.h"
#include "libs/http/websocket.h"
#include "libs/http/websocket_case.h"

namespace gatehouse::http {
namespace {

using std::chrono::milliseconds;

constexpr char kHandshake[] =
    "GET /socket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

struct Seen {
  std::atomic<int> opened = 0;
  std::atomic<int> messages = 0;
  std::atomic<int> refused = 0;
  std::atomic<int> writable = 0;
  std::atomic<int> drained = 0;
  std::atomic<int> closed = 0;
  std::atomic<int> code = 0;
};

// Echoes text; "flood" is answered with more than anybody queues, "throw" not at all.
class Echo : public WebSocketOwner {
 public:
  explicit Echo(Seen* seen) : seen_(seen) {}
  void OnOpen(WebSocket* socket) override {
    socket_ = socket;
    ++seen_->opened;
  }
  void OnMessage(std::string_view message, bool) override {
    ++seen_->messages;
    if (message == "throw") throw std::runtime_error("an owner's own");
    if (message != "flood") {
      socket_->SendText(message);
      return;
    }
    const std::string text(60000, 'f');
    while (socket_->SendText(text)) {
    }
    ++seen_->refused;
  }
  void OnTick(SteadyTime) override {}
  void OnWritable() override { ++seen_->writable; }
  void OnDrain(milliseconds) override {
    ++seen_->drained;
    socket_->Close(1001, "going away");
  }
  void OnClosed(int code) override {
    seen_->code = code;
    ++seen_->closed;
  }

 private:
  Seen* const seen_;
  WebSocket* socket_ = nullptr;
};

class WebSocketWire : public ::testing::Test {
 protected:
  void SetUp() override {
    ServerOptions options;
    options.address = "127.0.0.1:0";
    options.workers = 1;
    auto started = Server::Start(options, [this](std::shared_ptr<Exchange> exchange) {
      if (CheckHandshake(exchange->request()) != 0) return exchange->Reply({400, {}, ""});
      AcceptWebSocket(exchange, "", "", socket_options_, std::make_shared<Echo>(&seen_));
    });
    ASSERT_TRUE(started.ok());
    server_ = *std::move(started);
  }

  // Everything from the server until `enough` or its end; without the head of the 101.
  std::string ReadFrames(const std::string& enough) {
    for (;;) {
      const std::size_t head = received_.find("\r\n\r\n");
      const std::string told =
          head == received_.npos ? "" : TellServerFrames(received_.substr(head + 4));
      if (told.find(enough) != told.npos) return told;
      pollfd entry{client_->fd(), POLLIN, 0};
      if (::poll(&entry, 1, 10000) <= 0) return told + "(nothing more)";
      char bytes[65536];
      const ssize_t count = ::recv(client_->fd(), bytes, sizeof bytes, 0);
      if (count <= 0) return told + (count == 0 ? "(end)" : "(reset)");
      received_.append(bytes, static_cast<std::size_t>(count));
    }
  }
  void Connect(int receive_buffer = 0) {
    received_.clear();
    client_ = std::make_unique<RawClient>(server_->address(), receive_buffer);
  }
  void Send(std::string_view bytes) { EXPECT_TRUE(client_->Send(bytes)); }

  WebSocketOptions socket_options_;
  Seen seen_;
  std::unique_ptr<RawClient> client_;
  std::string received_;
  std::unique_ptr<Server> server_;  // Above what its owners touch.
};

TEST_F(WebSocketWire, FramesBehindTheHandshakeInTheSamePieceAreNotLost) {
  Connect();
  Send(kHandshake + TextFrame("early") + CloseFrame(1000));
  EXPECT_EQ(ReadFrames("(end)"), "text(early) close(1000) (end)");
  EXPECT_EQ(received_.substr(0, 13), "HTTP/1.1 101 ");
  EXPECT_TRUE(Eventually([&] { return seen_.closed == 1; }));
  EXPECT_EQ(seen_.code, 1000);
}

TEST_F(WebSocketWire, AWholeConversationByteByByte) {
  Connect();
  const std::string said = kHandshake + TextFrame("a") + Frame(1, "b") + PingFrame("p") +
                           Frame(kFin, "\xc3\xa9") + TextFrame(std::string(200, 'x')) +
                           CloseFrame(4000, "done");
  for (const char byte : said) Send({&byte, 1});
  EXPECT_EQ(ReadFrames("(end)"), "text(a) pong(p) text(b\xc3\xa9) text(#200) close(4000) (end)");
}

TEST_F(WebSocketWire, AnOwnerThatThrowsIsToldOfItsEndAsAnyOther) {
  Connect();
  Send(kHandshake + TextFrame("throw"));
  ReadFrames("(reset)");
  EXPECT_TRUE(Eventually([&] { return seen_.closed == 1; }));
  EXPECT_EQ(seen_.code, 1006);
}

TEST_F(WebSocketWire, CarriesTheGreatestMessageBothWays) {
  Connect();
  Send(kHandshake + TextFrame(std::string(200000, 'x')));
  EXPECT_EQ(ReadFrames("text"), "text(#200000) ");
  Send(TextFrame(std::string((1 << 20) + 1, 'x')));
  EXPECT_EQ(ReadFrames("(end)"), "text(#200000) close(1009) (end)")
      << "the code must arrive, although there is unread input";
}

TEST_F(WebSocketWire, TellsWhyItClosesWhileTheClientGoesOn) {
  Connect();
  Send(kHandshake + TextFrame("\xff") + TextFrame(std::string(100000, 'x')));
  EXPECT_EQ(ReadFrames("(end)"), "close(1007) (end)");
}

TEST_F(WebSocketWire, NoticesAClientThatVanishes) {
  Connect();
  Send(kHandshake + TextFrame("a"));
  EXPECT_EQ(ReadFrames("text"), "text(a) ");
  client_->Reset();
  EXPECT_TRUE(Eventually([&] { return seen_.closed == 1; }));
  EXPECT_EQ(seen_.code, 1006);
}

TEST_F(WebSocketWire, AnEndWithoutACloseFrameIsAbnormal) {
  Connect();
  Send(kHandshake);
  EXPECT_TRUE(Eventually([&] { return seen_.opened == 1; }));
  client_->ShutDown();
  EXPECT_EQ(ReadFrames("(end)"), "(end)");
  EXPECT_TRUE(Eventually([&] { return seen_.closed == 1; }));
  EXPECT_EQ(seen_.code, 1006);
}

TEST_F(WebSocketWire, PingsWhoIsSilentAndDropsWhoDoesNotAnswer) {
  socket_options_.ping_interval = milliseconds(1);
  socket_options_.pong_timeout = milliseconds(300);
  Connect();
  Send(kHandshake);
  EXPECT_EQ(ReadFrames("ping"), "ping() ");
  Send(Frame(kFin | 10, ""));
  EXPECT_NE(ReadFrames("ping() ping() ").find("ping() ping() "), std::string::npos);
  EXPECT_TRUE(Eventually([&] { return seen_.closed == 1; }));
  EXPECT_EQ(seen_.code, 1006);
}

TEST_F(WebSocketWire, AFullQueueRefusesAndDrains) {
  Connect(4096);
  Send(kHandshake + TextFrame("flood"));
  EXPECT_TRUE(Eventually([&] { return seen_.refused == 1; }));
  EXPECT_EQ(seen_.writable, 0) << "nobody has read";
  EXPECT_NE(ReadFrames("text(#60000) text(#60000) text(#60000) text(#60000) "), "");
  EXPECT_TRUE(Eventually([&] { return seen_.writable == 1; }));
  Send(TextFrame("after") + CloseFrame(1000));
  EXPECT_NE(ReadFrames("(end)").find("text(after) close(1000) (end)"), std::string::npos);
}

TEST_F(WebSocketWire, IsToldOfTheDrainAndEndsWithinIt) {
  Connect();
  Send(kHandshake);
  EXPECT_TRUE(Eventually([&] { return seen_.opened == 1; }));
  std::thread drain([&] { server_->Drain(std::chrono::seconds(10)); });
  EXPECT_EQ(ReadFrames("close"), "close(1001 going away) ");
  Send(CloseFrame(1001));
  client_->ShutDown();
  drain.join();
  EXPECT_EQ(seen_.drained, 1);
  EXPECT_EQ(seen_.closed, 1);
}

TEST_F(WebSocketWire, EndsWithTheServerWhenTheClientDoesNotAnswer) {
  Connect();
  Send(kHandshake);
  EXPECT_TRUE(Eventually([&] { return seen_.opened == 1; }));
  server_->Drain(milliseconds(50));
  EXPECT_EQ(seen_.closed, 1);
  EXPECT_EQ(seen_.code, 1006);
}

TEST_F(WebSocketWire, ManySocketsOpenAndCloseOnOneWorker) {
  for (int round = 0; round < 200; ++round) {
    Connect();
    Send(kHandshake + TextFrame(std::to_string(round)) + CloseFrame(1000));
    ASSERT_EQ(ReadFrames("(end)"), "text(" + std::to_string(round) + ") close(1000) (end)");
  }
  client_->ShutDown();
  EXPECT_TRUE(Eventually([&] { return seen_.closed == 200; }));
  EXPECT_TRUE(Eventually([&] { return server_->stats().connections_open == 0; }));
}

}  // namespace
}  // namespace gatehouse::http
