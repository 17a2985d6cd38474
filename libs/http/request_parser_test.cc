// The parser without a socket: every way to cut a head must give the same result.
#include "libs/http/request_parser.h"

#include <gmock/gmock.h>

#include "libs/http/request_rules.h"

namespace gatehouse::http {
namespace {

constexpr std::string_view kHead =
    "POST /a?b=c HTTP/1.1\r\nHost: example.org:80\r\nX-Empty:\r\nX-Pad: \t a b \t\r\n"
    "Content-Length: 12\r\n\r\n";

HeadScan Scan(std::string_view input) {
  std::size_t scanned = 0;
  return ScanHead(input, HeadLimits(), &scanned);
}

TEST(RequestParserTest, FindsTheEndWhereverTheHeadIsCut) {
  for (std::size_t cut = 0; cut < kHead.size(); ++cut) {
    std::size_t scanned = 0;
    const HeadScan first = ScanHead(kHead.substr(0, cut), HeadLimits(), &scanned);
    EXPECT_EQ(first.length, 0u) << cut;
    EXPECT_EQ(first.status, 0) << cut;
    const HeadScan second = ScanHead(kHead, HeadLimits(), &scanned);
    EXPECT_EQ(second.length, kHead.size()) << cut;
  }
}

TEST(RequestParserTest, FindsTheEndByteByByte) {
  std::size_t scanned = 0;
  for (std::size_t size = 1; size < kHead.size(); ++size) {
    ASSERT_EQ(ScanHead(kHead.substr(0, size), HeadLimits(), &scanned).length, 0u);
  }
  EXPECT_EQ(ScanHead(kHead, HeadLimits(), &scanned).length, kHead.size());
}

TEST(RequestParserTest, SplitsTheHead) {
  RequestHead head;
  ASSERT_EQ(ParseHead(kHead, HeadLimits(), &head), 0);
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.target, "/a?b=c");
  ASSERT_EQ(head.fields.size(), 4u);
  EXPECT_EQ(head.fields[1].value, "");
  EXPECT_EQ(head.fields[2].value, "a b");
  ASSERT_EQ(CheckHead(&head), 0);
  EXPECT_EQ(head.framing, RequestHead::Framing::kLength);
  EXPECT_EQ(head.content_length, 12u);
}

TEST(RequestParserTest, RefusesBeforeTheHeadIsComplete) {
  EXPECT_EQ(Scan("GET / HTTP/1.1\n").status, 400) << "bare LF";
  EXPECT_EQ(Scan("\x16\x03\x01").status, 400) << "a TLS client";
  EXPECT_EQ(Scan(std::string(16384, 'a')).status, 431);
  EXPECT_EQ(Scan("GET /" + std::string(16384, 'a')).status, 414);
  EXPECT_EQ(Scan("GET / HTTP/1.1\r\nA: " + std::string(16384, 'a')).status, 431);
}

TEST(RequestParserTest, AHeadOfExactlyTheLimitFits) {
  const std::string begin = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  const std::string head = begin + std::string(16384 - begin.size() - 4, 'x') + "\r\n\r\n";
  ASSERT_EQ(head.size(), 16384u);
  EXPECT_EQ(Scan(head).length, head.size());
  EXPECT_EQ(Scan(begin + "x" + head.substr(begin.size())).status, 431);
}

TEST(RequestParserTest, KeepsWhatWasUnderstoodOfARefusedHead) {
  RequestHead head;
  EXPECT_EQ(ParseHead("HEAD /x HTTP/1.1\r\nHost : a\r\n\r\n", HeadLimits(), &head), 400);
  EXPECT_EQ(head.method, "HEAD");
  EXPECT_EQ(head.target, "/x");
}

TEST(RequestRulesTest, KnowsHosts) {
  for (const char* host : {"a", "a.b-c_d", "127.0.0.1:80", "[::1]", "[::ffff:1.2.3.4]:8080",
                           "a:", "a%20b", "x:65535", "a(b);=!$&'*+~"}) {
    EXPECT_TRUE(IsHostValid(host)) << host;
  }
  for (const char* host :
       {"", ":80", "a b", "a:65536", "a:8x", "a:123456", "user@a", "[::1", "[]", "[::1]x", "[::g]",
        "a/b", "a%2", "a%zz", "a,b", "a:1:2", "a|b", "\"a\""}) {
    EXPECT_FALSE(IsHostValid(host)) << host;
  }
}

}  // namespace
}  // namespace gatehouse::http
