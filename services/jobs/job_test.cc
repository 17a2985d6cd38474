#include "services/jobs/job.h"

#include <gtest/gtest.h>

#include "libs/base/uuid.h"
#include "services/jobs/json_text.h"
#include "services/jobs/reaper.h"

namespace gatehouse::jobs {
namespace {

using std::chrono::milliseconds;

const Time kNow = Time(std::chrono::seconds(1800000000));

TEST(JobIdTest, IsTheSameForTheSameTenantAndKeyOnly) {
  const std::string id = JobId(7, "key", kNow);
  EXPECT_TRUE(IsUuid(id));
  EXPECT_EQ(JobId(7, "key", kNow + std::chrono::hours(1)), id);
  EXPECT_NE(JobId(7, "other", kNow), id);
  EXPECT_NE(JobId(8, "key", kNow), id);
  EXPECT_NE(JobId(77, "key", kNow), JobId(7, "7key", kNow));
}

TEST(JobIdTest, IsNewWithoutAKey) { EXPECT_NE(JobId(7, "", kNow), JobId(7, "", kNow)); }

TEST(RequestHashTest, DiffersInEveryPartOfTheRequest) {
  NewJob base;
  base.type = "a";
  base.payload = "{}";
  NewJob changed = base;
  changed.user_id = "someone else";
  changed.trace_id = "another";
  EXPECT_EQ(RequestHash(changed), RequestHash(base)) << "who asks does not matter";
  changed = base, changed.type = "b";
  EXPECT_NE(RequestHash(changed), RequestHash(base));
  changed = base, changed.payload = "{ }";
  EXPECT_NE(RequestHash(changed), RequestHash(base));
  changed = base, changed.priority = 5;
  EXPECT_NE(RequestHash(changed), RequestHash(base));
  changed = base, changed.attempts_max = 5;
  EXPECT_NE(RequestHash(changed), RequestHash(base));
  changed = base, changed.run_time = kNow;
  EXPECT_NE(RequestHash(changed), RequestHash(base));
  changed = base, changed.unique_key = "u";
  EXPECT_NE(RequestHash(changed), RequestHash(base));
  changed = base, changed.type = "", changed.payload = "a{}";
  EXPECT_NE(RequestHash(changed), RequestHash(base)) << "parts must not run together";
}

TEST(CheckSameRequestTest, RefusesAnotherRequestUnderTheKey) {
  Job known;
  known.tenant_id = 7;
  known.request_hash = "hash";
  NewJob asked;
  asked.tenant_id = 7;
  asked.request_hash = "hash";
  EXPECT_TRUE(CheckSameRequest(known, asked).ok());
  asked.request_hash = "other";
  EXPECT_EQ(Reason(CheckSameRequest(known, asked)), "IDEMPOTENCY_KEY_REUSED");
}

Job Attempted(int attempts, int attempts_max) {
  Job job;
  job.state = State::kRunning;
  job.attempts = attempts;
  job.attempts_max = attempts_max;
  return job;
}

TEST(AfterAttemptTest, RetriesAFailureUntilAttemptsAreUsedUp) {
  const Next retry = AfterAttempt(Attempted(2, 3), Ending::kFailed);
  EXPECT_EQ(retry.state, State::kQueued);
  EXPECT_TRUE(retry.delayed);
  EXPECT_TRUE(retry.counts);
  EXPECT_EQ(AfterAttempt(Attempted(3, 3), Ending::kFailed).state, State::kFailed);
}

TEST(AfterAttemptTest, NeverRetriesARefusal) {
  EXPECT_EQ(AfterAttempt(Attempted(1, 3), Ending::kRefused).state, State::kFailed);
}

TEST(AfterAttemptTest, QueuesALostJobAtOnceAndCountsIt) {
  const Next lost = AfterAttempt(Attempted(1, 3), Ending::kLost);
  EXPECT_EQ(lost.state, State::kQueued);
  EXPECT_FALSE(lost.delayed);
  EXPECT_TRUE(lost.counts);
  EXPECT_EQ(AfterAttempt(Attempted(3, 3), Ending::kLost).state, State::kFailed);
}

TEST(AfterAttemptTest, QueuesAReturnedJobWithoutCountingTheAttempt) {
  const Next returned = AfterAttempt(Attempted(3, 3), Ending::kReturned);
  EXPECT_EQ(returned.state, State::kQueued);
  EXPECT_FALSE(returned.counts);
}

TEST(AfterAttemptTest, CancelsWhateverTheEndingOnceCancelWasRequested) {
  Job job = Attempted(1, 3);
  job.cancel_requested = true;
  for (Ending ending : {Ending::kFailed, Ending::kRefused, Ending::kReturned, Ending::kLost}) {
    EXPECT_EQ(AfterAttempt(job, ending).state, State::kCancelled);
  }
}

TEST(RetryDelayTest, DoublesUpToTheLongestAndIsShortenedByJitter) {
  const RetryPolicy policy{.first = milliseconds(1000), .longest = milliseconds(5000)};
  EXPECT_EQ(RetryDelay(policy, 1, 0), milliseconds(1000));
  EXPECT_EQ(RetryDelay(policy, 2, 0), milliseconds(2000));
  EXPECT_EQ(RetryDelay(policy, 3, 0), milliseconds(4000));
  EXPECT_EQ(RetryDelay(policy, 25, 0), milliseconds(5000));
  EXPECT_EQ(RetryDelay(policy, 1, 999), milliseconds(501));
}

TEST(CleanTextTest, DropsNulAndCutsBetweenCharacters) {
  EXPECT_EQ(CleanText(std::string("a\0b", 3), 10), "ab");
  EXPECT_EQ(CleanText("abc", 2), "ab");
  EXPECT_EQ(CleanText("a\xC3\xA4", 2), "a") << "half an umlaut is no text";
  EXPECT_EQ(CleanText("a\xC3\xA4", 3), "a\xC3\xA4");
}

TEST(HealthWatchTest, AllowsReapingOnlyAfterAWholeHealthyLease) {
  HealthWatch watch(milliseconds(3000), milliseconds(1000));
  SteadyTime now{};
  EXPECT_FALSE(watch.MayReap(now)) << "nothing was observed";
  for (int i = 0; i <= 11; ++i, now += milliseconds(250)) watch.Observe(true, now);
  EXPECT_FALSE(watch.MayReap(now - milliseconds(250))) << "2.75 s are no lease";
  watch.Observe(true, now);
  EXPECT_TRUE(watch.MayReap(now));
}

TEST(HealthWatchTest, BeginsAnewAfterAFailure) {
  HealthWatch watch(milliseconds(300), milliseconds(1000));
  SteadyTime now{};
  watch.Observe(true, now);
  watch.Observe(true, now += milliseconds(400));
  EXPECT_TRUE(watch.MayReap(now));
  watch.Observe(false, now += milliseconds(100));
  EXPECT_FALSE(watch.MayReap(now));
  watch.Observe(true, now += milliseconds(100));
  EXPECT_FALSE(watch.MayReap(now));
  watch.Observe(true, now += milliseconds(300));
  EXPECT_TRUE(watch.MayReap(now));
}

TEST(HealthWatchTest, BeginsAnewWhenItWasFrozenItself) {
  HealthWatch watch(milliseconds(300), milliseconds(1000));
  SteadyTime now{};
  watch.Observe(true, now);
  watch.Observe(true, now += milliseconds(400));
  EXPECT_FALSE(watch.MayReap(now + milliseconds(2000))) << "the last look is old";
  watch.Observe(true, now += milliseconds(2000));
  EXPECT_FALSE(watch.MayReap(now)) << "nobody knows what happened meanwhile";
}

TEST(JsonTextTest, AcceptsObjectsOnly) {
  EXPECT_TRUE(CheckPayload("{}").ok());
  for (const char* bad : {"", "[]", "1", "null", "{", "{} x", "{\"a\":}", "\"text\""}) {
    EXPECT_EQ(Reason(CheckPayload(bad)), "PAYLOAD_INVALID") << bad;
  }
  const std::string deep = "{\"a\":" + std::string(40, '[') + std::string(40, ']') + "}";
  EXPECT_EQ(Reason(CheckPayload(deep)), "PAYLOAD_INVALID");
}

TEST(JsonTextTest, MeasuresThePayload) {
  const std::string head = "{\"text\":\"", tail = "\"}";
  const std::size_t room = kPayloadBytesMax - head.size() - tail.size();
  EXPECT_TRUE(CheckPayload(head + std::string(room, 'x') + tail).ok());
  EXPECT_EQ(Reason(CheckPayload(head + std::string(room + 1, 'x') + tail)), "PAYLOAD_TOO_LARGE");
}

TEST(JsonTextTest, NamesTheFieldThatIsWrong) {
  const absl::Status missing = PayloadText("{}", "text").status();
  EXPECT_EQ(FieldViolations(missing).count("payload.text"), 1);
  EXPECT_EQ(Reason(PayloadText("{\"text\":1}", "text").status()), "PAYLOAD_INVALID");
  EXPECT_EQ(*PayloadText("{\"text\":\"a\\u0000b\"}", "text"), std::string("a\0b", 3));
  EXPECT_EQ(*PayloadInt("{\"n\":60}", "n", 0, 60), 60);
  for (const char* bad : {"{}", "{\"n\":61}", "{\"n\":-1}", "{\"n\":1.5}", "{\"n\":\"1\"}"}) {
    EXPECT_EQ(Reason(PayloadInt(bad, "n", 0, 60).status()), "PAYLOAD_INVALID") << bad;
  }
}

TEST(JsonTextTest, WritesObjectsAndLeavesAbsentMembersOut) {
  EXPECT_EQ(JsonObject({{"a", std::int64_t{1}}, {"b", std::string("x\"y")}, {"c", std::nullopt}}),
            R"({"a":1,"b":"x\"y"})");
}

}  // namespace
}  // namespace gatehouse::jobs
