// Streamed exchanges: the request's side, and their beginning.
#include "libs/http/stream.h"

#include <gmock/gmock.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <atomic>
#include <future>
#include <thread>

#include "libs/http/stream_case.h"

namespace gatehouse::http {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr milliseconds kShort{150};

std::string Letters(std::size_t count) {
  std::string text(count, ' ');
  for (std::size_t i = 0; i < count; ++i) text[i] = static_cast<char>('a' + i % 26);
  return text;
}

std::string Hex(std::size_t number) {
  char text[20];
  std::snprintf(text, sizeof text, "%zx", number);
  return text;
}

// In chunks of growing odd sizes.
std::string Chunked(std::string_view body) {
  std::string text;
  for (std::size_t size = 1; !body.empty(); size = size * 3 + 1) {
    const std::string_view part = body.substr(0, size);
    text += Hex(part.size()) + ";x=y\r\n" + std::string(part) + "\r\n";
    body.remove_prefix(part.size());
  }
  return text + "0\r\nTrailer: dropped\r\n\r\n";
}

void SendInOddCuts(RawClient* client, std::string_view text) {
  for (std::size_t size = 1; !text.empty(); size = size * 2 + 1) {
    ASSERT_TRUE(client->Send(text.substr(0, size)));
    text.remove_prefix(std::min(size, text.size()));
  }
}

bool IsReadable(const RawClient& client) {
  int count = 0;
  return ::ioctl(client.fd(), FIONREAD, &count) != 0 || count > 0;
}

TEST(StreamedBodyTest, WithALengthArrivesInOddCuts) {
  StreamServer server(ReadsAndAnswers());
  RawClient client(server.address());
  const std::string body = Letters(300000);
  client.Send(Post("/up", "Content-Length: 300000\r\n"));
  const auto owner = server.Take();
  EXPECT_TRUE(owner->exchange().request().body_follows);
  EXPECT_EQ(owner->exchange().request().body_length, 300000u);
  SendInOddCuts(&client, body);
  EXPECT_EQ(client.Read().body, "done");
  const Events events = owner->events();
  EXPECT_EQ(events.body, body);
  EXPECT_EQ(events.last, 1);
  EXPECT_GT(events.parts, 2);
  EXPECT_EQ(events.closed, 0);
}

TEST(StreamedBodyTest, InChunksArrivesInOddCuts) {
  StreamServer server(ReadsAndAnswers());
  RawClient client(server.address());
  const std::string body = Letters(300000);
  SendInOddCuts(&client, Post("/up", "Transfer-Encoding: chunked\r\n", Chunked(body)));
  EXPECT_EQ(client.Read().body, "done");
  const auto owner = server.Take();
  EXPECT_TRUE(owner->exchange().request().body_follows);
  EXPECT_FALSE(owner->exchange().request().body_length.has_value());
  EXPECT_EQ(owner->events().body, body);
  EXPECT_EQ(owner->events().last, 1);
}

TEST(StreamedBodyTest, WithTheHeadIsDeliveredAtOnceAndTheNextRequestWaits) {
  StreamServer server(ReadsAndAnswers());
  RawClient client(server.address());
  client.Send(Post("/one", "Content-Length: 3\r\n", "abc") +
              Post("/two", "Transfer-Encoding: chunked\r\n", Chunked("defg")) + Get("/plain"));
  EXPECT_EQ(client.Read().body, "done");
  EXPECT_EQ(client.Read().body, "done");
  EXPECT_EQ(client.Read().body, "/plain");
  EXPECT_EQ(server.Take()->events().body, "abc");
  EXPECT_EQ(server.Take()->events().body, "defg");
}

TEST(StreamedBodyTest, ThatIsNoneIsDoneFromTheBeginning) {
  for (const char* lines : {"", "Content-Length: 0\r\n"}) {
    std::atomic<bool> was_done = false;
    Script script;
    script.opened = [&](ScriptedOwner& owner) {
      was_done = owner.stream->body_done();
      owner.stream->ReadBody();
      owner.stream->BeginReply({204, "", {}});
      owner.stream->End();
    };
    StreamServer server(script);
    RawClient client(server.address());
    client.Send(Post("/", lines));
    EXPECT_EQ(client.Read().status, 204);
    EXPECT_TRUE(was_done);
    EXPECT_EQ(server.Take()->events().parts, 0);
  }
}

TEST(StreamedBodyTest, NobodyReadsStaysWithTheClient) {
  constexpr std::size_t kSize = 8 << 20;
  for (const bool is_chunked : {false, true}) {
    ServerOptions options;
    options.body_bytes_max = kSize;
    Script script;
    script.body = ReadsAndAnswers().body;
    StreamServer server(script, options);
    RawClient client(server.address());
    const std::string body = Letters(kSize);
    client.Send(is_chunked ? Post("/", "Transfer-Encoding: chunked\r\n")
                           : Post("/", "Content-Length: 8388608\r\n"));
    const auto owner = server.Take();
    const int servers_end = ServersEnd(client);
    ASSERT_GE(servers_end, 0);
    std::atomic<std::size_t> sent = 0;
    std::thread sender([&, text = is_chunked ? Chunked(body) : body] {
      for (std::size_t at = 0; at < text.size(); at += 65536) {
        const std::string_view part = std::string_view(text).substr(at, 65536);
        if (!client.Send(part)) return;
        sent += part.size();
      }
    });
    // What has left the client and is in no buffer of the kernel was read.
    const auto count_read = [&] {
      int unsent = 0, unread = 0;
      const std::size_t before = sent;
      ::ioctl(client.fd(), SIOCOUTQ, &unsent);
      ::ioctl(servers_end, FIONREAD, &unread);
      return before - std::min(before, static_cast<std::size_t>(unsent + unread));
    };
    EXPECT_TRUE(Eventually([&] { return sent > 200000; }));
    for (int i = 0; i < 20; ++i) {
      server.OnWorker(owner, [] {});
      EXPECT_LE(count_read(), 64u * 1024);
    }
    EXPECT_EQ(owner->events().parts, 0);
    server.OnWorker(owner, [&] { owner->stream->ReadBody(); });
    sender.join();
    EXPECT_EQ(client.Read().body, "done");
    EXPECT_EQ(owner->events().body, body);
  }
}

TEST(StreamedBodyTest, StopsInTheMiddleWhenItIsPaused) {
  Script script = ReadsAndAnswers();
  script.body = [answer = script.body](ScriptedOwner& owner, std::string_view bytes, bool is_last) {
    owner.stream->PauseBody();
    answer(owner, bytes, is_last);
  };
  StreamServer server(script);
  RawClient client(server.address());
  const std::string body = Letters(200000);
  client.Send(Post("/", "Transfer-Encoding: chunked\r\n", Chunked(body)));
  const auto owner = server.Take();
  std::size_t before = 0;
  for (int parts = 1; owner->events().last == 0; ++parts) {
    ASSERT_TRUE(Eventually([&] { return owner->events().parts == parts; }));
    server.OnWorker(owner, [] {});
    EXPECT_EQ(owner->events().parts, parts) << "none behind PauseBody";
    EXPECT_LE(owner->events().body.size() - before, 64u * 1024);
    before = owner->events().body.size();
    server.OnWorker(owner, [&] {
      if (owner->events().last == 0) owner->stream->ReadBody();
    });
  }
  EXPECT_EQ(owner->events().body, body);
  EXPECT_EQ(client.Read().body, "done");
}

TEST(StreamedBodyTest, TooLargeIsRefusedInTheMiddle) {
  ServerOptions options;
  options.body_bytes_max = 1000;
  StreamServer server(ReadsAndAnswers(), options);
  RawClient client(server.address());
  client.Send(Post("/", "Transfer-Encoding: chunked\r\n", "3e8\r\n" + Letters(1000) + "\r\n"));
  const auto owner = server.Take();
  ASSERT_TRUE(Eventually([&] { return owner->events().body.size() == 1000; }));
  client.Send("1\r\nx\r\n0\r\n\r\n" + Get("/plain"));
  const auto received = client.Read();
  EXPECT_EQ(received.status, 413);
  EXPECT_EQ(received.Header("Connection"), "close");
  EXPECT_TRUE(client.AwaitEnd());
  EXPECT_EQ(owner->events().last, 0);
  EXPECT_THAT(server.TakeExecuted(), ElementsAre("/"));
}

TEST(StreamedBodyTest, AnnouncedTooLargeReachesNoHandler) {
  ServerOptions options;
  options.body_bytes_max = 1000;
  StreamServer server(ReadsAndAnswers(), options);
  RawClient client(server.address());
  client.Send(Post("/", "Expect: 100-continue\r\nContent-Length: 1001\r\n"));
  EXPECT_EQ(client.Read().status, 413);
  EXPECT_TRUE(client.AwaitEnd());
  EXPECT_THAT(server.TakeExecuted(), ElementsAre());
}

TEST(StreamedBodyTest, WithBrokenFramingIsRefused) {
  const std::pair<std::string, int> cases[] = {
      {"3\r\nabcd\r\n", 400},
      {"zz\r\n", 400},
      {"1\r\na\r\n0\r\nX: " + std::string(5000, 'x') + "\r\n\r\n", 431},
  };
  for (const auto& [body, status] : cases) {
    StreamServer server(ReadsAndAnswers());
    RawClient client(server.address());
    client.Send(Post("/", "Transfer-Encoding: chunked\r\n", body));
    EXPECT_EQ(client.Read().status, status) << body;
    EXPECT_TRUE(client.AwaitEnd());
    EXPECT_EQ(server.Take()->events().refused, status);
  }
}

TEST(StreamedBodyTest, ThatDoesNotComeIs408ButOnlyWhileItIsRead) {
  ServerOptions options;
  options.body_timeout = kShort;
  Script script = ReadsAndAnswers();
  script.opened = nullptr;
  StreamServer server(script, options);
  RawClient client(server.address());
  client.Send(Post("/", "Content-Length: 10\r\n", "abc"));
  const auto owner = server.Take();
  ASSERT_TRUE(Eventually([&] { return owner->events().ticks >= 2; }));
  EXPECT_EQ(owner->events().refused, 0) << "500 ms";
  server.OnWorker(owner, [&] { owner->stream->ReadBody(); });
  EXPECT_EQ(client.Read().status, 408);
  EXPECT_TRUE(client.AwaitEnd());
  EXPECT_EQ(owner->events().body, "abc");
}

TEST(StreamedBodyTest, WhoseTimeEndsTogetherWithItsReplyIsAnsweredOnce) {
  ServerOptions options;
  options.workers = 1;
  options.body_timeout = kShort;
  StreamServer server(Script{}, options);
  RawClient client(server.address());
  client.Send(Post("/", "Content-Length: 10\r\n", "abc"));
  const auto owner = server.Take();
  server.OnWorker(owner, [&] { owner->stream->ReadBody(); });
  const auto late = std::chrono::steady_clock::now() + kShort + milliseconds(10);
  std::promise<void> held, go_on;
  server.server().Post(0, [&] {
    held.set_value();
    go_on.get_future().wait();
  });
  held.get_future().wait();
  // This and the deadline come in one batch of events, in this order.
  server.server().Post(0, [&] {
    owner->stream->BeginReply({401, "", 2});
    owner->stream->Write("no");
    owner->stream->End();
  });
  EXPECT_TRUE(Eventually([&] { return std::chrono::steady_clock::now() > late; }));
  go_on.set_value();
  EXPECT_THAT(ReadToEnd(&client).bytes, EndsWith("\r\n\r\nno"));
}

TEST(StreamedBodyTest, IsAskedForWith100OnlyWhenItIsRead) {
  StreamServer server(Script{});
  RawClient client(server.address());
  client.Send(Post("/", "Expect: 100-continue\r\nContent-Length: 3\r\n"));
  const auto owner = server.Take();
  server.OnWorker(owner, [] {});
  EXPECT_FALSE(IsReadable(client));
  server.OnWorker(owner, [&] {
    owner->stream->ReadBody();
    owner->stream->PauseBody();
    owner->stream->ReadBody();
  });
  EXPECT_EQ(client.Read().status, 100);
  client.Send("abc");
  ASSERT_TRUE(Eventually([&] { return owner->events().last == 1; }));
  server.OnWorker(owner, [&] {
    owner->stream->BeginReply({200, "", 2});
    owner->stream->Write("ok");
    owner->stream->End();
  });
  EXPECT_EQ(client.Read().status, 200);
  client.Send(Get("/plain"));
  EXPECT_EQ(client.Read().body, "/plain");
}

TEST(StreamedBodyTest, ThatHasBegunIsNotAskedFor) {
  StreamServer server(ReadsAndAnswers());
  RawClient client(server.address());
  client.Send(Post("/", "Expect: 100-continue\r\nContent-Length: 3\r\n", "a"));
  client.Send("bc");
  EXPECT_EQ(client.Read().status, 200);
}

TEST(StreamedBodyTest, ThatIsRefusedIsNeitherAskedForNorTakenForARequest) {
  StreamServer server(ReadsAndAnswers());
  RawClient asking(server.address());
  asking.Send(Post("/refused", "Expect: 100-continue\r\nContent-Length: 300\r\n"));
  const auto received = asking.Read();
  EXPECT_EQ(received.status, 403);
  EXPECT_EQ(received.Header("Connection"), "close");
  EXPECT_TRUE(asking.AwaitEnd());

  RawClient smuggling(server.address());
  const std::string body = Get("/plain/smuggled");
  smuggling.Send(Post("/refused", "Content-Length: " + std::to_string(body.size()) + "\r\n", body) +
                 Get("/plain/pipelined"));
  EXPECT_EQ(smuggling.Read().status, 403);
  EXPECT_TRUE(smuggling.AwaitEnd());
  EXPECT_THAT(server.TakeExecuted(), ElementsAre("/refused", "/refused"));
}

TEST(StreamedBodyTest, ThatIsAnsweredBeforeItsEndClosesTheConnection) {
  Script script;
  script.opened = [](ScriptedOwner& owner) { owner.stream->ReadBody(); };
  script.body = [](ScriptedOwner& owner, std::string_view, bool) {
    owner.stream->BeginReply({401, "", 2});
    owner.stream->Write("no");
    owner.stream->End();
  };
  StreamServer server(script);
  RawClient client(server.address());
  client.Send(Post("/", "Content-Length: 1000000\r\n", Letters(500000)));
  const auto received = client.Read();
  EXPECT_EQ(received.status, 401);
  EXPECT_EQ(received.Header("Connection"), "close");
  client.Send(Get("/plain"));
  EXPECT_TRUE(client.AwaitEnd());
  EXPECT_EQ(server.Take()->events().parts, 1) << "nothing behind End";
}

TEST(StreamedBodyTest, ReadWholeByThePlanComesWithTheRequest) {
  ServerOptions options;
  std::atomic<int> asked = 0;
  options.body_plan = [&](const Request& head) {
    ++asked;
    return BodyPlan{head.path == "/small" ? 4u : 100u, false};
  };
  StreamServer server(ReadsAndAnswers(), options);
  RawClient client(server.address());
  client.Send(Get("/plain"));
  EXPECT_EQ(client.Read().status, 200);
  EXPECT_EQ(asked, 0) << "no body, no question";
  client.Send(Post("/plain", "Content-Length: 5\r\n", "12345"));
  EXPECT_EQ(client.Read().status, 200);
  client.Send(Post("/small", "Transfer-Encoding: chunked\r\n", Chunked("12345")));
  EXPECT_EQ(client.Read().status, 413);
  EXPECT_EQ(asked, 2);
}

TEST(StreamedBodyTest, CutOffByItsClientClosesTheStreamOnce) {
  for (const bool resets : {false, true}) {
    StreamServer server(ReadsAndAnswers());
    RawClient client(server.address());
    client.Send(Post("/", "Content-Length: 10\r\n", "abc"));
    const auto owner = server.Take();
    ASSERT_TRUE(Eventually([&] { return owner->events().body == "abc"; }));
    resets ? client.Reset() : client.ShutDown();
    EXPECT_TRUE(Eventually([&] { return owner->events().closed == 1; }));
    EXPECT_TRUE(Eventually([&] { return server.server().stats().connections_open == 0; }));
    EXPECT_EQ(owner->events().last, 0);
    EXPECT_EQ(owner->events().closed, 1);
  }
}

TEST(StreamedBodyTest, PausedAndAbandonedIsNoticed) {
  StreamServer server(Script{});
  RawClient client(server.address());
  client.Send(Post("/", "Content-Length: 1000000\r\n", Letters(100000)));
  const auto owner = server.Take();
  client.Reset();
  EXPECT_TRUE(Eventually([&] { return owner->events().closed == 1; }));
}

TEST(StreamedBodyTest, OfAClientThatEndsItsSideIsReadToItsEnd) {
  Script script;
  script.opened = [](ScriptedOwner& owner) { owner.stream->ReadBody(); };
  StreamServer server(script);
  RawClient client(server.address());
  client.Send(Post("/", "Content-Length: 3\r\n", "abc"));
  client.ShutDown();
  const auto owner = server.Take();
  EXPECT_TRUE(Eventually([&] { return owner->events().closed == 1; }));
  EXPECT_EQ(owner->events().body, "abc");
  EXPECT_EQ(owner->events().last, 1);
}

TEST(StreamTest, IsOpenedOnceAndNotBehindAReply) {
  std::atomic<int> opened = 0, missed = 0, abandoned = 0;
  ServerOptions options;
  options.address = "127.0.0.1:0";
  auto server = Server::Start(options, [&](std::shared_ptr<Exchange> exchange) {
    const auto owner = std::make_shared<ScriptedOwner>(ReadsAndAnswers(), exchange);
    exchange->OnGone([&] { ++abandoned; });
    if (exchange->request().path == "/replied") {
      exchange->Reply({200, {}, "first"});
      missed += exchange->OpenStream(owner) == nullptr ? 1 : 0;
      return;
    }
    // From outside the handler, as after a call to another service.
    exchange->Post([&, exchange, owner] {
      owner->stream = exchange->OpenStream(owner);
      opened += owner->stream != nullptr ? 1 : 0;
      missed += exchange->OpenStream(owner) == nullptr ? 1 : 0;
      exchange->Reply({500, {}, "too late"});
      owner->stream->BeginReply({200, "", 6});
      owner->stream->Write("stream");
      owner->stream->End();
    });
  });
  ASSERT_TRUE(server.ok());
  RawClient client((*server)->address());
  client.Send(Get("/replied") + Get("/streamed") + Get("/streamed"));
  EXPECT_EQ(client.Read().body, "first");
  EXPECT_EQ(client.Read().body, "stream");
  EXPECT_EQ(client.Read().body, "stream");
  client.ShutDown();
  EXPECT_TRUE(client.AwaitEnd());
  EXPECT_EQ(opened, 2);
  EXPECT_EQ(missed, 3);
  EXPECT_EQ(abandoned, 0);
}

TEST(StreamTest, WorkIsPostedToTheWorkerThatIsNamed) {
  std::mutex mutex;
  std::vector<std::thread::id> threads(3);
  std::atomic<int> wrong = 0, count = 0;
  ServerOptions options;
  options.address = "127.0.0.1:0";
  options.workers = 3;
  auto server = Server::Start(options, [&](std::shared_ptr<Exchange> exchange) {
    std::lock_guard<std::mutex> lock(mutex);
    wrong += threads.at(exchange->worker()) == std::this_thread::get_id() ? 0 : 1;
    exchange->Reply(Response());
  });
  ASSERT_TRUE(server.ok());
  ASSERT_EQ((*server)->workers(), 3);
  for (int worker = 0; worker < 3; ++worker) {
    (*server)->Post(worker, [&, worker] {
      std::lock_guard<std::mutex> lock(mutex);
      threads.at(worker) = std::this_thread::get_id();
      ++count;
    });
  }
  ASSERT_TRUE(Eventually([&] { return count == 3; }));
  for (int i = 0; i < 20; ++i) {
    RawClient client((*server)->address());
    client.Send(Get("/"));
    EXPECT_EQ(client.Read().status, 200);
  }
  EXPECT_EQ(wrong, 0);
  (*server)->Drain(milliseconds(0));
  (*server)->Post(0, [] { FAIL() << "after the end"; });
}

}  // namespace
}  // namespace gatehouse::http
