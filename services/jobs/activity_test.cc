#include "services/jobs/activity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/jobs/jobs_testing.h"

namespace gatehouse::jobs::testing {
namespace {

const std::vector<UsageLine> kTokens = {{"prompt_tokens", "local/tiny", 100},
                                        {"embedding_tokens", "local/tiny", 10},
                                        {"completion_tokens", "local/tiny", 7},
                                        {"per_job", "text.stats", 1}};

TEST(TokensTest, AreThoseThatGoInAndThoseThatComeOut) {
  EXPECT_EQ(TokensOf(kTokens).in, 110);
  EXPECT_EQ(TokensOf(kTokens).out, 7);
  EXPECT_EQ(TokensOf({}).in, 0);
}

TEST(TokensTest, NeverOverflowNorShrink) {
  const std::vector<UsageLine> absurd = {{"prompt_tokens", "a/b", INT64_MAX},
                                         {"prompt_tokens", "a/c", INT64_MAX},
                                         {"completion_tokens", "a/b", -5}};
  EXPECT_EQ(TokensOf(absurd).in, 1'000'000'000'000'000);
  EXPECT_EQ(TokensOf(absurd).out, 0);
}

class ActivityTest : public JobsTest {
 protected:
  absl::StatusOr<v1::Activity> Ask(std::int64_t tenant_id) {
    v1::GetActivityRequest request;
    request.set_tenant_id(tenant_id);
    return service_.GetActivity(call_, request);
  }
  v1::Activity Now() {
    const auto activity = Ask(kTenant);
    EXPECT_TRUE(activity.ok()) << activity.status();
    return activity.ok() ? *activity : v1::Activity();
  }
  std::string Open() { return *OpenSession(db_, "worker", std::chrono::seconds(30)); }

  // The one request of this kind that the outbox holds.
  template <typename Request>
  Request Owed(const std::string& kind) {
    const auto payload = db_.Read([&](pg::Tx& tx) -> absl::StatusOr<std::string> {
      return pg::Bytes(tx.exec_params1("SELECT payload FROM jobs.outbox WHERE kind = $1", kind)[0]);
    });
    Request request;
    EXPECT_TRUE(payload.ok() && request.ParseFromString(*payload)) << payload.status();
    return request;
  }
};

TEST_F(ActivityTest, CountsWhatWaitsAndWhatRuns) {
  for (int i = 0; i < 3; ++i) Submit(TextStatsRequest());
  const Claim claim = ClaimOne(Open());
  EXPECT_EQ(Now().jobs_queued(), 2);
  EXPECT_EQ(Now().jobs_running(), 1);
  ASSERT_TRUE(CompleteAttempt(db_, claim.attempt, "{}", {}).ok());
  EXPECT_EQ(Now().jobs_running(), 0);
}

TEST_F(ActivityTest, AddsTheTokensOfEveryAttemptOnceHoweverOftenTheyAreDelivered) {
  Submit(TextStatsRequest());
  const std::string session = Open();
  const Claim first = ClaimOne(session);
  ASSERT_TRUE(FailAttempt(db_, first.attempt, {.error = "again", .usage = kTokens}).ok());
  EXPECT_EQ(Now().tokens_in(), 110);
  EXPECT_FALSE(FailAttempt(db_, first.attempt, {.error = "again", .usage = kTokens}).ok())
      << "the attempt has ended";
  Execute("UPDATE jobs.jobs SET run_time = now()");
  const Claim second = ClaimOne(session);
  ASSERT_TRUE(CompleteAttempt(db_, second.attempt, "{}", kTokens).ok());
  ASSERT_TRUE(CompleteAttempt(db_, second.attempt, "{}", kTokens).ok()) << "it has completed";
  DeliverOutbox();
  EXPECT_EQ(Now().tokens_in(), 220);
  EXPECT_EQ(Now().tokens_out(), 14);
}

TEST_F(ActivityTest, ForgetsTheJobsOfLastMonthAndThoseOfOthers) {
  Submit(TextStatsRequest());
  const Claim claim = ClaimOne(Open());
  ASSERT_TRUE(CompleteAttempt(db_, claim.attempt, "{}", kTokens).ok());
  EXPECT_EQ(Now().tokens_in(), 110);
  Execute("UPDATE jobs.jobs SET tenant_id = 8");
  EXPECT_EQ(Now().tokens_in(), 0) << "another tenant's";
  Execute(
      "UPDATE jobs.jobs SET tenant_id = 7, "
      "create_time = date_trunc('month', now()) - interval '1 microsecond'");
  EXPECT_EQ(Now().tokens_in(), 0) << "last month's";
}

TEST_F(ActivityTest, IsShownToTheTenantItselfAndToStaff) {
  EXPECT_EQ(Reason(Ask(kOtherTenant).status()), "TENANT_FORBIDDEN");
  FakeCall staff(kOtherTenant, "admin");
  v1::GetActivityRequest request;
  EXPECT_EQ(Reason(service_.GetActivity(staff, request).status()), "TENANT_INVALID");
  request.set_tenant_id(kTenant);
  EXPECT_TRUE(service_.GetActivity(staff, request).ok());
}

TEST_F(ActivityTest, TheLastMessageTellsBillingHowTheWorkEnded) {
  Submit(TextStatsRequest());
  const std::string session = Open();
  const Claim done = ClaimOne(session);
  ASSERT_TRUE(CompleteAttempt(db_, done.attempt, "{}", {}).ok());
  EXPECT_EQ(Owed<billing::v1::CaptureRequest>("billing.capture").outcome(),
            billing::v1::WORK_OUTCOME_SUCCESS);
  DeliverOutbox();

  Submit(TextStatsRequest());
  const Claim failed = ClaimOne(session);
  ASSERT_TRUE(FailAttempt(db_, failed.attempt, {.ending = Ending::kRefused}).ok());
  EXPECT_EQ(Owed<billing::v1::ReleaseRequest>("billing.release").outcome(),
            billing::v1::WORK_OUTCOME_FAILED);
  DeliverOutbox();

  v1::CancelJobRequest cancel;
  cancel.set_id(Submit(TextStatsRequest()).id());
  cancel.set_tenant_id(kTenant);
  ASSERT_TRUE(service_.CancelJob(call_, cancel).ok());
  EXPECT_EQ(Owed<billing::v1::ReleaseRequest>("billing.release").outcome(),
            billing::v1::WORK_OUTCOME_CANCELLED);
}

TEST_F(ActivityTest, APartOfTheUsageTellsNoOutcome) {
  Submit(TextStatsRequest());
  const Claim claim = ClaimOne(Open());
  ASSERT_TRUE(FailAttempt(db_, claim.attempt, {.error = "again", .usage = kTokens}).ok());
  const auto part = Owed<billing::v1::CaptureRequest>("billing.capture");
  EXPECT_FALSE(part.final());
  EXPECT_EQ(part.outcome(), billing::v1::WORK_OUTCOME_UNSPECIFIED);
}

TEST_F(ActivityTest, AMessageOfBeforeOutcomesWereToldIsStillDelivered) {
  const std::string id = Submit(TextStatsRequest()).id();
  const Claim claim = ClaimOne(Open());
  ASSERT_TRUE(CompleteAttempt(db_, claim.attempt, "{}", {{"per_job", "text.stats", 1}}).ok());
  auto old = Owed<billing::v1::CaptureRequest>("billing.capture");
  old.clear_outcome();
  ASSERT_TRUE(settler_
                  .Deliver({.id = 1,
                            .subject = "job/" + id,
                            .kind = "billing.capture",
                            .payload = old.SerializeAsString()})
                  .ok());
  EXPECT_EQ(Get(id).cost().amount_nanos(), kPriceNanos);
}

}  // namespace
}  // namespace gatehouse::jobs::testing
