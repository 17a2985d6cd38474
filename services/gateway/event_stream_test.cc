// The events of the live protocol as a stream on /api/v1/events.
#include "services/gateway/event_stream.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "libs/base/unique_fd.h"
#include "libs/metrics/metrics.h"
#include "services/gateway/gateway_fixture.h"
#include "services/gateway/held_look_up.h"

namespace gatehouse::gateway {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr char kPath[] = "/api/v1/events";

TEST(ServerSentEvent, IsOneBlockWhateverStandsInIt) {
  EXPECT_EQ(ServerSentEvent("p1", "a.b", R"({"x":1})"), "id: p1\nevent: a.b\ndata: {\"x\":1}\n\n");
  EXPECT_EQ(ServerSentEvent("", "error", "{}"), "event: error\ndata: {}\n\n");
  EXPECT_EQ(ServerSentEvent("p", "a\nevent: b", "{\r\n}"),
            "id: p\nevent: a event: b\ndata: {  }\n\n");
}

// Takes the stream apart into its blocks.
class StreamClient {
 public:
  StreamClient(const std::string& address, const std::string& path, const std::string& token,
               const Headers& headers = {})
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const std::size_t colon = address.rfind(':');
    sockaddr_in peer{};
    peer.sin_family = AF_INET;
    peer.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
    ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &peer.sin_addr);
    const timeval patience{20, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&peer), sizeof peer), 0);
    std::string head = "GET " + path + " HTTP/1.1\r\nHost: " + address +
                       "\r\nAuthorization: Bearer " + token + "\r\n";
    for (const http::Header& header : headers) head += header.name + ": " + header.value + "\r\n";
    head += "\r\n";
    EXPECT_EQ(::send(fd_.get(), head.data(), head.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(head.size()));
    while (head_.empty()) {
      const std::size_t end = raw_.find("\r\n\r\n");
      if (end != std::string::npos) {
        head_ = raw_.substr(0, end + 2);
        raw_.erase(0, end + 4);
      } else if (!Fill()) {
        return;
      }
    }
  }

  const std::string& head() const { return head_; }

  // The next block without its empty line; "end" behind the last one, "silence" for 20
  // seconds of nothing.
  std::string Read() {
    for (;;) {
      const std::size_t end = text_.find("\n\n");
      if (end != std::string::npos) {
        std::string block = text_.substr(0, end);
        text_.erase(0, end + 2);
        return block;
      }
      if (!TakeChunk()) return is_over_ ? "end" : "silence";
    }
  }
  // The next block that is an event.
  std::string ReadEvent() {
    for (;;) {
      std::string block = Read();
      if (block.find("event: ") != std::string::npos || block == "end" || block == "silence") {
        return block;
      }
    }
  }

 private:
  bool Fill() {
    char bytes[16384];
    const ssize_t count = ::recv(fd_.get(), bytes, sizeof bytes, 0);
    if (count > 0) raw_.append(bytes, static_cast<std::size_t>(count));
    return count > 0;
  }
  bool TakeChunk() {
    for (;;) {
      const std::size_t line = raw_.find("\r\n");
      if (line != std::string::npos) {
        const std::size_t size = std::stoul(raw_.substr(0, line), nullptr, 16);
        if (raw_.size() >= line + size + 4) {
          text_ += raw_.substr(line + 2, size);
          raw_.erase(0, line + size + 4);
          is_over_ = size == 0;
          return !is_over_;
        }
      }
      if (!Fill()) return false;
    }
  }

  UniqueFd fd_;
  std::string head_;
  std::string raw_;
  std::string text_;
  bool is_over_ = false;
};

std::string IdOf(const std::string& block) {
  const std::size_t begin = block.find("id: ") + 4;
  return block.substr(begin, block.find('\n', begin) - begin);
}

class EventStreamTest : public GatewayTest {
 protected:
  EventStreamTest() {
    EXPECT_TRUE(Eventually([&] {
      return services_.job_events.streams() > 0 && services_.billing_events.streams() > 0 &&
             services_.auth_events.streams() > 0;
    }));
  }
  StreamClient Open(const std::string& query = "", const Headers& headers = {}) {
    StreamClient client(gateway_.address(), kPath + query, user_, headers);
    EXPECT_THAT(client.head(), StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(client.Read(), StartsWith("retry: 2000"));
    return client;
  }
  void Push(const std::string& type, int n) {
    services_.job_events.Push(type, 7, services_.UserId(user_),
                              R"({"n":)" + std::to_string(n) + "}");
  }
  // The figures of the events that `client` is told of up to `last`.
  static std::string FiguresUpTo(StreamClient& client, int last) {
    std::string figures;
    for (;;) {
      const std::string block = client.ReadEvent();
      const std::size_t at = block.find(R"("data":{"n":)");
      if (at == std::string::npos) return figures + block;
      const int figure = std::stoi(block.substr(at + 12));
      figures += std::to_string(figure) + " ";
      if (figure == last) return figures;
    }
  }
};

TEST_F(EventStreamTest, IsAStreamThatNobodyStores) {
  const StreamClient client(gateway_.address(), kPath, user_);
  EXPECT_THAT(client.head(), HasSubstr("Content-Type: text/event-stream\r\n"));
  EXPECT_THAT(client.head(), HasSubstr("Cache-Control: no-store\r\n"));
  EXPECT_THAT(client.head(), HasSubstr("X-Accel-Buffering: no\r\n"));
  EXPECT_THAT(client.head(), HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_THAT(client.head(), HasSubstr("X-Request-ID: "));
  EXPECT_THAT(client.head(), HasSubstr("X-Content-Type-Options: nosniff\r\n"));
}

TEST_F(EventStreamTest, TellsWhatHappensAsTheLiveProtocolDoes) {
  StreamClient client = Open();
  Push("execution.started", 1);
  const std::string block = client.ReadEvent();
  EXPECT_THAT(block, StartsWith("id: "));
  EXPECT_THAT(block, HasSubstr("\nevent: execution.started\n"
                               R"(data: {"type":"event","event":"execution.started",)"
                               R"("data":{"n":1},"id":")" +
                               IdOf(block) + "\""));
}

TEST_F(EventStreamTest, FiltersByPatternTenantAndUser) {
  StreamClient client = Open("?events=execution.*,system.alert");
  Push("instance.created", 1);
  services_.job_events.Push("execution.started", 8, "", R"({"n":2})");
  services_.job_events.Push("execution.started", 7, "other", R"({"n":3})");
  Push("execution.started", 4);
  EXPECT_EQ(FiguresUpTo(client, 4), "4 ");
  EXPECT_EQ(Get(std::string(kPath) + "?events=" + std::string(129, 'x'), user_).status, 400);
}

TEST_F(EventStreamTest, GoesOnWhereTheClientWas) {
  std::string last_id;
  {
    StreamClient client = Open();
    Push("execution.started", 1);
    last_id = IdOf(client.ReadEvent());
  }
  for (int n = 2; n <= 5; ++n) Push("execution.progress", n);
  {
    StreamClient other = Open();  // Everything has come when this one hears the last.
    Push("execution.progress", 6);
    EXPECT_THAT(FiguresUpTo(other, 6), testing::EndsWith("6 "));
  }
  StreamClient by_header = Open("", {{"Last-Event-ID", last_id}});
  StreamClient by_query = Open("?last_event_id=" + last_id);
  Push("execution.completed", 7);
  EXPECT_EQ(FiguresUpTo(by_header, 7), "2 3 4 5 6 7 ");
  EXPECT_EQ(FiguresUpTo(by_query, 7), "2 3 4 5 6 7 ");
}

TEST_F(EventStreamTest, LosesAndRepeatsNothingWhileEventsCome) {
  std::string last_id = IdOf(StreamClient(gateway_.address(), kPath, user_).Read());
  std::thread pushes([&] {
    for (int n = 1; n <= 400; ++n) {
      Push("execution.progress", n);
      if (n % 10 == 0) std::this_thread::yield();
    }
  });
  int expected = 1;
  while (expected <= 400) {
    StreamClient client = Open("", {{"Last-Event-ID", last_id}});
    const int until = std::min(expected + 36, 400);
    for (; expected <= until; ++expected) {
      const std::string block = client.ReadEvent();
      EXPECT_THAT(block, HasSubstr(R"("data":{"n":)" + std::to_string(expected) + "}"));
      last_id = IdOf(block);
    }
  }
  pushes.join();
}

TEST_F(EventStreamTest, BeginsWithAGapWhereNobodyCanTellWhatWasMissed) {
  StreamClient client = Open("", {{"Last-Event-ID", "garbage"}});
  EXPECT_THAT(client.ReadEvent(), HasSubstr(R"("event":"gap","data":{"dropped":null})"));
  Push("execution.started", 1);
  EXPECT_EQ(FiguresUpTo(client, 1), "1 ");
}

TEST_F(EventStreamTest, PassesAGapOfTheHubOn) {
  StreamClient client = Open("?events=execution.*");
  services_.job_events.Forget();
  EXPECT_THAT(client.ReadEvent(), HasSubstr("event: gap\n"));
}

TEST_F(EventStreamTest, CatchesASlowReaderUpFromWhatIsKept) {
  StreamClient slow = Open();
  StreamClient fast = Open();
  const std::string text(30000, 'x');
  for (int n = 1; n <= 300; ++n) {
    services_.job_events.Push("execution.progress", 7, "",
                              R"({"n":)" + std::to_string(n) + R"(,"text":")" + text + R"("})");
  }
  std::string all;
  for (int n = 1; n <= 300; ++n) all += std::to_string(n) + " ";
  EXPECT_EQ(FiguresUpTo(fast, 300), all);
  EXPECT_EQ(FiguresUpTo(slow, 300), all) << "what did not fit the queue is fetched again";
}

TEST_F(EventStreamTest, EndsWithItsCredentialAndSaysSo) {
  StreamClient client = Open();
  auth::v1::ControlUpdate update;
  update.mutable_revocation()->set_token_id(services_.TokenId(user_));
  services_.control.Push(update);
  EXPECT_THAT(client.ReadEvent(), StartsWith("event: error\ndata: {\"code\":4401,"));
  EXPECT_EQ(client.Read(), "end");
}

TEST_F(EventStreamTest, WhatComesWhileItsRightsAreInDoubtIsJudgedByTheNewOnes) {
  StreamClient client(gateway_.address(), kPath, admin_);
  StreamClient other(gateway_.address(), kPath, services_.AddToken("admin", {}));
  EXPECT_THAT(client.Read(), StartsWith("retry: "));
  EXPECT_THAT(other.Read(), StartsWith("retry: "));
  HeldLookUp held(services_, admin_, [](auth::v1::LookupTokenResponse& answer) {
    answer.mutable_principal()->set_role("user");
  });
  ASSERT_TRUE(held.AwaitAsked());
  services_.job_events.Push("execution.started", 8, "", R"({"n":1})");
  services_.job_events.Push("execution.started", 7, "", R"({"n":2})");
  EXPECT_EQ(FiguresUpTo(other, 2), "1 2 ");
  held.Release();
  services_.job_events.Push("execution.started", 7, "", R"({"n":3})");
  EXPECT_EQ(FiguresUpTo(client, 3), "2 3 ");
}

// Throws once, when a worker asks.
class FailingClock final : public Clock {
 public:
  Time Now() const override {
    char thread[16] = "";
    ::pthread_getname_np(::pthread_self(), thread, sizeof thread);
    if (std::string_view(thread).starts_with("http") && fails_.exchange(false)) {
      throw std::runtime_error("no time");
    }
    return system_.Now();
  }
  void Fail() { fails_ = true; }
  bool has_failed() const { return !fails_; }

 private:
  const SystemClock system_;
  mutable std::atomic<bool> fails_{false};
};

TEST_F(EventStreamTest, IsForgottenWhenItBreaksOffByAFaultOfItsOwn) {
  const auto count_open = [] {
    double open = 0;
    for (const metrics::Sample& sample : metrics::Samples("gatehouse_gateway_sockets_open")) {
      open += sample.value;
    }
    return open;
  };
  FailingClock clock;
  Gateway gateway(TestOptions(), TestHotConfig(), services_.Clients(), clock);
  ASSERT_TRUE(gateway.Start().ok());
  ASSERT_TRUE(Eventually([&] { return gateway.Ready().ok(); }));
  StreamClient client(gateway.address(), kPath, user_);
  EXPECT_THAT(client.Read(), StartsWith("retry: "));
  EXPECT_EQ(count_open(), 1);
  clock.Fail();
  EXPECT_EQ(client.Read(), "silence") << "it is broken off, not ended";
  EXPECT_TRUE(clock.has_failed());
  EXPECT_TRUE(Eventually([&] { return count_open() == 0; }));
  Push("execution.started", 1);  // Reaches nobody who is no more.
  StreamClient other(gateway.address(), kPath, user_);
  Push("execution.started", 2);
  EXPECT_THAT(FiguresUpTo(other, 2), EndsWith("2 "));  // The first may still have come.
}

TEST_F(EventStreamTest, CountsAmongTheSocketsOfAUser) {
  SetHot([](HotConfig& hot) { hot.sockets_per_user_max = 1; });
  const StreamClient first = Open();
  EXPECT_EQ(Code(Get(kPath, user_)), "TOO_MANY_SOCKETS");
}

TEST_F(EventStreamTest, HasAHeadWithoutAStream) {
  const Answer head = Send("HEAD", kPath, user_);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.Get("Content-Type"), "text/event-stream");
  EXPECT_EQ(head.body, "");
}

TEST_F(EventStreamTest, EndsInTheDrain) {
  StreamClient client = Open();
  std::thread drain([&] { gateway_.Drain(std::chrono::seconds(10)); });
  EXPECT_EQ(client.Read(), "end");
  drain.join();
}

}  // namespace
}  // namespace gatehouse::gateway
