#include "libs/redis/reply.h"

#include <gtest/gtest.h>

namespace gatehouse::redis {
namespace {

// Feeds `wire` in pieces of `size` bytes; all whole replies.
std::vector<Reply> ReadAll(const std::string& wire, std::size_t size) {
  ReplyReader reader;
  std::vector<Reply> replies;
  for (std::size_t at = 0; at < wire.size(); at += size) {
    reader.Feed(std::string_view(wire).substr(at, size));
    while (true) {
      const auto next = reader.Next();
      EXPECT_TRUE(next.ok()) << next.status();
      if (!next.ok() || !*next) break;
      replies.push_back(**next);
    }
  }
  return replies;
}

TEST(ReplyReaderTest, ReadsEveryKindHoweverItIsCut) {
  const std::string wire =
      "+OK\r\n-ERR no\r\n:-42\r\n$5\r\na\r\nbc\r\n$-1\r\n*-1\r\n"
      "*3\r\n:1\r\n$2\r\nhi\r\n*1\r\n+x\r\n";
  for (std::size_t size = 1; size <= wire.size(); ++size) {
    const std::vector<Reply> all = ReadAll(wire, size);
    ASSERT_EQ(all.size(), 7u) << size;
    EXPECT_EQ(all[0].text, "OK");
    EXPECT_TRUE(all[1].IsError());
    EXPECT_EQ(all[1].text, "ERR no");
    EXPECT_EQ(all[2].integer, -42);
    EXPECT_EQ(all[3].text, "a\r\nbc");
    EXPECT_EQ(all[4].kind, Reply::Kind::kNil);
    EXPECT_EQ(all[5].kind, Reply::Kind::kNil);
    ASSERT_EQ(all[6].items.size(), 3u);
    EXPECT_EQ(all[6].items[0].integer, 1);
    EXPECT_EQ(all[6].items[1].text, "hi");
    EXPECT_EQ(all[6].items[2].items.at(0).text, "x");
  }
}

TEST(ReplyReaderTest, GarbageIsAnError) {
  for (const char* wire : {"HTTP/1.1 200 OK\r\n", "$x\r\n", ":1x\r\n", "*2\r\n?\r\n"}) {
    ReplyReader reader;
    reader.Feed(wire);
    EXPECT_EQ(Reason(reader.Next().status()), "REDIS_PROTOCOL_BROKEN") << wire;
  }
}

TEST(ReplyReaderTest, AReplyWithoutAnEndIsAnError) {
  ReplyReader reader;
  reader.Feed("$500000000\r\n");
  const std::string piece(1 << 20, 'a');
  for (int i = 0; i < 4; ++i) reader.Feed(piece);
  EXPECT_EQ(Reason(reader.Next().status()), "REDIS_PROTOCOL_BROKEN");
}

TEST(CommandTest, LengthsGoBeforeWords) {
  std::string wire;
  AppendCommand({"SET", "k", "a\r\nb"}, &wire);
  EXPECT_EQ(wire, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n");
}

}  // namespace
}  // namespace gatehouse::redis
