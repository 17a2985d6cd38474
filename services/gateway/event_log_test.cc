#include "services/gateway/event_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gatehouse::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

FeedPosition At(std::int64_t sequence, std::int64_t incarnation = 1) {
  return {incarnation, 700 + static_cast<std::uint64_t>(sequence), sequence};
}

LiveEvent Named(const std::string& type) {
  LiveEvent event;
  event.type = type;
  return event;
}

// Names in order, "gap" for gaps.
using Names = std::vector<std::string>;
std::optional<Names> NamesOf(const std::optional<std::vector<LiveEventPtr>>& events) {
  if (!events) return std::nullopt;
  Names names;
  for (const LiveEventPtr& event : *events) names.push_back(event->is_gap ? "gap" : event->type);
  return names;
}

class EventLogTest : public ::testing::Test {
 protected:
  std::optional<Names> After(const std::string& position) { return NamesOf(log_.After(position)); }
  std::string Add(char feed, std::int64_t sequence, const std::string& type) {
    const LiveEventPtr event = log_.Add(feed, At(sequence), Named(type));
    return event ? event->position : "";
  }

  EventLog log_{4, 1 << 20};
};

TEST_F(EventLogTest, PositionsTellOfEveryFeedThatHasBegun) {
  EXPECT_EQ(log_.position(), "0");
  EXPECT_THAT(After("0"), Optional(IsEmpty()));
  EXPECT_EQ(log_.Begin('j', At(5), false), nullptr);
  EXPECT_EQ(log_.position(), "j1.705.5");
  log_.Begin('a', At(2), false);
  EXPECT_EQ(log_.position(), "a1.702.2-j1.705.5");
  EXPECT_EQ(Add('j', 6, "started"), "a1.702.2-j1.706.6");
  EXPECT_EQ(log_.position(), "a1.702.2-j1.706.6");
}

TEST_F(EventLogTest, AfterGivesWhatIsBehindOfEachFeedInTheOrderOfArrival) {
  log_.Begin('a', At(0), false);
  log_.Begin('j', At(0), false);
  const std::string begin = log_.position();
  const std::string first = Add('j', 1, "j1");
  Add('a', 1, "a1");
  const std::string third = Add('j', 2, "j2");
  EXPECT_THAT(After(begin), Optional(ElementsAre("j1", "a1", "j2")));
  EXPECT_THAT(After(first), Optional(ElementsAre("a1", "j2")));
  EXPECT_THAT(After(third), Optional(IsEmpty()));
  EXPECT_THAT(After("a1.701.1-j1.700.0"), Optional(ElementsAre("j1", "j2")))
      << "as another gateway heard them";
  EXPECT_THAT(After("a1.799.99-j1.701.1"), Optional(ElementsAre("j2")))
      << "another gateway was ahead";
}

TEST_F(EventLogTest, NumbersGrow) {
  log_.Begin('a', At(0), false);
  const auto one = log_.Add('a', At(1), Named("a1"));
  const auto two = log_.AddGap('a', At(2));
  EXPECT_EQ(one->number, 1U);
  EXPECT_EQ(two->number, 2U);
}

TEST_F(EventLogTest, WhatIsKnownIsNotAddedAgain) {
  log_.Begin('a', At(3), false);
  EXPECT_EQ(Add('a', 3, "old"), "");
  EXPECT_NE(Add('a', 4, "new"), "");
  EXPECT_EQ(Add('a', 4, "new"), "");
  EXPECT_EQ(log_.size(), 1U);
}

TEST_F(EventLogTest, WhatIsKeptNoMoreCannotBeTold) {
  log_.Begin('a', At(0), false);
  log_.Begin('j', At(0), false);
  const std::string begin = log_.position();
  const std::string first = Add('j', 1, "j1");
  for (int i = 2; i <= 5; ++i) Add('j', i, "j" + std::to_string(i));
  EXPECT_EQ(log_.size(), 4U);
  EXPECT_EQ(After(begin), std::nullopt);
  EXPECT_THAT(After(first), Optional(ElementsAre("j2", "j3", "j4", "j5")));
  Add('a', 1, "a1");
  EXPECT_EQ(After(first), std::nullopt);
}

TEST_F(EventLogTest, KeepsNoMoreBytesThanItMay) {
  EventLog log(1000, 10'000);
  log.Begin('a', At(0), false);
  for (int i = 1; i <= 100; ++i) {
    LiveEvent event = Named("big");
    event.data_json = std::string(3000, 'x');
    log.Add('a', At(i), event);
  }
  EXPECT_GE(log.size(), 1U);
  EXPECT_LE(log.size(), 3U);
}

TEST_F(EventLogTest, AGapStandsWhereEventsAreMissing) {
  log_.Begin('a', At(0), false);
  const std::string begin = log_.position();
  const std::string before = Add('a', 1, "a1");
  const LiveEventPtr gap = log_.AddGap('a', At(7));
  EXPECT_TRUE(gap->is_gap);
  EXPECT_EQ(gap->position, "a1.707.7");
  Add('a', 8, "a8");
  EXPECT_THAT(After(begin), Optional(ElementsAre("a1", "gap", "a8")));
  EXPECT_THAT(After(before), Optional(ElementsAre("gap", "a8")));
  EXPECT_THAT(After(gap->position), Optional(ElementsAre("a8")));
}

TEST_F(EventLogTest, NothingIsToldOfAnotherIncarnation) {
  log_.Begin('a', At(0), false);
  log_.Begin('j', At(0), false);
  const std::string old = Add('a', 9, "a9");
  const LiveEventPtr gap = log_.Begin('a', At(3, 2), true);
  ASSERT_NE(gap, nullptr);
  EXPECT_TRUE(gap->is_gap);
  EXPECT_EQ(After(old), std::nullopt);
  EXPECT_THAT(After(gap->position), Optional(IsEmpty()));
  log_.Add('a', At(4, 2), Named("a4"));
  EXPECT_THAT(After(gap->position), Optional(ElementsAre("a4")));
}

TEST_F(EventLogTest, AFeedThatOnlyOneSideKnowsCannotBeTold) {
  log_.Begin('a', At(0), false);
  const std::string early = log_.position();
  EXPECT_EQ(After("a1.700.0-j1.700.0"), std::nullopt);
  log_.Begin('j', At(0), false);
  EXPECT_EQ(After(early), std::nullopt);
  EXPECT_EQ(After("0"), std::nullopt);
}

TEST(HubPositionTest, ReadsWhatItWrites) {
  const HubPosition position = {{'a', {1, 2, 3}}, {'j', {9, ~std::uint64_t{0}, 4}}};
  EXPECT_EQ(ToText(position), "a1.2.3-j9.18446744073709551615.4");
  EXPECT_EQ(ParseHubPosition(ToText(position)), position);
  EXPECT_EQ(ParseHubPosition("0"), HubPosition());
}

TEST(HubPositionTest, RefusesEverythingElse) {
  for (const char* text : {"",
                           "-",
                           "x",
                           "a",
                           "a1",
                           "a1.2",
                           "a1.2.",
                           "a1.2.3.4",
                           "a1.2.3-",
                           "-a1.2.3",
                           "a1.2.3--b1.2.3",
                           "a1.2.3-a1.2.4",
                           "A1.2.3",
                           "a-1.2.3",
                           "a+1.2.3",
                           "a1.2.x",
                           "a 1.2.3",
                           "a1.2.3 ",
                           "a1.18446744073709551616.3",
                           "a9223372036854775808.2.3",
                           "1.2.3",
                           "00"}) {
    EXPECT_EQ(ParseHubPosition(text), std::nullopt) << text;
  }
  EXPECT_EQ(ParseHubPosition(std::string(10'000, 'a')), std::nullopt);
}

}  // namespace
}  // namespace gatehouse::gateway
