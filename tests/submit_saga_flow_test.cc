// The submit saga on the real programs, killed at every failpoint: no hold is
// orphaned, and each job is done and billed once.
#include "tests/saga_flow.h"

namespace gatehouse {
namespace {

struct Crash {
  const char* process;
  const char* failpoint;
};

class SubmitCrash : public SagaFlow, public ::testing::WithParamInterface<Crash> {};

TEST_P(SubmitCrash, TheJobIsDoneAndBilledOnce) {
  const auto [process, failpoint] = GetParam();
  Arm(process, failpoint);
  const std::string key = std::string("crash-") + failpoint;
  CrashBy(process, failpoint, [&] { Submit(key); });
  ExpectBilledOnce(key);
}

INSTANTIATE_TEST_SUITE_P(
    EveryStep, SubmitCrash,
    ::testing::Values(
        Crash{"jobs", "jobs.submit.reserved"}, Crash{"jobs", "jobs.submit.commit"},
        Crash{"jobs", "jobs.submit.committed"}, Crash{"jobs", "jobs.claim.committed"},
        Crash{"jobs", "jobs.complete.commit"}, Crash{"jobs", "jobs.complete.committed"},
        Crash{"jobs", "jobs.outbox.delivered"}, Crash{"billing", "billing.reserve.commit"},
        Crash{"billing", "billing.reserve.committed"}, Crash{"billing", "billing.bind.commit"},
        Crash{"billing", "billing.bind.committed"}, Crash{"billing", "billing.capture.commit"},
        Crash{"billing", "billing.capture.committed"}));

TEST_F(SagaFlow, AHoldWithoutItsJobExpires) {
  Arm("jobs", "jobs.submit.commit");
  CrashBy("jobs", "jobs.submit.commit", [] { Submit("abandoned"); });
  ASSERT_EQ(JobsOf("abandoned"), "0");
  ASSERT_EQ(Holds("'reserved'"), "1");
  stack_->Sql("UPDATE billing.holds SET expire_time = now() WHERE state = 'reserved' RETURNING 1");
  EXPECT_TRUE(Eventually([&] { return Holds("'reserved'") == "0"; })) << stack_->Log("billing");
  EXPECT_EQ(stack_->Sql("SELECT sum(held_nanos) FROM billing.accounts"), "0");
  ExpectBilledOnce("abandoned");
}

TEST_F(SagaFlow, SubmitWithoutBillingQueuesNothing) {
  stack_->proxy("jobs", "billing").Cut();
  const Answer cut = Submit("cut");
  EXPECT_EQ(cut.status, 503) << cut.body;
  EXPECT_EQ(JobsOf("cut"), "0");
  stack_->proxy("jobs", "billing").Mend();
  ExpectBilledOnce("cut");
}

TEST_F(SagaFlow, AFrozenJobsProcessLosesItsJobsNotItsWork) {
  const std::string mark = stack_->directory() + "/frozen";
  ASSERT_TRUE(stack_->Restart("jobs", "jobs.claim.committed=delay:1500"));
  ASSERT_TRUE(stack_->AwaitHealthy());
  Answer made;
  ASSERT_TRUE(Eventually([&] { return (made = Submit("frozen")).status == 201; })) << made.body;
  ASSERT_TRUE(Eventually([&] {
    return stack_->Sql("SELECT state FROM jobs.jobs WHERE idempotency_key = 'frozen'") == "running";
  }));
  stack_->at("jobs").Freeze();
  harness::Process second("jobs", stack_->at("jobs").environment(), mark + ".log");
  second.environment()["GRPC_ADDRESS"] = "unix:" + mark + ".sock";
  second.environment().erase("GATEHOUSE_FAILPOINTS");
  ASSERT_TRUE(second.Start()) << second.Log();
  EXPECT_TRUE(
      Eventually([&] { return Charges(made.At("/id")) == "1 20000000"; }, std::chrono::seconds(15)))
      << second.Log();
  stack_->at("jobs").Thaw();
  EXPECT_EQ(second.Stop(), 0);
  ExpectBilledOnce("frozen");
}

TEST_F(SagaFlow, TheLedgerVerifies) {
  harness::Process verify("billing", stack_->at("billing").environment(),
                          stack_->directory() + "/verify.log");
  EXPECT_EQ(verify.Run({"verify-ledger"}), 0) << verify.Log();
}

}  // namespace
}  // namespace gatehouse
