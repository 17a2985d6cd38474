// Damaged requests: whatever comes, the server goes on serving others. The
// sanitizers say more than the expectations here.
#include <gtest/gtest.h>

#include <random>

#include "libs/http/testing.h"

namespace gatehouse::http {
namespace {

using std::string_literals::operator""s;

constexpr int kInputs = 4000;

const std::string kSeeds[] = {
    Get("/a?b=c", "Connection: keep-alive, foo\r\nCookie: a=b; c=d\r\n"),
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n0123456789ab",
    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    "5;x=y\r\nabcde\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n",
    "GET http://h.example:80/%C3%A9 HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n",
    "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc",
    Get("/1") + Get("/2") + "HEAD /3 HTTP/1.1\r\nHost: a\r\n\r\n",
};

const std::string kScraps[] = {
    "\r\n",        "\n",       "\r",   " ",       "\t",  ":", ",", ";",
    "\0"s,         "\x7f",     "\xff", "chunked", "0x3", "-", "+", "fffffffffffffff",
    "Host: b\r\n", "HTTP/1.1", "%00"};

std::string Damage(std::string bytes, std::mt19937* random) {
  const auto upto = [&](std::size_t limit) { return (*random)() % limit; };
  for (std::size_t left = 1 + upto(4); left > 0; --left) {
    if (bytes.empty()) return bytes;
    const std::size_t at = upto(bytes.size());
    const std::string& scrap = kScraps[upto(std::size(kScraps))];
    switch (upto(5)) {
      case 0:
        bytes[at] = static_cast<char>(upto(256));
        break;
      case 1:
        bytes.erase(at, 1 + upto(4));
        break;
      case 2:
        bytes.insert(at, scrap);
        break;
      case 3:
        bytes.insert(at, bytes.substr(upto(bytes.size()), upto(40)));
        break;
      default:
        bytes.replace(at, std::min(scrap.size(), bytes.size() - at), scrap);
    }
  }
  return bytes;
}

TEST(MutationTest, DamagedRequestsHarmNobodyElse) {
  ServerOptions options;
  options.workers = 1;
  TestServer server(options);
  RawClient witness(server.address());
  std::mt19937 random(20220901);
  int answered = 0;
  for (int i = 0; i < kInputs; ++i) {
    const std::string bytes = Damage(kSeeds[random() % std::size(kSeeds)], &random);
    RawClient client(server.address());
    const std::size_t cut = bytes.empty() ? 0 : random() % bytes.size();
    client.Send(std::string_view(bytes).substr(0, cut));
    client.Send(std::string_view(bytes).substr(cut));
    client.ShutDown();
    while (client.Read()) ++answered;
    ASSERT_TRUE(witness.Send(Get("/witness"))) << i;
    ASSERT_EQ(witness.Read().body, "/witness") << i << ": " << bytes;
  }
  EXPECT_GT(answered, kInputs / 2);
  EXPECT_TRUE(Eventually([&] { return server.server().stats().connections_open == 1; }));
}

}  // namespace
}  // namespace gatehouse::http
