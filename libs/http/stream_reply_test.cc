// Streamed exchanges: the reply's side, upgrades, and their ends.
#include <gmock/gmock.h>

#include <atomic>
#include <stdexcept>
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

// Replies with `head` and `parts` at once.
Script Says(ReplyHead head, std::vector<std::string> parts) {
  Script script;
  script.opened = [head, parts](ScriptedOwner& owner) {
    owner.stream->BeginReply(head);
    for (const std::string& part : parts) owner.stream->Write(part);
    owner.stream->End();
  };
  return script;
}

std::string Letters100K() {
  std::string text(100000, ' ');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 26);
  return text;
}

std::string RequestLine(const char* method, const char* version) {
  return std::string(method) + " / HTTP/" + version + "\r\nHost: a\r\n\r\n";
}

std::size_t CountOf(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(StreamedReplyTest, OfUnknownLengthIsChunked) {
  StreamServer server(
      Says({200, "Content-Type: text/x\r\n", {}}, {"hello", std::string(20000, 'x'), "", "end"}));
  RawClient client(server.address());
  client.Send(RequestLine("GET", "1.1"));
  const std::string text = ReadUntil(&client, "0\r\n\r\n");
  EXPECT_THAT(text, StartsWith("HTTP/1.1 200 OK\r\nDate: "));
  EXPECT_THAT(text, HasSubstr("Content-Type: text/x\r\nTransfer-Encoding: chunked\r\n\r\n"));
  EXPECT_THAT(text, EndsWith("\r\n\r\n5\r\nhello\r\n4e20\r\n" + std::string(20000, 'x') +
                             "\r\n3\r\nend\r\n0\r\n\r\n"));
  EXPECT_THAT(text, Not(HasSubstr("Connection:")));
  client.Send(Get("/plain"));
  EXPECT_EQ(client.Read().body, "/plain");
}

TEST(StreamedReplyTest, OfKnownLengthIsCounted) {
  StreamServer server(
      Says({201, "date: Tue, 01 Jan 2030 00:00:00 GMT\r\n", 100003}, {"abc", Letters100K()}));
  RawClient client(server.address());
  client.Send(RequestLine("GET", "1.1") + Get("/plain"));
  const auto received = client.Read();
  EXPECT_EQ(received.status, 201);
  EXPECT_EQ(received.body, "abc" + Letters100K());
  EXPECT_EQ(received.Header("Content-Length"), "100003");
  EXPECT_EQ(CountOf(received.head, "ate: "), 1u) << "its own";
  EXPECT_EQ(client.Read().body, "/plain");
}

TEST(StreamedReplyTest, WithoutABodySendsNone) {
  struct Case {
    const char* method;
    ReplyHead head;
    const char* length;
  };
  const Case cases[] = {
      {"HEAD", {200, "", 5}, "5"}, {"HEAD", {200, "", {}}, ""}, {"GET", {304, "", 5}, "5"},
      {"GET", {204, "", 5}, ""},   {"GET", {304, "", {}}, ""},  {"GET", {204, "", {}}, ""},
  };
  for (const Case& one : cases) {
    StreamServer server(Says(one.head, {"hello"}));
    RawClient client(server.address());
    client.Send(RequestLine(one.method, "1.1") + Get("/plain"));
    const auto received = client.Read(true);
    EXPECT_EQ(received.status, one.head.status);
    EXPECT_EQ(received.Header("Content-Length"), one.length);
    EXPECT_EQ(received.Header("Transfer-Encoding"), "");
    EXPECT_EQ(client.Read().body, "/plain") << one.method << one.head.status;
  }
}

TEST(StreamedReplyTest, ToHttp10EndsWithTheConnectionOrItsLength) {
  StreamServer unknown(Says({200, "", {}}, {"hello", "end"}));
  RawClient first(unknown.address());
  first.Send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
  const Ending ending = ReadToEnd(&first);
  EXPECT_THAT(ending.bytes, EndsWith("Connection: close\r\n\r\nhelloend"));
  EXPECT_THAT(ending.bytes, Not(HasSubstr("chunked")));
  EXPECT_FALSE(ending.was_reset);

  StreamServer known(Says({200, "", 5}, {"hello"}));
  RawClient second(known.address());
  second.Send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n" + Get("/plain"));
  const auto received = second.Read();
  EXPECT_EQ(received.body, "hello");
  EXPECT_EQ(received.Header("Connection"), "keep-alive");
  EXPECT_EQ(second.Read().body, "/plain");
}

TEST(StreamedReplyTest, ClosesWhereTheRequestSaysSo) {
  StreamServer server(Says({200, "", {}}, {"hello"}));
  RawClient client(server.address());
  client.Send(Get("/", "Connection: close\r\n") + Get("/plain"));
  const Ending ending = ReadToEnd(&client);
  EXPECT_THAT(ending.bytes, HasSubstr("Connection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
  EXPECT_THAT(server.TakeExecuted(), ElementsAre("/"));
}

TEST(StreamedReplyTest, GoesOutPieceByPiece) {
  Script script;
  script.opened = [](ScriptedOwner& owner) { owner.stream->BeginReply({200, "", {}}); };
  StreamServer server(script);
  RawClient client(server.address());
  client.Send(Get("/") + Get("/plain"));
  const auto owner = server.Take();
  EXPECT_THAT(ReadUntil(&client, "\r\n\r\n"), HasSubstr("chunked")) << "the head alone";
  server.OnWorker(owner, [&] { owner->stream->Write("one"); });
  EXPECT_EQ(ReadUntil(&client, "one\r\n"), "3\r\none\r\n");
  server.OnWorker(owner, [&] {
    EXPECT_TRUE(owner->stream->has_begun());
    EXPECT_EQ(owner->stream->queued(), 0u);
    owner->stream->End();
  });
  EXPECT_THAT(ReadUntil(&client, "/plain"), StartsWith("0\r\n\r\nHTTP/1.1 200"));
}

TEST(StreamedReplyTest, ToASlowReaderIsQueuedAndOnWritableTellsOfRoom) {
  constexpr int kParts = 200;
  const std::string part(64 * 1024, 'x');
  std::atomic<std::size_t> written = 0, most = 0;
  Script script;
  script.opened = [&](ScriptedOwner& owner) {
    if (!owner.stream->has_begun()) owner.stream->BeginReply({200, "", kParts * part.size()});
    while (owner.stream->queued() <= Stream::kHighBytes && written < kParts) {
      owner.stream->Write(part);
      ++written;
    }
    most = std::max<std::size_t>(most, owner.stream->queued());
    if (written == kParts) owner.stream->End();
  };
  script.writable = [&, fill = script.opened](ScriptedOwner& owner) {
    EXPECT_LT(owner.stream->queued(), Stream::kLowBytes);
    fill(owner);
  };
  StreamServer server(script);
  RawClient client(server.address(), 4096);
  client.Send(Get("/"));
  const auto owner = server.Take();
  server.OnWorker(owner, [] {});
  EXPECT_LT(written, kParts);
  EXPECT_EQ(client.Read().body.size(), kParts * part.size());
  EXPECT_LE(most, Stream::kHighBytes + part.size());
  EXPECT_GT(owner->events().writable, 1);
  client.Send(Get("/plain"));
  EXPECT_EQ(client.Read().body, "/plain");
}

TEST(StreamedReplyTest, WhoseHeadFillsTheQueueIsToldOfRoomToo) {
  Script script;
  script.opened = [](ScriptedOwner& owner) {
    owner.stream->BeginReply({200, "X: " + std::string(2 * Stream::kHighBytes, 'x') + "\r\n", {}});
    EXPECT_GT(owner.stream->queued(), Stream::kHighBytes);
  };
  script.writable = [](ScriptedOwner& owner) { owner.stream->End(); };
  StreamServer server(script);
  RawClient client(server.address());
  client.Send(Get("/"));
  EXPECT_THAT(ReadUntil(&client, "0\r\n\r\n"), EndsWith("\r\n\r\n0\r\n\r\n"));
}

TEST(StreamedReplyTest, ToAClientThatDoesNotReadIsGivenUp) {
  ServerOptions options;
  options.write_timeout = milliseconds(200);
  Script script;
  script.opened = [](ScriptedOwner& owner) {
    owner.stream->BeginReply({200, "", {}});
    owner.stream->Write(std::string(30000000, 'x'));
  };
  StreamServer server(script, options);
  RawClient client(server.address(), 4096);
  client.Send(Get("/"));
  const auto owner = server.Take();
  EXPECT_TRUE(Eventually([&] { return owner->events().closed == 1; }));
}

TEST(StreamedReplyTest, ThatIsBrokenOffIsNoticed) {
  struct Case {
    const char* version;
    std::optional<std::uint64_t> length;
    bool is_reset;
  };
  for (const Case& one : {Case{"1.1", {}, false}, Case{"1.1", 10, false}, Case{"1.0", {}, true}}) {
    Script script;
    script.opened = [&](ScriptedOwner& owner) {
      owner.stream->BeginReply({200, "", one.length});
      owner.stream->Write("hello");
    };
    StreamServer server(script);
    RawClient client(server.address());
    client.Send(RequestLine("GET", one.version));
    const auto owner = server.Take();
    EXPECT_THAT(ReadUntil(&client, "hello"), HasSubstr("hello"));
    server.OnWorker(owner, [&] { std::exchange(owner->stream, nullptr)->Abort(); });
    const Ending ending = ReadToEnd(&client);
    EXPECT_THAT(ending.bytes, Not(HasSubstr("0\r\n")));
    EXPECT_EQ(ending.was_reset, one.is_reset) << one.version;
    EXPECT_EQ(owner->events().closed, 0) << "not after Abort";
  }
}

TEST(StreamedReplyTest, WithMistakesIsBrokenOff) {
  const std::vector<std::function<void(Stream*)>> mistakes = {
      [](Stream* stream) { stream->End(); },
      [](Stream* stream) { stream->Write("no head"); },
      [](Stream* stream) {
        stream->BeginReply({100, "", {}});
      },
      [](Stream* stream) {
        stream->BeginReply({200, "A: b\r\n\r\nC: d\r\n", {}});
      },
      [](Stream* stream) {
        stream->BeginReply({200, "A: b\n", {}});
      },
      [](Stream* stream) {
        stream->BeginReply({200, "A: b", {}});
      },
      [](Stream* stream) {
        stream->BeginReply({200, "A: b\rC: d\r\n", {}});
      },
      [](Stream* stream) {
        stream->BeginReply({200, "", 3});
        stream->Write("four");
      },
      [](Stream* stream) {
        stream->BeginReply({200, "", 3});
        stream->Write("tw");
        stream->End();
      },
      [](Stream* stream) {
        stream->BeginReply({200, "", {}});
        stream->BeginReply({200, "", {}});
      },
      [](Stream*) { throw std::runtime_error("an owner's own"); },
  };
  for (std::size_t i = 0; i < mistakes.size(); ++i) {
    Script script;
    script.opened = [](ScriptedOwner& owner) { owner.stream->ReadBody(); };
    script.body = [&](ScriptedOwner& owner, std::string_view, bool) {
      Stream* stream = owner.stream;
      mistakes[i](stream);
      stream->End();  // Goes nowhere.
    };
    StreamServer server(script);
    RawClient client(server.address());
    client.Send(Post("/", "Content-Length: 1\r\n", "x") + Get("/plain"));
    EXPECT_EQ(ReadToEnd(&client).bytes, "") << i;
    EXPECT_THAT(server.TakeExecuted(), ElementsAre("/"));
  }
}

Script Upgrades() {
  Script script;
  script.opened = [](ScriptedOwner& owner) {
    owner.stream->Upgrade("Connection: Upgrade\r\nUpgrade: echo\r\n");
    owner.stream->Write("welcome;");
    owner.stream->ReadBody();
  };
  script.body = [](ScriptedOwner& owner, std::string_view bytes, bool is_last) {
    owner.stream->Write(std::string(bytes));
    if (!is_last) return;
    owner.stream->Write("bye");
    owner.stream->End();
  };
  return script;
}

TEST(UpgradeTest, TurnsTheConnectionOverWithWhatWasSentEarly) {
  StreamServer server(Upgrades());
  RawClient client(server.address());
  client.Send(Get("/", "Connection: Upgrade\r\nUpgrade: echo\r\n") + Get("/plain"));
  std::string text = ReadUntil(&client, "\r\n\r\nwelcome;" + Get("/plain"));
  EXPECT_THAT(text, StartsWith("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"));
  client.Send("more");
  EXPECT_EQ(ReadUntil(&client, "more"), "more");
  client.ShutDown();
  const Ending ending = ReadToEnd(&client);
  EXPECT_EQ(ending.bytes, "bye") << "a half-closed client still hears";
  EXPECT_FALSE(ending.was_reset);
  EXPECT_THAT(server.TakeExecuted(), ElementsAre("/"));
  const auto owner = server.Take();
  EXPECT_EQ(owner->events().last, 1);
  EXPECT_EQ(owner->events().closed, 0);
}

TEST(UpgradeTest, EndsBehindWhatIsQueuedThoughTheClientGoesOnSending) {
  Script script = Upgrades();
  script.body = [](ScriptedOwner& owner, std::string_view, bool) {
    owner.stream->Write(std::string(3000000, 'x'));
    owner.stream->End();
  };
  StreamServer server(script);
  RawClient client(server.address(), 4096);
  client.Send(Get("/"));
  ReadUntil(&client, "welcome;");
  client.Send("go");
  client.Send(std::string(100000, 'y'));
  const Ending ending = ReadToEnd(&client);
  EXPECT_EQ(ending.bytes.size(), 3000000u);
  EXPECT_FALSE(ending.was_reset);
}

TEST(UpgradeTest, IsPausedAndAClientThatBreaksOffIsNoticed) {
  Script script = Upgrades();
  script.body = [](ScriptedOwner& owner, std::string_view, bool) { owner.stream->PauseBody(); };
  StreamServer server(script);
  RawClient client(server.address());
  client.Send(Get("/"));
  ReadUntil(&client, "welcome;");
  client.Send("one");
  const auto owner = server.Take();
  ASSERT_TRUE(Eventually([&] { return owner->events().body == "one"; }));
  client.Send("two");
  server.OnWorker(owner, [] {});
  EXPECT_EQ(owner->events().body, "one");
  server.OnWorker(owner, [&] { owner->stream->ReadBody(); });
  EXPECT_TRUE(Eventually([&] { return owner->events().body == "onetwo"; }));
  client.Reset();
  EXPECT_TRUE(Eventually([&] { return owner->events().closed == 1; }));
}

TEST(StreamEndTest, AClientThatLeavesIsToldOfOnce) {
  for (const bool resets : {false, true}) {
    Script script;
    script.opened = [](ScriptedOwner& owner) { owner.stream->BeginReply({200, "", {}}); };
    StreamServer server(script);
    RawClient client(server.address());
    client.Send(Get("/"));
    ReadUntil(&client, "\r\n\r\n");
    const auto owner = server.Take();
    resets ? client.Reset() : client.ShutDown();
    EXPECT_TRUE(Eventually([&] { return owner->events().closed == 1; }));
    EXPECT_TRUE(Eventually([&] { return server.server().stats().connections_open == 0; }));
    EXPECT_EQ(owner->events().closed, 1);
  }
}

TEST(StreamEndTest, TheOwnerIsLetGo) {
  for (const char* method : {"GET", "HEAD"}) {
    StreamServer server(Says({200, "", 5}, {"hello"}));
    RawClient client(server.address());
    client.Send(RequestLine(method, "1.1"));
    std::weak_ptr<ScriptedOwner> owner = server.Take();
    client.Read(true);
    EXPECT_TRUE(Eventually([&] { return owner.expired(); }));
  }
}

TEST(StreamEndTest, TicksComeAndTheOwnerMayEndInOne) {
  Script script;
  script.opened = [](ScriptedOwner& owner) { owner.stream->BeginReply({200, "", {}}); };
  script.tick = [](ScriptedOwner& owner) {
    if (owner.events().ticks < 2) return;
    if (owner.exchange().request().path == "/abort") return owner.stream->Abort();
    owner.stream->Write("tick");
    owner.stream->End();
  };
  ServerOptions options;
  options.workers = 1;  // Several on one list.
  StreamServer server(script, options);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (const char* target : {"/end", "/abort", "/end", "/abort", "/end"}) {
    clients.push_back(std::make_unique<RawClient>(server.address()));
    clients.back()->Send(Get(target));
    server.Take();
  }
  for (std::size_t i = 0; i < clients.size(); ++i) {
    const std::string text = ReadUntil(clients[i].get(), "0\r\n\r\n");
    EXPECT_THAT(text, i % 2 == 0 ? EndsWith("4\r\ntick\r\n0\r\n\r\n") : EndsWith("\r\n\r\n"));
  }
}

TEST(StreamEndTest, AnOwnerMayEndAnothersStream) {
  StreamServer server(Script{});
  RawClient one(server.address());
  one.Send(Get("/"));
  const auto first = server.Take();
  server.OnWorker(first, [&] {
    first->stream->BeginReply({200, "", 3});
    first->stream->Write("one");
    first->stream->End();
    first->stream->End();
    first->stream->Abort();
    EXPECT_EQ(first->stream->queued(), 0u);
  });
  EXPECT_EQ(one.Read().body, "one") << "Abort after End does nothing";
}

TEST(StreamEndTest, ADrainLetsStreamsEnd) {
  Script script;
  script.opened = [](ScriptedOwner& owner) { owner.stream->BeginReply({200, "", {}}); };
  script.drain = [](ScriptedOwner& owner) {
    owner.stream->Write("last words");
    owner.stream->End();
  };
  StreamServer server(script);
  RawClient client(server.address());
  client.Send(Get("/"));
  ReadUntil(&client, "\r\n\r\n");
  const auto owner = server.Take();
  std::thread drain([&] { server.server().Drain(kPatience); });
  EXPECT_THAT(ReadToEnd(&client).bytes, EndsWith("last words\r\n0\r\n\r\n"));
  drain.join();
  EXPECT_EQ(owner->events().drains, 1);
  EXPECT_EQ(owner->events().closed, 0);
}

TEST(StreamEndTest, TheGraceEndsThoseThatDoNot) {
  Script script;
  script.opened = [](ScriptedOwner& owner) { owner.stream->BeginReply({200, "", {}}); };
  StreamServer server(script);
  RawClient client(server.address());
  client.Send(Get("/"));
  ReadUntil(&client, "\r\n\r\n");
  const auto owner = server.Take();
  server.server().Drain(milliseconds(50));
  EXPECT_EQ(ReadToEnd(&client).bytes, "");
  EXPECT_EQ(owner->events().drains, 1);
  EXPECT_EQ(owner->events().closed, 1);
}

TEST(StreamEndTest, AStreamOpenedInADrainIsToldOfIt) {
  TestServer held_by;
  Script script;
  script.drain = [](ScriptedOwner& owner) {
    owner.stream->BeginReply({200, "", 4});
    owner.stream->Write("late");
    owner.stream->End();
  };
  RawClient client(held_by.address());
  client.Send(Get("/hold"));
  const auto exchange = held_by.TakeHeld();
  ASSERT_NE(exchange, nullptr);
  RawClient idle(held_by.address());
  idle.Send(Get("/"));
  ASSERT_TRUE(idle.Read());
  std::thread drain([&] { held_by.server().Drain(kPatience); });
  EXPECT_TRUE(idle.AwaitEnd());
  exchange->Post([&] {
    const auto owner = std::make_shared<ScriptedOwner>(script, exchange);
    owner->stream = exchange->OpenStream(owner);
  });
  const auto received = client.Read();
  EXPECT_EQ(received.body, "late");
  EXPECT_EQ(received.Header("Connection"), "close");
  client.Reset();
  drain.join();
}

}  // namespace
}  // namespace gatehouse::http
