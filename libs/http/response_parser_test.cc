// Heads and bodies of responses without a socket: every way to cut them must give
// the same result, and everything ambiguous is refused.
#include "libs/http/response_parser.h"

#include <gtest/gtest.h>

#include <string>

#include "libs/http/response_body.h"
#include "libs/http/response_rules.h"

namespace gatehouse::http {
namespace {

using Framing = ResponseHead::Framing;

constexpr std::string_view kHead =
    "HTTP/1.1 200 All right\r\nServer: x\r\nX-Empty:\r\nX-Pad: \t a b \t\r\n"
    "Content-Length: 12\r\n\r\n";

// Whether a head is taken, with all the rules; `head`'s views point into `bytes`.
bool Take(std::string_view bytes, ResponseHead* head, bool answers_head = false) {
  std::size_t scanned = 0;
  const ResponseScan scan = ScanResponseHead(bytes, &scanned);
  return !scan.is_bad && scan.length == bytes.size() && ParseResponseHead(bytes, head) &&
         CheckResponse(answers_head, head);
}

std::string Lines(std::string_view lines) {
  return "HTTP/1.1 200 OK\r\n" + std::string(lines) + "\r\n";
}

std::string Names(const ResponseHead& head) {
  std::string names;
  for (const ResponseHead::Field& field : head.fields) {
    names += std::string(field.name) + "=" + std::string(field.value) + ";";
  }
  return names;
}

TEST(ResponseParserTest, FindsTheEndWhereverTheHeadIsCut) {
  for (std::size_t cut = 0; cut < kHead.size(); ++cut) {
    std::size_t scanned = 0;
    const ResponseScan first = ScanResponseHead(kHead.substr(0, cut), &scanned);
    EXPECT_EQ(first.length, 0u) << cut;
    EXPECT_FALSE(first.is_bad) << cut;
    EXPECT_EQ(ScanResponseHead(kHead, &scanned).length, kHead.size()) << cut;
  }
}

TEST(ResponseParserTest, SplitsTheHead) {
  ResponseHead head;
  ASSERT_TRUE(ParseResponseHead(kHead, &head));
  EXPECT_EQ(head.status, 200);
  ASSERT_EQ(head.fields.size(), 4u);
  EXPECT_EQ(Names(head), "Server=x;X-Empty=;X-Pad=a b;Content-Length=12;");
  ASSERT_TRUE(CheckResponse(false, &head));
  EXPECT_EQ(head.framing, Framing::kLength);
  EXPECT_EQ(head.content_length, 12u);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_EQ(Names(head), "Server=x;X-Empty=;X-Pad=a b;");
}

TEST(ResponseParserTest, TakesOddButUnambiguousHeads) {
  ResponseHead head;
  for (const char* line :
       {"HTTP/1.1 200 ", "HTTP/1.0 299 x", "HTTP/1.1 599 \xc3\xa4", "HTTP/1.1 404 a\tb  c"}) {
    EXPECT_TRUE(Take(std::string(line) + "\r\n\r\n", &head)) << line;
  }
  for (const char* line :
       {"X: \xff\xfe\r\n", "x!#$%&'*+-.^_`|~1: y\r\n", "Transfer-Encoding:ChunkeD\r\n",
        "Content-Length: 000000000000000012\r\n", "Connection: , close,\r\n"}) {
    EXPECT_TRUE(Take(Lines(line), &head)) << line;
  }
}

TEST(ResponseParserTest, RefusesStatusLinesThatAreNone) {
  ResponseHead head;
  for (const char* line :
       {"HTTP/1.1 200",        "HTTP/1.1  200 OK",    "HTTP/1.1 20 OK",    "HTTP/1.1 2000 OK",
        "HTTP/1.1 099 x",      "HTTP/1.1 600 x",      "HTTP/1.1 000 x",    "HTTP/1.1 +20 x",
        "HTTP/1.1 2x0 x",      "HTTP/1.2 200 OK",     "HTTP/2.0 200 OK",   "HTTP/2 200 OK",
        "HTTP/11 200 OK",      "http/1.1 200 OK",     "HTTPS/1.1 200 OK",  "HTTP/1.1\t200 OK",
        " HTTP/1.1 200 OK",    "\r\nHTTP/1.1 200 OK", "ICY 200 OK",        "200 OK",
        "HTTP/1.1 200 a\x01z", "HTTP/1.1 200 a\x7fz", "HTTP/1.1 200 a\rb", "GET / HTTP/1.1"}) {
    EXPECT_FALSE(Take(std::string(line) + "\r\n\r\n", &head)) << line;
  }
  EXPECT_FALSE(Take(std::string("HTTP/1.1 200 a\0b\r\n\r\n", 20), &head));
}

TEST(ResponseParserTest, RefusesLinesThatAreNone) {
  ResponseHead head;
  for (const char* lines :
       {"X : y\r\n", "X\t: y\r\n", ": y\r\n", "X\r\n", "X y: z\r\n", " X: y\r\n", "X: y\r\n z\r\n",
        "X:\r\n\tz\r\n", "X: a\r\n \r\n", "X: a\rb\r\n", "X: a\x01z\r\n", "X: a\x7fz\r\n",
        "X: a\x1bz\r\n", "X(y): z\r\n", "X\xc3\xa4: z\r\n", "\"X\": y\r\n"}) {
    EXPECT_FALSE(Take(Lines(lines), &head)) << lines;
  }
  EXPECT_FALSE(Take(Lines(std::string_view("X: a\0b\r\n", 8)), &head)) << "NUL";
  EXPECT_FALSE(Take(Lines(std::string_view("X\0y: a\r\n", 8)), &head)) << "NUL in a name";
}

TEST(ResponseParserTest, RefusesBareLineFeedsBeforeTheHeadIsComplete) {
  for (const char* begin : {"HTTP/1.1 200 OK\n", "HTTP/1.1 200 OK\r\nX: y\n",
                            "HTTP/1.1 200 OK\r\n\n", "HTTP/2", "\r", "x", "SSH-2.0"}) {
    std::size_t scanned = 0;
    EXPECT_TRUE(ScanResponseHead(begin, &scanned).is_bad) << begin;
  }
}

TEST(ResponseParserTest, RefusesAmbiguousFraming) {
  ResponseHead head;
  for (const char* lines : {"Content-Length: 1\r\nContent-Length: 1\r\n",
                            "Content-Length: 1\r\nContent-Length: 2\r\n",
                            "Content-Length: 1, 1\r\n",
                            "Content-Length: +1\r\n",
                            "Content-Length: -1\r\n",
                            "Content-Length: 0x1\r\n",
                            "Content-Length: 1 2\r\n",
                            "Content-Length:\r\n",
                            "Content-Length: 1;\r\n",
                            "Content-Length: 99999999999999999999\r\n",
                            "Content-Length: 1.0\r\n",
                            "Content-Length: \"1\"\r\n",
                            "Transfer-Encoding: gzip\r\n",
                            "Transfer-Encoding: gzip, chunked\r\n",
                            "Transfer-Encoding: chunked, identity\r\n",
                            "Transfer-Encoding: identity\r\n",
                            "Transfer-Encoding: chunked;q=1\r\n",
                            "Transfer-Encoding: xchunked\r\n",
                            "Transfer-Encoding:\r\n",
                            "Transfer-Encoding: \"chunked\"\r\n",
                            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                            "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
                            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
                            "Content-Length: 1\r\nTransfer-Encoding: identity\r\n"}) {
    EXPECT_FALSE(Take(Lines(lines), &head)) << lines;
  }
  EXPECT_FALSE(Take("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &head));
}

TEST(ResponseParserTest, ALimitedHeadOnly) {
  const std::string begin = "HTTP/1.1 200 OK\r\nX: ";
  const std::string fits =
      begin + std::string(kResponseHeadBytesMax - begin.size() - 4, 'x') + "\r\n\r\n";
  ResponseHead head;
  EXPECT_TRUE(Take(fits, &head));
  EXPECT_FALSE(Take(begin + "x" + fits.substr(begin.size()), &head));
  std::size_t scanned = 0;
  EXPECT_TRUE(ScanResponseHead(begin + std::string(kResponseHeadBytesMax, 'x'), &scanned).is_bad);

  std::string lines;
  for (std::size_t i = 0; i < kResponseFieldsMax; ++i) lines += "X: y\r\n";
  EXPECT_TRUE(Take(Lines(lines), &head));
  EXPECT_FALSE(Take(Lines(lines + "X: y\r\n"), &head));
}

TEST(ResponseRulesTest, KnowsWhereTheBodyEnds) {
  struct Case {
    const char* head;
    bool answers_head;
    Framing framing;
  };
  for (const Case& c : {
           Case{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n", false, Framing::kLength},
           Case{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n", true, Framing::kNone},
           Case{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", false, Framing::kChunked},
           Case{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", true, Framing::kNone},
           Case{"HTTP/1.1 200 OK\r\n", false, Framing::kUntilEnd},
           Case{"HTTP/1.1 204 No\r\nContent-Length: 3\r\n", false, Framing::kNone},
           Case{"HTTP/1.1 304 No\r\nContent-Length: 3\r\n", false, Framing::kNone},
           Case{"HTTP/1.1 103 No\r\n", false, Framing::kNone},
           Case{"HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n", false, Framing::kLength},
       }) {
    ResponseHead head;
    ASSERT_TRUE(Take(std::string(c.head) + "\r\n", &head, c.answers_head)) << c.head;
    EXPECT_EQ(head.framing, c.framing) << c.head;
  }
}

TEST(ResponseRulesTest, KnowsWhetherTheConnectionStays) {
  const auto stays = [](std::string_view version, std::string_view lines) {
    ResponseHead head;
    const std::string bytes =
        "HTTP/" + std::string(version) + " 200 OK\r\n" + std::string(lines) + "\r\n";
    EXPECT_TRUE(Take(bytes, &head)) << bytes;
    return head.keep_alive;
  };
  EXPECT_TRUE(stays("1.1", ""));
  EXPECT_FALSE(stays("1.1", "Connection: Close\r\n"));
  EXPECT_FALSE(stays("1.1", "Connection: keep-alive\r\nConnection: x, close\r\n"));
  EXPECT_FALSE(stays("1.0", ""));
  EXPECT_TRUE(stays("1.0", "Connection: Keep-Alive\r\n"));
  EXPECT_FALSE(stays("1.0", "Connection: keep-alive, close\r\n"));
}

TEST(ResponseRulesTest, TakesHopByHopFieldsAway) {
  ResponseHead head;
  const std::string bytes = Lines(
      "A: 1\r\nConnection: x-one, Keep-Alive\r\nX-One: a\r\nB: 2\r\n"
      "Keep-Alive: timeout=5\r\nX-Two: b\r\nTrailer: c\r\nUpgrade: h2c\r\n"
      "Proxy-Authenticate: d\r\nconnection: X-TWO\r\nTE: e\r\nA: 3\r\n"
      "Proxy-Connection: f\r\nContent-Length: 3\r\nx-one: again\r\n");
  ASSERT_TRUE(Take(bytes, &head));
  EXPECT_EQ(Names(head), "A=1;B=2;A=3;");
  EXPECT_EQ(head.framing, Framing::kLength) << "whatever Connection says";
  ForwardedHead forwarded{200, head.fields};
  EXPECT_TRUE(forwarded.Has("b"));
  EXPECT_FALSE(forwarded.Has("X-One"));
}

TEST(ResponseRulesTest, KnowsWebSocketsAndEventStreams) {
  const auto is_websocket = [](std::string_view lines) {
    ResponseHead head;
    const std::string bytes = "HTTP/1.1 101 Go\r\n" + std::string(lines) + "\r\n";
    EXPECT_TRUE(Take(bytes, &head));
    return head.is_websocket;
  };
  EXPECT_TRUE(is_websocket("Upgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n"));
  EXPECT_FALSE(is_websocket("Upgrade: websocket\r\n"));
  EXPECT_FALSE(is_websocket("Connection: Upgrade\r\n"));
  EXPECT_FALSE(is_websocket("Upgrade: h2c\r\nConnection: upgrade\r\n"));
  ResponseHead head;
  for (const char* type : {"text/event-stream", "Text/Event-Stream; charset=utf-8"}) {
    ASSERT_TRUE(Take(Lines("Content-Type: " + std::string(type) + "\r\n"), &head));
    EXPECT_TRUE(head.is_event_stream) << type;
  }
  ASSERT_TRUE(Take(Lines("Content-Type: text/event-streams\r\n"), &head));
  EXPECT_FALSE(head.is_event_stream);
}

using Two = std::pair<std::string, std::string>;

// Feeds `input` in pieces of `step`; what was decoded, and what was left over.
Two Decode(const ResponseHead& head, std::string_view input, std::size_t step) {
  ResponseBody body;
  body.Begin(head);
  std::string decoded;
  while (!input.empty() && !body.done() && !body.is_bad()) {
    const std::size_t used = body.Feed(input.substr(0, step), &decoded);
    input.remove_prefix(used);
    if (used < step) break;
  }
  if (body.is_bad()) return {"bad", ""};
  return {decoded + (body.done() ? "." : ""), std::string(input)};
}

TEST(ResponseBodyTest, EndsWhereItsFramingSays) {
  ResponseHead head;
  for (std::size_t step : {1, 2, 3, 5, 100}) {
    head.framing = Framing::kLength;
    head.content_length = 4;
    EXPECT_EQ(Decode(head, "abcdHTTP", step), Two("abcd.", "HTTP")) << step;
    EXPECT_EQ(Decode(head, "abc", step), Two("abc", "")) << step;
    head.framing = Framing::kChunked;
    EXPECT_EQ(Decode(head, "2;x=y\r\nab\r\n1\r\nc\r\n0\r\nT: u\r\n\r\nrest", step),
              Two("abc.", "rest"))
        << step;
    EXPECT_EQ(Decode(head, "2\r\nabc\r\n", step).first, "bad") << step;
    head.framing = Framing::kUntilEnd;
    EXPECT_EQ(Decode(head, "abc", step), Two("abc", "")) << step;
    head.framing = Framing::kNone;
    EXPECT_EQ(Decode(head, "abc", step), Two(".", "abc")) << step;
  }
}

TEST(ResponseBodyTest, OnlyABodyWithoutFramingIsCompletedByTheEnd) {
  for (Framing framing : {Framing::kLength, Framing::kChunked, Framing::kUntilEnd}) {
    ResponseHead head;
    head.framing = framing;
    head.content_length = 4;
    ResponseBody body;
    body.Begin(head);
    EXPECT_EQ(body.End(), framing == Framing::kUntilEnd);
  }
}

}  // namespace
}  // namespace gatehouse::http
