// RFC 6455 by its sections: what a client may send and what it earns otherwise.
// Every case is read whole, byte by byte, and cut in two at every place.
#include "libs/http/websocket_frames.h"

#include <gtest/gtest.h>

#include <ostream>
#include <vector>

#include "libs/http/websocket_case.h"

namespace gatehouse::http {
namespace {

using std::string_literals::operator""s;

constexpr std::size_t kMessageMax = 70000;

struct FrameCase {
  const char* name;
  std::string bytes;
  std::string expected;  // What was read, each with a blank behind it; "!code" at a breach.
};

void PrintTo(const FrameCase& one, std::ostream* out) { *out << one.name; }

class Record : public FrameReader::Sink {
 public:
  void OnMessage(std::string_view message, bool is_text) override {
    Note(is_text ? "text" : "binary", message);
  }
  void OnPing(std::string_view payload) override { Note("ping", payload); }
  void OnPong() override { Note("pong", ""); }
  void OnClose(int code) override { Note("close", std::to_string(code)); }
  void Note(const std::string& kind, std::string_view payload) {
    text += kind + "(";
    text += payload.size() > 60 ? "#" + std::to_string(payload.size()) : std::string(payload);
    text += ") ";
  }
  std::string text;
};

// Feeds `bytes` in parts that end at each of `cuts`.
std::string ReadInParts(const std::string& bytes, const std::vector<std::size_t>& cuts) {
  FrameReader reader(kMessageMax);
  Record record;
  std::size_t begin = 0;
  for (const std::size_t cut : cuts) {
    const int code = reader.Feed(std::string_view(bytes).substr(begin, cut - begin), &record);
    if (code != 0) {
      record.text += "!" + std::to_string(code);
      break;
    }
    begin = cut;
  }
  EXPECT_TRUE(reader.idle()) << "it keeps memory when nothing is under way";
  return record.text;
}

class FrameReading : public ::testing::TestWithParam<FrameCase> {};

TEST_P(FrameReading, IsTheSameHoweverTheBytesArrive) {
  const std::string& bytes = GetParam().bytes;
  EXPECT_EQ(ReadInParts(bytes, {bytes.size()}), GetParam().expected);
  if (bytes.size() > 2000) return;
  std::vector<std::size_t> all;
  for (std::size_t cut = 1; cut <= bytes.size(); ++cut) all.push_back(cut);
  EXPECT_EQ(ReadInParts(bytes, all), GetParam().expected) << "byte by byte";
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    EXPECT_EQ(ReadInParts(bytes, {cut, bytes.size()}), GetParam().expected) << "cut at " << cut;
  }
}

std::string Text(std::size_t size) { return std::string(size, 'x'); }

// A frame whose length is spelled in `digits` bytes.
std::string WithLength(std::uint64_t length, int digits, const std::string& payload) {
  std::string frame = "\x81"s + static_cast<char>(digits == 2 ? 0xfe : 0xff);
  for (int shift = (digits - 1) * 8; shift >= 0; shift -= 8) {
    frame += static_cast<char>(length >> shift);
  }
  return frame + "\0\0\0\0"s + payload;
}

const FrameCase kFraming[] = {
    // 5.2: payload length in 7, 7+16 and 7+64 bits.
    {"EmptyText", TextFrame(""), "text() "},
    {"OneByte", TextFrame("a"), "text(a) "},
    {"Length125", TextFrame(Text(125)), "text(#125) "},
    {"Length126", TextFrame(Text(126)), "text(#126) "},
    {"Length127", TextFrame(Text(127)), "text(#127) "},
    {"Length65535", TextFrame(Text(65535)), "text(#65535) "},
    {"Length65536", TextFrame(Text(65536)), "text(#65536) "},
    {"EmptyBinary", Frame(kFin | 2, ""), "binary() "},
    {"BinaryIsNotText", Frame(kFin | 2, "ab"), "binary(ab) "},
    {"TwoMessagesInOnePiece", TextFrame("a") + TextFrame("b"), "text(a) text(b) "},
    // 5.2: the minimal number of bytes must be used; the most significant bit must be 0.
    {"LengthOf125InTwoBytes", WithLength(125, 2, Text(125)), "!1002"},
    {"LengthOf0InTwoBytes", WithLength(0, 2, ""), "!1002"},
    {"LengthOf65535InEightBytes", WithLength(65535, 8, Text(9)), "!1002"},
    {"LengthWithTheHighestBit", WithLength(std::uint64_t{1} << 63, 8, "x"), "!1002"},
    // 5.2: RSV1 to RSV3 must be 0 without an extension.
    {"Rsv1", Frame(kFin | 0x40 | 1, "a"), "!1002"},
    {"Rsv2", Frame(kFin | 0x20 | 1, "a"), "!1002"},
    {"Rsv3", Frame(kFin | 0x10 | 1, "a"), "!1002"},
    {"RsvOnAPing", Frame(kFin | 0x40 | 9, ""), "!1002"},
    {"RsvOnAContinuation", Frame(1, "a") + Frame(kFin | 0x10, "b"), "!1002"},
    {"GoodThenRsv", TextFrame("a") + Frame(kFin | 0x70 | 1, "b"), "text(a) !1002"},
    // 5.2: unknown opcodes fail the connection.
    {"Opcode3", Frame(kFin | 3, "a"), "!1002"},
    {"Opcode4", Frame(kFin | 4, ""), "!1002"},
    {"Opcode5", Frame(kFin | 5, "a"), "!1002"},
    {"Opcode6", Frame(kFin | 6, ""), "!1002"},
    {"Opcode7", Frame(kFin | 7, "a"), "!1002"},
    {"Opcode11", Frame(kFin | 11, "a"), "!1002"},
    {"Opcode12", Frame(kFin | 12, ""), "!1002"},
    {"Opcode13", Frame(kFin | 13, "a"), "!1002"},
    {"Opcode14", Frame(kFin | 14, ""), "!1002"},
    {"Opcode15", Frame(kFin | 15, "a"), "!1002"},
    // 5.1, 5.3: a client masks every frame, with any key.
    {"UnmaskedText", "\x81\x01"s + "a", "!1002"},
    {"UnmaskedEmptyText", "\x81\x00"s, "!1002"},
    {"UnmaskedPing", "\x89\x00"s, "!1002"},
    {"UnmaskedClose", "\x88\x02\x03\xe8"s, "!1002"},
    {"MaskOfZeros", Frame(kFin | 1, "abc", 0), "text(abc) "},
    {"MaskOfOnes", Frame(kFin | 1, "abcdefghi", 0xffffffff), "text(abcdefghi) "},
};
INSTANTIATE_TEST_SUITE_P(Framing, FrameReading, ::testing::ValuesIn(kFraming),
                         [](const auto& info) { return std::string(info.param.name); });

const FrameCase kFragments[] = {
    // 5.4
    {"TwoFragments", Frame(1, "ab") + Frame(kFin, "cd"), "text(abcd) "},
    {"EmptyFragmentBetween", Frame(1, "a") + Frame(0, "") + Frame(kFin, "b"), "text(ab) "},
    {"EmptyFirstFragment", Frame(1, "") + Frame(kFin, "b"), "text(b) "},
    {"EmptyLastFragment", Frame(1, "a") + Frame(kFin, ""), "text(a) "},
    {"NothingButEmptyFragments", Frame(1, "") + Frame(0, "") + Frame(kFin, ""), "text() "},
    {"FragmentedBinary", Frame(2, "\xff"s) + Frame(kFin, "b"), "binary(\xff"s + "b) "},
    {"TwoFragmentedMessages", Frame(1, "a") + Frame(kFin, "b") + Frame(2, "c") + Frame(kFin, "d"),
     "text(ab) binary(cd) "},
    {"PingBetween", Frame(1, "a") + PingFrame("p") + Frame(kFin, "b"), "ping(p) text(ab) "},
    {"PingsBetweenAndBehind",
     Frame(1, "a") + PingFrame("") + Frame(0, "b") + PingFrame("q") + Frame(kFin, "c") +
         PingFrame("r"),
     "ping() ping(q) text(abc) ping(r) "},
    {"PongBetween", Frame(1, "a") + Frame(kFin | 10, "p") + Frame(kFin, "b"), "pong() text(ab) "},
    {"CloseBetween", Frame(1, "a") + CloseFrame(1000), "close(1000) "},
    {"ContinuationOfNothing", Frame(0, "a") + Frame(kFin, "b"), "!1002"},
    {"LastContinuationOfNothing", Frame(kFin, "a"), "!1002"},
    {"ContinuationBehindAWholeMessage", TextFrame("a") + Frame(kFin, "b"), "text(a) !1002"},
    {"TextInsideAMessage", Frame(1, "a") + TextFrame("b"), "!1002"},
    {"BinaryInsideAMessage", Frame(1, "a") + Frame(kFin | 2, "b"), "!1002"},
    {"FragmentedTextInsideAMessage", Frame(2, "a") + Frame(1, "b"), "!1002"},
    // 10.4: what is too big in sum.
    {"MessageOfTheGreatestSize", TextFrame(Text(kMessageMax)), "text(#70000) "},
    {"OneByteTooBig", TextFrame(Text(kMessageMax + 1)), "!1009"},
    {"TooBigInFragments", Frame(2, Text(60000)) + Frame(0, Text(10001)), "!1009"},
    {"GreatestSizeInFragments", Frame(2, Text(60000)) + Frame(kFin, Text(10000)),
     "binary(#70000) "},
    {"AnExabyteIsAnnounced", WithLength(std::uint64_t{1} << 62, 8, "x"), "!1009"},
};
INSTANTIATE_TEST_SUITE_P(Fragments, FrameReading, ::testing::ValuesIn(kFragments),
                         [](const auto& info) { return std::string(info.param.name); });

const FrameCase kControl[] = {
    // 5.5
    {"EmptyPing", PingFrame(""), "ping() "},
    {"PingOf125", PingFrame(Text(125)), "ping(#125) "},
    {"PingOf126", PingFrame(Text(126)), "!1002"},
    {"PongOf126", Frame(kFin | 10, Text(126)), "!1002"},
    {"CloseOf126", Frame(kFin | 8, "\x03\xe8" + Text(124)), "!1002"},
    {"FragmentedPing", Frame(9, "a"), "!1002"},
    {"FragmentedPong", Frame(10, "a"), "!1002"},
    {"FragmentedClose", Frame(8, "\x03\xe8"), "!1002"},
    {"UnaskedPong", Frame(kFin | 10, "a"), "pong() "},
    // 5.5.1
    {"CloseWithoutCode", Frame(kFin | 8, ""), "close(1005) "},
    {"CloseOfOneByte", Frame(kFin | 8, "\x03"), "!1002"},
    {"CloseWithReason", CloseFrame(1000, "bye"), "close(1000) "},
    {"CloseWithTheLongestReason", CloseFrame(4000, Text(123)), "close(4000) "},
    {"CloseWithManyByteReason", CloseFrame(1000, "\xe2\x82\xac\xe2\x82\xac"), "close(1000) "},
    {"CloseWithInvalidReason", CloseFrame(1000, "\xce\xba\xe1\xbd"), "!1007"},
    {"NothingIsReadBehindAClose", CloseFrame(1000) + TextFrame("a"), "close(1000) "},
    {"NoBreachIsFoundBehindAClose", CloseFrame(1000) + Frame(kFin | 3, ""), "close(1000) "},
};
INSTANTIATE_TEST_SUITE_P(Control, FrameReading, ::testing::ValuesIn(kControl),
                         [](const auto& info) { return std::string(info.param.name); });

const FrameCase kUtf8[] = {
    // 8.1
    {"AllLengths", TextFrame("a\xc2\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
     "text(a\xc2\xa9\xe2\x82\xac\xf0\x9f\x98\x80) "},
    {"TwoBytesCutBetweenFrames", Frame(1, "\xc2") + Frame(kFin, "\xa9"), "text(\xc2\xa9) "},
    {"FourBytesCutBetweenFrames",
     Frame(1, "\xf0") + Frame(0, "\x9f") + Frame(0, "\x98") + Frame(kFin, "\x80"),
     "text(\xf0\x9f\x98\x80) "},
    {"CutBetweenFramesWithAPing", Frame(1, "\xe2\x82") + PingFrame("") + Frame(kFin, "\xac"),
     "ping() text(\xe2\x82\xac) "},
    {"LoneContinuation", TextFrame("\x80"), "!1007"},
    {"Overlong", TextFrame("\xc0\xaf"), "!1007"},
    {"OverlongOfThree", TextFrame("\xe0\x80\xaf"), "!1007"},
    {"Surrogate", TextFrame("\xed\xa0\x80"), "!1007"},
    {"AboveTheLast", TextFrame("\xf4\x90\x80\x80"), "!1007"},
    {"ByteFe", TextFrame("\xfe"), "!1007"},
    {"EndsWithinACharacter", TextFrame("a\xe2\x82"), "!1007"},
    {"EndsWithinACharacterInFragments", Frame(1, "a\xe2") + Frame(kFin, "\x82"), "!1007"},
    {"WrongBehindTheCut", Frame(1, "\xe2\x82") + Frame(kFin, "a"), "!1007"},
    {"BinaryMayBeAnything", Frame(kFin | 2, "\xff\xfe\x80"), "binary(\xff\xfe\x80) "},
    {"PingMayBeAnything", PingFrame("\xff"), "ping(\xff) "},
};
INSTANTIATE_TEST_SUITE_P(Utf8, FrameReading, ::testing::ValuesIn(kUtf8),
                         [](const auto& info) { return std::string(info.param.name); });

// 7.4.1, 7.4.2, and the registry.
class GoodCloseCode : public ::testing::TestWithParam<int> {};
TEST_P(GoodCloseCode, IsReported) {
  const std::string frame = CloseFrame(GetParam());
  EXPECT_EQ(ReadInParts(frame, {frame.size()}), "close(" + std::to_string(GetParam()) + ") ");
}
INSTANTIATE_TEST_SUITE_P(Codes, GoodCloseCode,
                         ::testing::Values(1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011,
                                           1012, 1013, 1014, 3000, 3999, 4000, 4999));

class BadCloseCode : public ::testing::TestWithParam<int> {};
TEST_P(BadCloseCode, IsABreach) {
  const std::string frame = CloseFrame(GetParam());
  EXPECT_EQ(ReadInParts(frame, {frame.size()}), "!1002");
}
INSTANTIATE_TEST_SUITE_P(Codes, BadCloseCode,
                         ::testing::Values(0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000,
                                           2999, 5000, 65535));

TEST(FrameReader, KeepsMemoryOnlyWhileSomethingIsUnderWay) {
  FrameReader reader(kMessageMax);
  Record record;
  const std::string frame = TextFrame("abc");
  EXPECT_TRUE(reader.idle());
  for (std::size_t i = 0; i + 1 < frame.size(); ++i) {
    EXPECT_EQ(reader.Feed(frame.substr(i, 1), &record), 0);
    EXPECT_FALSE(reader.idle()) << "behind byte " << i;
  }
  EXPECT_EQ(reader.Feed(frame.substr(frame.size() - 1), &record), 0);
  EXPECT_TRUE(reader.idle());
  EXPECT_EQ(reader.Feed(Frame(1, "a"), &record), 0);
  EXPECT_FALSE(reader.idle()) << "a message is open between its fragments";
  EXPECT_EQ(reader.Feed(Frame(kFin, "b") + "\x81", &record), 0);
  EXPECT_FALSE(reader.idle()) << "the next frame has begun";
}

TEST(AppendFrame, WritesLengthsInTheFewestBytes) {
  for (const std::size_t size : {0u, 125u, 126u, 65535u, 65536u}) {
    std::string frame;
    AppendFrame(FrameKind::kText, Text(size), &frame);
    EXPECT_EQ(frame.size() - size, size < 126 ? 2 : size < 65536 ? 4 : 10);
    EXPECT_EQ(TellServerFrames(frame),
              size > 60 ? "text(#" + std::to_string(size) + ") " : "text() ");
  }
}

}  // namespace
}  // namespace gatehouse::http
