#include "services/jobs/settle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/jobs/jobs_testing.h"

namespace gatehouse::jobs::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::Contains;
using ::testing::ElementsAre;

class SettleTest : public JobsTest {
 protected:
  // A job that has succeeded, not yet delivered.
  Claim Complete() {
    Submit(TextStatsRequest());
    const Claim claim = ClaimOne(*OpenSession(db_, "worker", std::chrono::seconds(30)));
    EXPECT_TRUE(CompleteAttempt(db_, claim.attempt, "{}", {{"per_job", "text.stats", 1}}).ok());
    return claim;
  }

  pg::OutboxMessage Message(const std::string& kind, const std::string& payload) {
    return {.id = 1, .subject = "job/x", .kind = kind, .payload = payload};
  }
};

TEST_F(SettleTest, CapturesUnderTheFencingTokenAndRecordsTheCost) {
  const Claim claim = Complete();
  const std::string& id = claim.attempt.job_id;
  EXPECT_FALSE(Get(id).has_cost());
  DeliverOutbox();
  const std::string token = std::to_string(claim.attempt.fencing_token);
  EXPECT_THAT(billing_.calls(),
              ElementsAre("reserve " + id, "bind " + id, "capture " + id + " " + token + " final"));
  EXPECT_EQ(Get(id).cost().amount_nanos(), kPriceNanos);
  EXPECT_EQ(Get(id).cost().currency_code(), "USD");
  EXPECT_EQ(Timeline(id).back(), "billing captured");
  EXPECT_EQ(Value("SELECT data->>'ledger_entry_id' FROM jobs.job_events"
                  " WHERE source = 'billing' AND message = 'captured'"),
            "entry-" + token);
}

TEST_F(SettleTest, RecordsARepeatedDeliveryOnce) {
  const std::string id = Complete().attempt.job_id;
  billing_.lose = [](const std::string& method) {
    return method == "capture" ? absl::UnavailableError("lost") : absl::OkStatus();
  };
  const auto capture = db_.Statement([](pg::Tx& tx) -> absl::StatusOr<std::string> {
    return pg::Bytes(
        tx.exec("SELECT payload FROM jobs.outbox WHERE kind = 'billing.capture'")[0][0]);
  });
  EXPECT_FALSE(settler_.Deliver(Message("billing.capture", *capture)).ok());
  EXPECT_FALSE(Get(id).has_cost());
  billing_.lose = nullptr;
  DeliverOutbox();
  ASSERT_TRUE(settler_.Deliver(Message("billing.capture", *capture)).ok());
  EXPECT_EQ(billing_.CountCalls("capture"), 3);
  EXPECT_EQ(billing_.CapturedNanos(id), kPriceNanos);
  EXPECT_EQ(Get(id).cost().amount_nanos(), kPriceNanos);
  EXPECT_EQ(Value("SELECT count(*) FROM jobs.job_events WHERE message = 'captured'"), "1");
}

TEST_F(SettleTest, TakesAReleaseOfAnAbsentHoldAsDone) {
  const std::string id = Submit(TextStatsRequest()).id();
  v1::CancelJobRequest cancel;
  cancel.set_id(id);
  cancel.set_tenant_id(kTenant);
  ASSERT_TRUE(service_.CancelJob(call_, cancel).ok());
  billing_.fail = [](const std::string& method) {
    return method == "release"
               ? Error(absl::StatusCode::kNotFound, "HOLD_NOT_FOUND", "no such hold")
               : absl::OkStatus();
  };
  DeliverOutbox();
  EXPECT_EQ(Value("SELECT settle_state FROM jobs.jobs"), "settled");
  EXPECT_THAT(Timeline(id), Contains("billing released"));
}

TEST_F(SettleTest, KeepsAMessageThatBillingRefuses) {
  const std::string id = Complete().attempt.job_id;
  billing_.fail = [](const std::string&) {
    return Error(absl::StatusCode::kNotFound, "HOLD_NOT_FOUND", "no such hold");
  };
  EXPECT_EQ(Reason(settler_.Deliver(Message("billing.bind", BindMessage(id).payload))),
            "HOLD_NOT_FOUND");
  EXPECT_EQ(Value("SELECT settle_state FROM jobs.jobs"), "pending");
}

TEST_F(SettleTest, RefusesWhatItCannotRead) {
  EXPECT_EQ(Reason(settler_.Deliver(Message("billing.bind", "\xFF"))), "OUTBOX_UNREADABLE");
  EXPECT_EQ(Reason(settler_.Deliver(Message("billing.gift", ""))), "OUTBOX_KIND_UNKNOWN");
  EXPECT_TRUE(billing_.calls().empty());
}

TEST_F(SettleTest, SendsAMissingMessageAgainAndOnlyThat) {
  const std::string id = Complete().attempt.job_id;
  EXPECT_EQ(*SweepUnsettled(db_, milliseconds(0)), 0) << "it is still in the outbox";
  Execute("DELETE FROM jobs.outbox");
  EXPECT_EQ(*SweepUnsettled(db_, std::chrono::hours(1)), 0) << "it has just ended";
  EXPECT_EQ(*SweepUnsettled(db_, milliseconds(0)), 1);
  EXPECT_THAT(OutboxKinds(id), ElementsAre("billing.capture"));
  DeliverOutbox();
  EXPECT_EQ(*SweepUnsettled(db_, milliseconds(0)), 0) << "it is settled";
  EXPECT_EQ(Get(id).cost().amount_nanos(), kPriceNanos);
}

TEST_F(SettleTest, LeavesAnUnfinishedJobAlone) {
  Submit(TextStatsRequest());
  Execute("DELETE FROM jobs.outbox");
  EXPECT_EQ(*SweepUnsettled(db_, milliseconds(0)), 0);
}

}  // namespace
}  // namespace gatehouse::jobs::testing
