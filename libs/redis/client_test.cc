// The client against a real redis-server: plain, with a password, through TLS, and
// when the server goes, stands still or comes back.
#include "libs/redis/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "libs/redis/testing.h"

namespace gatehouse::redis {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RedisServer;

Client ClientOf(const std::string& url, ClientOptions options = {}) {
  return Client(ParseUrl(url).value(), std::move(options));
}

// One command; the text of its reply, or the reason of the error.
std::string Ask(Client& client, const Command& command) {
  const auto replies = client.Call({command});
  return replies.ok() ? replies->at(0).text : Reason(replies.status());
}

// Asks again until `want` comes, for at most ten seconds.
bool Eventually(Client& client, const std::string& want) {
  const SteadyTime end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (Ask(client, {"PING"}) != want) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return true;
}

TEST(RedisClientTest, RepliesComeInTheOrderOfTheCommands) {
  RedisServer server;
  Client client = ClientOf(server.url());
  EXPECT_FALSE(client.is_connected());
  const auto replies = client.Call({{"SET", "k", std::string("a\0b", 3)}, {"GET", "k"}, {"NOPE"}});
  ASSERT_TRUE(replies.ok()) << replies.status();
  EXPECT_EQ(replies->at(0).text, "OK");
  EXPECT_EQ(replies->at(1).text, std::string("a\0b", 3));
  EXPECT_TRUE(replies->at(2).IsError()) << "an error of one command ends no connection";
  EXPECT_TRUE(client.is_connected());
}

TEST(RedisClientTest, ManyCommandsGoInOnePiece) {
  RedisServer server;
  Client client = ClientOf(server.url(), {.timeout = milliseconds(5000)});
  std::vector<Command> commands;
  for (int i = 0; i < 2000; ++i) commands.push_back({"ECHO", std::string(200, 'a' + i % 26)});
  const auto replies = client.Call(commands);
  ASSERT_TRUE(replies.ok()) << replies.status();
  for (std::size_t i = 0; i < commands.size(); ++i) EXPECT_EQ(replies->at(i).text, commands[i][1]);
}

TEST(RedisClientTest, ThePasswordAndTheDatabaseOfTheUrlAreUsed) {
  RedisServer server({.password = "hush-hush"});
  Client client = ClientOf(server.url() + "&database=3");
  EXPECT_EQ(Ask(client, {"SET", "k", "v"}), "OK");
  Client other = ClientOf(server.url());
  EXPECT_EQ(Ask(other, {"GET", "k"}), "") << "another database";
}

TEST(RedisClientTest, AWrongPasswordIsRefusedAndNotRepeated) {
  RedisServer server({.password = "hush-hush"});
  const std::string plain = server.url().substr(0, server.url().find('?'));
  for (const std::string& url : {plain, plain + "?password=wrong-one"}) {
    Client client = ClientOf(url);
    const absl::Status status = client.Call({{"PING"}}).status();
    EXPECT_EQ(Reason(status), "REDIS_REFUSED");
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("wrong-one")));
    EXPECT_FALSE(client.is_connected());
  }
}

TEST(RedisClientTest, AServerThatHasGoneIsFoundAgain) {
  RedisServer server;
  Client client = ClientOf(server.url());
  EXPECT_EQ(Ask(client, {"PING"}), "PONG");
  server.Kill();
  EXPECT_EQ(Ask(client, {"PING"}), "REDIS_UNREACHABLE");
  EXPECT_GT(client.back_off_left(), milliseconds(0));
  server.Start();
  EXPECT_TRUE(Eventually(client, "PONG"));
  EXPECT_EQ(client.back_off_left(), milliseconds(0));
}

TEST(RedisClientTest, AServerThatStandsStillIsLate) {
  RedisServer server;
  Client client = ClientOf(server.url(), {.timeout = milliseconds(30)});
  EXPECT_EQ(Ask(client, {"PING"}), "PONG");
  server.Freeze();
  EXPECT_EQ(Ask(client, {"PING"}), "REDIS_LATE");
  EXPECT_FALSE(client.is_connected()) << "a late reply must not answer the next command";
  server.Thaw();
  EXPECT_TRUE(Eventually(client, "PONG"));
}

TEST(RedisClientTest, TlsIsVerifiedByTheAuthorityAndTheHost) {
  RedisServer server({.password = "hush-hush", .is_tls = true});
  const ClientOptions trusting{.ca_file = server.ca_file()};
  for (const char* host : {"127.0.0.1", "localhost"}) {
    Client client = ClientOf(server.UrlOf(host), trusting);
    EXPECT_EQ(Ask(client, {"PING"}), "PONG") << host;
    EXPECT_EQ(Ask(client, {"ECHO", std::string(100000, 'a')}), std::string(100000, 'a'));
  }
  Client stranger = ClientOf(server.url());
  EXPECT_EQ(Ask(stranger, {"PING"}), "REDIS_TLS_REFUSED") << "of an authority that is not known";
  Client astray = ClientOf(server.url(), {.ca_file = "/nonexistent"});
  EXPECT_EQ(Ask(astray, {"PING"}), "REDIS_TLS_REFUSED");
}

TEST(RedisClientTest, TheHostOfTheCertificateMustBeTheOneDialled) {
  RedisServer server({.is_tls = true});
  // The same machine by another spelling, which the certificate lacks.
  Client client = ClientOf(server.UrlOf("127.1"), {.ca_file = server.ca_file()});
  EXPECT_EQ(Ask(client, {"PING"}), "REDIS_TLS_REFUSED");
}

TEST(RedisClientTest, TlsNeverFallsBackToClearText) {
  RedisServer server({.is_tls = true});
  std::string plain = server.url();
  plain.erase(5, 1);  // "redis://"
  Client clear = ClientOf(plain);
  EXPECT_NE(Ask(clear, {"PING"}), "PONG");
}

}  // namespace
}  // namespace gatehouse::redis
