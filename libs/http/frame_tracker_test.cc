// Where frames end, whatever their length is written with and however they are cut.
#include "libs/http/frame_tracker.h"

#include <gtest/gtest.h>

#include <vector>

namespace gatehouse::http {
namespace {

std::string Frame(int first, std::size_t size, bool masked) {
  const int mask_bit = masked ? 0x80 : 0;
  std::string frame(1, static_cast<char>(first));
  int length_bytes = 0;
  if (size < 126) {
    frame += static_cast<char>(mask_bit | static_cast<int>(size));
  } else {
    length_bytes = size <= 0xffff ? 2 : 8;
    frame += static_cast<char>(mask_bit | (length_bytes == 2 ? 126 : 127));
  }
  for (int i = length_bytes - 1; i >= 0; --i) frame += static_cast<char>(size >> (8 * i));
  if (masked) frame += "\x88\x88\x88\x88";
  frame += std::string(size, '\x88');  // Would be a close frame if it were looked at.
  return frame;
}

TEST(FrameTrackerTest, FindsTheBoundaryOfEveryLength) {
  for (bool masked : {false, true}) {
    for (std::size_t size : {0, 1, 125, 126, 127, 65535, 65536, 70000}) {
      const std::string frame = Frame(0x82, size, masked);
      const std::string bytes = frame + frame;
      for (std::size_t cut : {std::size_t{1}, std::size_t{2}, frame.size() / 2, frame.size() - 1}) {
        if (cut == 0 || cut >= frame.size()) continue;
        FrameTracker tracker;
        EXPECT_TRUE(tracker.at_boundary());
        tracker.Feed(std::string_view(bytes).substr(0, cut));
        EXPECT_FALSE(tracker.at_boundary()) << size << " cut at " << cut;
        EXPECT_EQ(tracker.FeedToBoundary(std::string_view(bytes).substr(cut)), frame.size() - cut);
        EXPECT_TRUE(tracker.at_boundary()) << size << " cut at " << cut;
        EXPECT_EQ(tracker.FeedToBoundary(bytes), 0u) << "it stands at one";
        EXPECT_FALSE(tracker.saw_close());
      }
    }
  }
}

TEST(FrameTrackerTest, ByteByByte) {
  const std::string frame = Frame(0x81, 300, true);
  FrameTracker tracker;
  for (std::size_t i = 0; i < frame.size(); ++i) {
    tracker.Feed(std::string_view(frame).substr(i, 1));
    EXPECT_EQ(tracker.at_boundary(), i + 1 == frame.size()) << i;
  }
}

TEST(FrameTrackerTest, SeesCloseFramesOnlyInHeaders) {
  FrameTracker tracker;
  tracker.Feed(Frame(0x02, 200, false) + Frame(0x89, 4, true));
  EXPECT_FALSE(tracker.saw_close());
  tracker.Feed(CloseFrame(1000, false).substr(0, 1));
  EXPECT_TRUE(tracker.saw_close());
  EXPECT_FALSE(tracker.at_boundary());
}

TEST(FrameTrackerTest, ALengthThatCannotBeHasNoBoundary) {
  FrameTracker tracker;
  tracker.Feed(std::string("\x82\x7f\xff\0\0\0\0\0\0\1", 10));
  EXPECT_TRUE(tracker.is_broken());
  EXPECT_EQ(tracker.FeedToBoundary("abc"), 3u);
  EXPECT_FALSE(tracker.at_boundary());
}

TEST(FrameTrackerTest, CloseFramesCarryTheCode) {
  EXPECT_EQ(CloseFrame(4401, false), std::string("\x88\x02\x11\x31"));
  const std::string masked = CloseFrame(1001, true);
  ASSERT_EQ(masked.size(), 8u);
  EXPECT_EQ(masked.substr(0, 2), std::string("\x88\x82"));
  const int high = (masked[6] ^ masked[2]) & 0xff;
  const int low = (masked[7] ^ masked[3]) & 0xff;
  EXPECT_EQ(high * 256 + low, 1001);
  FrameTracker tracker;
  tracker.Feed(masked);
  EXPECT_TRUE(tracker.at_boundary());
  EXPECT_TRUE(tracker.saw_close());
}

}  // namespace
}  // namespace gatehouse::http
