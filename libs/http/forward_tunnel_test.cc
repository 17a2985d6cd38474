// WebSockets through the server: bytes both ways, the end of either side, and an end
// that the owner wants.
#include <unistd.h>

#include <fstream>
#include <thread>
#include <utility>
#include <vector>

#include "libs/http/forward_fixture.h"
#include "libs/http/frame_tracker.h"
#include "libs/http/tunnel.h"

namespace gatehouse::http {
namespace {

using std::chrono::milliseconds;

const std::string kUpgrade = Get("/ws",
                                 "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
const std::string kSwitch =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

// Both ends of the test's own included; sanitizers keep what was freed.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kTunnelBytesMax = 64 * 1024;
#else
constexpr std::size_t kTunnelBytesMax = 4096;
#endif

std::size_t ResidentBytes() {
  std::size_t size = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// A text frame, not masked: a tracker does not care who sends it.
std::string Text(const std::string& text) {
  return std::string("\x81") + static_cast<char>(text.size()) + text;
}

class ForwardTunnelTest : public ForwardTest {
 protected:
  // A tunnel with nothing in it.
  void Open() {
    client_ = Ask(kUpgrade);
    peer_ = AcceptRequest();
    ASSERT_TRUE(peer_.Send(kSwitch));
    ASSERT_EQ(client_.ReadHead().rfind("HTTP/1.1 101 ", 0), 0u);
  }

  // The close frame that the upstream has got, which is masked; 0: none.
  int UpstreamsCloseCode() {
    const std::string frame = peer_.Read(8);
    if (frame.size() != 8 || frame.substr(0, 2) != "\x88\x82") return 0;
    return ((frame[6] ^ frame[2]) & 0xff) * 256 + ((frame[7] ^ frame[3]) & 0xff);
  }

  RawPeer client_;
  RawPeer peer_;
};

TEST_F(ForwardTunnelTest, CarriesBytesBothWaysAndLosesNoEarlyOnes) {
  client_ = Ask(kUpgrade + Text("early from the client"));
  std::string head;
  peer_ = AcceptRequest(&head);
  EXPECT_NE(head.find("\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), head.npos) << head;
  EXPECT_NE(head.find("\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), head.npos);
  ASSERT_TRUE(peer_.Send(kSwitch + Text("early from upstream")));
  const std::string answer = client_.ReadHead();
  EXPECT_EQ(answer.rfind("HTTP/1.1 101 ", 0), 0u);
  EXPECT_NE(answer.find("\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"), answer.npos);
  EXPECT_NE(answer.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), answer.npos);
  EXPECT_EQ(client_.Read(21), Text("early from upstream"));
  EXPECT_EQ(peer_.Read(23), Text("early from the client"));
  ASSERT_TRUE(client_.Send("a") && peer_.Send("b"));
  EXPECT_EQ(peer_.Read(1), "a");
  EXPECT_EQ(client_.Read(1), "b");
  peer_.Close();
  EXPECT_TRUE(client_.AwaitEnd());
  const ForwardReport report = NextReport();
  EXPECT_TRUE(report.was_tunnel);
  EXPECT_EQ(report.status, 101);
  EXPECT_EQ(report.request_bytes, 24u);
  EXPECT_EQ(report.response_bytes, 22u);
}

TEST_F(ForwardTunnelTest, TheEndOfOneSideIsPassedOn) {
  Open();
  ASSERT_TRUE(client_.Send("last words"));
  client_.ShutDown();
  EXPECT_EQ(peer_.ReadAll(), "last words");
  ASSERT_TRUE(peer_.Send("answer"));
  peer_.Close();
  EXPECT_EQ(client_.ReadAll(), "answer");
}

TEST_F(ForwardTunnelTest, AClientThatLeavesIsToldToTheUpstream) {
  Open();
  client_.Reset();
  EXPECT_TRUE(peer_.AwaitEnd());
  EXPECT_TRUE(NextReport().client_left);
}

TEST_F(ForwardTunnelTest, SlowReadersHoldTheOthersUp) {
  Open();
  const std::string bytes(40 << 20, 'x');
  std::size_t up = 0;
  std::size_t down = 0;
  EXPECT_FALSE(client_.Send(bytes, milliseconds(100), &up));
  EXPECT_FALSE(peer_.Send(bytes, milliseconds(100), &down));
  EXPECT_LT(up, std::size_t{24} << 20);
  EXPECT_LT(down, std::size_t{24} << 20);
  EXPECT_EQ(peer_.Read(up).size(), up);
  EXPECT_EQ(client_.Read(down).size(), down);
  ASSERT_TRUE(client_.Send("a") && peer_.Send("b"));
  EXPECT_EQ(peer_.Read(1), "a");
  EXPECT_EQ(client_.Read(1), "b");
}

TEST_F(ForwardTunnelTest, AnyOtherAnswerIsPassedOnAsItIs) {
  RawPeer client = Ask(kUpgrade);
  RawPeer peer = AcceptRequest();
  ASSERT_TRUE(peer.Send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"));
  const Received received = client.ReadReply();
  EXPECT_EQ(received.status, 403);
  EXPECT_EQ(received.body, "no");
  ASSERT_TRUE(client.Send(Get("/next")));
  EXPECT_EQ(peer.ReadHead(), Get("/next")) << "both connections go on";
  const ForwardReport report = NextReport();
  EXPECT_FALSE(report.was_tunnel);
}

TEST_F(ForwardTunnelTest, ASwitchToSomethingElseIsABadResponse) {
  for (const char* lines : {"", "Connection: Upgrade\r\n", "Upgrade: websocket\r\n",
                            "Connection: Upgrade\r\nUpgrade: h2c\r\n"}) {
    RawPeer client = Ask(kUpgrade);
    ASSERT_TRUE(AcceptRequest().Send("HTTP/1.1 101 Go\r\n" + std::string(lines) + "\r\n"));
    EXPECT_EQ(client.ReadReply().status, 502) << lines;
    group().ReportSuccess(*group().endpoints().at(0));
  }
}

TEST_F(ForwardTunnelTest, ACloseCodeOfTheOwnerReachesBothSides) {
  Open();
  ASSERT_TRUE(peer_.Send(Text("down")) && client_.Send(Text("up")));
  EXPECT_EQ(client_.Read(6), Text("down"));
  EXPECT_EQ(peer_.Read(4), Text("up"));
  close_code = 4401;
  EXPECT_EQ(client_.Read(4), CloseFrame(4401, false));
  EXPECT_EQ(UpstreamsCloseCode(), 4401);
  ASSERT_TRUE(peer_.Send(Text("too late")));
  ASSERT_TRUE(client_.Send(CloseFrame(4401, true)));
  EXPECT_TRUE(client_.AwaitEnd());
  EXPECT_TRUE(peer_.AwaitEnd());
  EXPECT_TRUE(NextReport().was_tunnel);
}

TEST_F(ForwardTunnelTest, ACloseFrameWaitsForTheEndOfTheFrameInHand) {
  Open();
  const std::string frame = Text("a frame in two parts");
  ASSERT_TRUE(peer_.Send(frame.substr(0, 7)));
  EXPECT_EQ(client_.Read(7), frame.substr(0, 7));
  close_code = 4401;
  EXPECT_EQ(UpstreamsCloseCode(), 4401) << "towards the upstream nothing is in hand";
  ASSERT_TRUE(peer_.Send(frame.substr(7) + Text("too late")));
  EXPECT_EQ(client_.Read(frame.size() - 7), frame.substr(7));
  EXPECT_EQ(client_.Read(4), CloseFrame(4401, false));
  ASSERT_TRUE(client_.Send(CloseFrame(4401, true)));
  EXPECT_TRUE(client_.AwaitEnd());
}

TEST_F(ForwardTunnelTest, AFrameThatDoesNotEndIsCut) {
  Open();
  const std::string frame = Text("a frame in two parts");
  ASSERT_TRUE(peer_.Send(frame.substr(0, 7)));
  EXPECT_EQ(client_.Read(7), frame.substr(0, 7));
  close_code = 4401;
  EXPECT_TRUE(client_.AwaitEnd());
  EXPECT_EQ(UpstreamsCloseCode(), 4401);
}

TEST_F(ForwardTunnelTest, AClientThatDoesNotAnswerACloseIsNotWaitedForLong) {
  Open();
  close_code = 4401;
  EXPECT_EQ(client_.Read(4), CloseFrame(4401, false));
  EXPECT_TRUE(client_.AwaitEnd());
}

TEST_F(ForwardTunnelTest, AnIdleTunnelEnds) {
  options.tunnel_idle_timeout = kSoon;
  Open();
  EXPECT_EQ(client_.Read(4), CloseFrame(1001, false));
  EXPECT_EQ(UpstreamsCloseCode(), 1001);
}

TEST_F(ForwardTunnelTest, AnIdleTunnelTakesLittleMemory) {
  std::vector<std::pair<RawPeer, RawPeer>> tunnels;
  const auto open = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      Open();
      tunnels.emplace_back(std::move(client_), std::move(peer_));
    }
  };
  tunnels.reserve(1000);
  open(100);
  const std::size_t before = ResidentBytes();
  open(800);
  EXPECT_LT((ResidentBytes() - before) / 800, kTunnelBytesMax);
}

TEST_F(ForwardTunnelTest, TunnelsEndWithinHalfOfAShortGraceTime) {
  std::vector<std::pair<RawPeer, RawPeer>> tunnels;
  for (int i = 0; i < 24; ++i) {
    Open();
    tunnels.emplace_back(std::move(client_), std::move(peer_));
  }
  // Whoever waits for 3 s does not live to see it.
  std::thread drain([&] { server().Drain(milliseconds(2000)); });
  for (auto& [client, peer] : tunnels) EXPECT_EQ(client.Read(4), CloseFrame(1001, false));
  drain.join();
}

TEST(DrainJitterTest, StaysBelowTheSpread) {
  const SteadyTime now;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_LT(DrainJitter(&now, now + milliseconds(i), milliseconds(20)), milliseconds(20));
  }
  EXPECT_EQ(DrainJitter(&now, now, milliseconds(0)), milliseconds(0));
}

TEST_F(ForwardTunnelTest, ATunnelEndsWhenTheServerDrains) {
  Open();
  std::thread drain([&] { server().Drain(milliseconds(20000)); });
  EXPECT_EQ(client_.Read(4), CloseFrame(1001, false));
  EXPECT_EQ(UpstreamsCloseCode(), 1001);
  ASSERT_TRUE(client_.Send(CloseFrame(1001, true)));
  EXPECT_TRUE(client_.AwaitEnd());
  client_.Close();
  drain.join();
}

}  // namespace
}  // namespace gatehouse::http
