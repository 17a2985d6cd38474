#include "services/jobs/text_stats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/jobs/sleep_job.h"

namespace gatehouse::jobs {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TextStats Count(const std::string& text) {
  const AttemptContext context;
  const absl::StatusOr<TextStats> stats = CountText(text, context);
  EXPECT_TRUE(stats.ok()) << stats.status();
  return stats.ok() ? *stats : TextStats();
}

TEST(CountTextTest, CountsNothingInAnEmptyText) {
  const TextStats stats = Count("");
  EXPECT_EQ(stats.lines, 0);
  EXPECT_EQ(stats.words, 0);
  EXPECT_EQ(stats.bytes, 0);
  EXPECT_TRUE(stats.top_words.empty());
}

TEST(CountTextTest, CountsALastLineWithoutALineFeed) {
  EXPECT_EQ(Count("a").lines, 1);
  EXPECT_EQ(Count("a\n").lines, 1);
  EXPECT_EQ(Count("a\nb").lines, 2);
  EXPECT_EQ(Count("\n\n").lines, 2);
  EXPECT_EQ(Count("a\r\nb\r\n").lines, 2);
}

TEST(CountTextTest, TakesLettersDigitsAndCharactersBeyondAsciiAsWords) {
  const TextStats stats = Count(
      "Gr\xC3\xBC\xC3\x9F"
      "e, Welt! x86-64 don't \xE2\x82\xAC"
      "5");
  EXPECT_EQ(stats.words, 7);
  EXPECT_EQ(stats.bytes, 32);
  EXPECT_THAT(stats.top_words, ElementsAre(Pair("64", 1), Pair("don", 1),
                                           Pair("gr\xC3\xBC\xC3\x9F"
                                                "e",
                                                1),
                                           Pair("t", 1), Pair("welt", 1), Pair("x86", 1),
                                           Pair("\xE2\x82\xAC"
                                                "5",
                                                1)));
}

TEST(CountTextTest, CountsWordsWithoutRegardToCase) {
  EXPECT_THAT(Count("The the THE cat").top_words, ElementsAre(Pair("the", 3), Pair("cat", 1)));
}

TEST(CountTextTest, OrdersByCountAndEqualsByWord) {
  EXPECT_THAT(Count("b a c b a d").top_words,
              ElementsAre(Pair("a", 2), Pair("b", 2), Pair("c", 1), Pair("d", 1)));
}

TEST(CountTextTest, NamesTenWordsAtMost) {
  const TextStats stats = Count("l k j i h g f e d c b a");
  EXPECT_EQ(stats.words, 12);
  ASSERT_EQ(stats.top_words.size(), 10);
  EXPECT_EQ(stats.top_words.front().first, "a");
  EXPECT_EQ(stats.top_words.back().first, "j");
}

TEST(CountTextTest, KeepsAWordThatCrossesAChunk) {
  const TextStats stats = Count(std::string(40000, 'a') + " b");
  EXPECT_EQ(stats.words, 2);
  EXPECT_THAT(stats.top_words, ElementsAre(Pair(std::string(40000, 'a'), 1), Pair("b", 1)));
}

TEST(CountTextTest, StopsWhenTold) {
  AttemptContext context;
  context.Stop(AttemptContext::StopReason::kCancelled);
  EXPECT_TRUE(absl::IsCancelled(CountText("a", context).status()));
}

TEST(TextStatsTypeTest, RunsOnItsPayloadAndReportsOneJob) {
  const JobType type = TextStatsType();
  AttemptContext context;
  const auto result = type.run(R"({"text":"one two\ntwo\n"})", context);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(*result, R"({"lines":2,"words":3,"bytes":12,)"
                     R"("top_words":[{"word":"two","count":2},{"word":"one","count":1}]})");
  ASSERT_EQ(context.Usage().size(), 1);
  EXPECT_EQ(context.Usage()[0].line_type, "per_job");
  EXPECT_EQ(context.Usage()[0].resource, "text.stats");
  EXPECT_EQ(context.Usage()[0].quantity, 1);
}

TEST(TextStatsTypeTest, DemandsAText) {
  EXPECT_TRUE(TextStatsType().check(R"({"text":""})").ok());
  EXPECT_EQ(Reason(TextStatsType().check("{}")), "PAYLOAD_INVALID");
}

TEST(SleepTypeTest, StopsWhenTold) {
  AttemptContext context;
  context.Stop(AttemptContext::StopReason::kDraining);
  EXPECT_TRUE(absl::IsCancelled(SleepType().run(R"({"seconds":60})", context).status()));
  EXPECT_TRUE(context.Usage().empty());
}

TEST(AttemptContextTest, AddsUsageUpPerPriceAndKeepsTheFirstReasonToStop) {
  AttemptContext context;
  context.ReportUsage({"per_job", "a", 1});
  context.ReportUsage({"per_job", "b", 1});
  context.ReportUsage({"per_job", "a", 2});
  ASSERT_EQ(context.Usage().size(), 2);
  EXPECT_EQ(context.Usage()[0].quantity, 3);
  context.Stop(AttemptContext::StopReason::kLeaseLost);
  context.Stop(AttemptContext::StopReason::kCancelled);
  EXPECT_EQ(context.stop_reason(), AttemptContext::StopReason::kLeaseLost);
}

}  // namespace
}  // namespace gatehouse::jobs
