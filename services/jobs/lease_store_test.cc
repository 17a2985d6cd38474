#include "services/jobs/lease_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "services/jobs/jobs_testing.h"

namespace gatehouse::jobs::testing {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

const std::vector<UsageLine> kOneJob = {{"per_job", "text.stats", 1}};

class LeaseStoreTest : public JobsTest {
 protected:
  std::string Open() {
    const auto session = OpenSession(db_, "worker", seconds(30));
    EXPECT_TRUE(session.ok()) << session.status();
    return *session;
  }

  // As if the worker had been silent for longer than its lease.
  void Freeze(const std::string& session) {
    Execute(
        "UPDATE jobs.worker_sessions SET lease_expire_time = now() - interval '1 second'"
        " WHERE id = '" +
        session + "'");
  }

  void MakeReady() { Execute("UPDATE jobs.jobs SET run_time = now() WHERE state = 'queued'"); }
};

TEST_F(LeaseStoreTest, ClaimsTheMostUrgentThenTheOldestFirst) {
  v1::SubmitJobRequest request = TextStatsRequest();
  request.set_priority(1);
  const std::string low = Submit(request).id();
  const std::string first = Submit(TextStatsRequest()).id();
  const std::string second = Submit(TextStatsRequest()).id();
  request.set_priority(9);
  const std::string urgent = Submit(request).id();
  std::vector<std::string> order;
  const auto claims = ClaimJobs(db_, Open(), types_.Names(), 10);
  ASSERT_TRUE(claims.ok()) << claims.status();
  for (const Claim& claim : *claims) {
    order.push_back(claim.attempt.job_id);
  }
  EXPECT_THAT(order, ElementsAre(urgent, first, second, low));
}

TEST_F(LeaseStoreTest, ClaimsOnlyTypesThatTheWorkerKnows) {
  Submit(TextStatsRequest());
  EXPECT_TRUE(ClaimJobs(db_, Open(), {"sleep"}, 10)->empty());
  EXPECT_TRUE(ClaimJobs(db_, Open(), {}, 10)->empty());
}

TEST_F(LeaseStoreTest, MarksAClaimedJobRunningAndTellsOfIt) {
  const std::string id = Submit(TextStatsRequest()).id();
  const Claim claim = ClaimOne(Open());
  EXPECT_EQ(claim.number, 1);
  EXPECT_EQ(claim.tenant_id, kTenant);
  EXPECT_EQ(claim.payload, R"({"text":"one two two"})");
  EXPECT_EQ(claim.trace_id, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_GT(claim.attempt.fencing_token, 0);
  EXPECT_EQ(Get(id).state(), v1::Job::STATE_RUNNING);
  EXPECT_EQ(Get(id).attempts(), 1);
  EXPECT_TRUE(Get(id).has_start_time());
  EXPECT_EQ(Value("SELECT count(*) FROM jobs.events WHERE type = 'execution.started'"), "1");
}

TEST_F(LeaseStoreTest, GivesEachOfTwoHundredJobsToOneOfEightWorkers) {
  for (int i = 0; i < 200; ++i) Submit(TextStatsRequest());
  std::mutex mutex;
  std::map<std::string, int> claims_by_job;
  std::vector<std::thread> workers;
  for (int i = 0; i < 8; ++i) {
    workers.emplace_back([&] {
      const std::string session = Open();
      while (true) {
        const auto claims = ClaimJobs(db_, session, types_.Names(), 7);
        ASSERT_TRUE(claims.ok()) << claims.status();
        if (claims->empty()) return;
        const std::lock_guard lock(mutex);
        for (const Claim& claim : *claims) ++claims_by_job[claim.attempt.job_id];
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(claims_by_job.size(), 200);
  for (const auto& [id, count] : claims_by_job) EXPECT_EQ(count, 1) << id;
  EXPECT_EQ(Value("SELECT count(DISTINCT fencing_token) FROM jobs.jobs"), "200");
}

TEST_F(LeaseStoreTest, ClaimsNothingWithoutALiveLease) {
  Submit(TextStatsRequest());
  const std::string session = Open();
  Freeze(session);
  EXPECT_TRUE(ClaimJobs(db_, session, types_.Names(), 10)->empty());
  ASSERT_TRUE(CloseSession(db_, session).ok());
  EXPECT_TRUE(ClaimJobs(db_, session, types_.Names(), 10)->empty());
}

TEST_F(LeaseStoreTest, RenewsALateLeaseThatWasNotReaped) {
  Submit(TextStatsRequest());
  const std::string session = Open();
  ClaimOne(session);
  Freeze(session);
  EXPECT_TRUE(RenewSession(db_, session, seconds(30))->alive);
  EXPECT_EQ(*ReapSessions(db_), 0);
}

TEST_F(LeaseStoreTest, CompletesWithResultEventsAndOneCapture) {
  const std::string id = Submit(TextStatsRequest()).id();
  const Claim claim = ClaimOne(Open());
  ASSERT_TRUE(CompleteAttempt(db_, claim.attempt, R"({"lines":1})", kOneJob).ok());
  EXPECT_EQ(Get(id).state(), v1::Job::STATE_SUCCESS);
  EXPECT_EQ(Get(id).result_json(), R"({"lines":1})");
  EXPECT_TRUE(Get(id).has_end_time());
  EXPECT_THAT(OutboxKinds(id), ElementsAre("billing.bind", "billing.capture"));
  EXPECT_EQ(Value("SELECT data->>'execution_id' FROM jobs.events"
                  " WHERE type = 'execution.completed'"),
            id);
  EXPECT_TRUE(CompleteAttempt(db_, claim.attempt, R"({"lines":1})", kOneJob).ok())
      << "the same attempt may say it again";
  EXPECT_EQ(OutboxKinds(id).size(), 2) << "but is billed once";
}

TEST_F(LeaseStoreTest, RefusesEverythingFromAStaleAttempt) {
  const std::string id = Submit(TextStatsRequest()).id();
  const std::string frozen = Open();
  const Claim stale = ClaimOne(frozen);
  Freeze(frozen);
  ASSERT_EQ(*ReapSessions(db_), 1);
  EXPECT_FALSE(RenewSession(db_, frozen, seconds(30))->alive);
  const Claim fresh = ClaimOne(Open());
  EXPECT_EQ(fresh.attempt.job_id, id);
  EXPECT_EQ(fresh.number, 2);
  EXPECT_GT(fresh.attempt.fencing_token, stale.attempt.fencing_token);

  EXPECT_EQ(Reason(CompleteAttempt(db_, stale.attempt, "{}", kOneJob)), "ATTEMPT_STALE");
  EXPECT_EQ(Reason(SaveProgress(db_, stale.attempt, 50, "half")), "ATTEMPT_STALE");
  EXPECT_EQ(Reason(FailAttempt(db_, stale.attempt, {.usage = kOneJob}).status()), "ATTEMPT_STALE");
  EXPECT_EQ(Get(id).state(), v1::Job::STATE_RUNNING);

  ASSERT_TRUE(CompleteAttempt(db_, fresh.attempt, "{}", kOneJob).ok());
  EXPECT_EQ(Reason(CompleteAttempt(db_, stale.attempt, "{}", kOneJob)), "ATTEMPT_STALE");
  EXPECT_THAT(OutboxKinds(id), ElementsAre("billing.bind", "billing.capture"));
  DeliverOutbox();
  EXPECT_EQ(billing_.CountCalls("capture"), 1);
  EXPECT_EQ(billing_.CountCalls("capture " + id + " " +
                                std::to_string(fresh.attempt.fencing_token) + " final"),
            1);
}

TEST_F(LeaseStoreTest, CompletesARescuedJobOnceThoughBothWorkersTry) {
  const std::string id = Submit(TextStatsRequest()).id();
  const std::string frozen = Open();
  const Claim stale = ClaimOne(frozen);
  Freeze(frozen);
  ASSERT_TRUE(ReapSessions(db_).ok());
  const Claim fresh = ClaimOne(Open());
  std::atomic<int> completed = 0;
  std::vector<std::thread> workers;
  for (const Attempt& attempt : {stale.attempt, fresh.attempt, stale.attempt, fresh.attempt}) {
    workers.emplace_back([&, attempt] {
      const bool ok = CompleteAttempt(db_, attempt, "{}", kOneJob).ok();
      if (ok && attempt.fencing_token == stale.attempt.fencing_token) completed += 100;
      completed += ok;
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(completed, 2) << "the fresh attempt, and its repeat";
  EXPECT_THAT(OutboxKinds(id), ElementsAre("billing.bind", "billing.capture"));
}

TEST_F(LeaseStoreTest, TellsProgress) {
  const std::string id = Submit(TextStatsRequest()).id();
  const Claim claim = ClaimOne(Open());
  ASSERT_TRUE(SaveProgress(db_, claim.attempt, 50, "half").ok());
  EXPECT_EQ(Timeline(id).back(), "worker half");
  EXPECT_EQ(Value("SELECT data->>'progress' FROM jobs.events WHERE type = 'execution.progress'"),
            "50");
}

TEST_F(LeaseStoreTest, RetriesWithABackOffThenFailsAndReleases) {
  const std::string id = Submit(TextStatsRequest()).id();
  const std::string session = Open();
  for (int attempt = 1; attempt <= 2; ++attempt) {
    EXPECT_EQ(*FailAttempt(db_, ClaimOne(session).attempt, {.error = "boom"}), State::kQueued);
    EXPECT_EQ(Get(id).error(), "") << "it has not failed yet";
    EXPECT_TRUE(ClaimJobs(db_, session, types_.Names(), 1)->empty()) << "it backs off";
    MakeReady();
  }
  EXPECT_THAT(OutboxKinds(id), ElementsAre("billing.bind"));
  EXPECT_EQ(*FailAttempt(db_, ClaimOne(session).attempt, {.error = "boom"}), State::kFailed);
  EXPECT_EQ(Get(id).state(), v1::Job::STATE_FAILED);
  EXPECT_EQ(Get(id).error(), "boom");
  EXPECT_EQ(Get(id).attempts(), 3);
  EXPECT_THAT(OutboxKinds(id), ElementsAre("billing.bind", "billing.release"));
  EXPECT_EQ(Value("SELECT data->>'error' FROM jobs.events WHERE type = 'execution.failed'"),
            "boom");
}

TEST_F(LeaseStoreTest, FailsAtOnceWhenAnotherAttemptWouldFailToo) {
  Submit(TextStatsRequest());
  EXPECT_EQ(
      *FailAttempt(db_, ClaimOne(Open()).attempt, {.ending = Ending::kRefused, .error = "bad"}),
      State::kFailed);
}

TEST_F(LeaseStoreTest, BillsUsageOfFailedAttemptsAndEndsTheHold) {
  v1::SubmitJobRequest request = TextStatsRequest();
  request.set_attempts_max(2);
  const std::string id = Submit(request).id();
  const std::string session = Open();
  ASSERT_TRUE(FailAttempt(db_, ClaimOne(session).attempt, {.usage = kOneJob}).ok());
  MakeReady();
  ASSERT_TRUE(FailAttempt(db_, ClaimOne(session).attempt, {.usage = kOneJob}).ok());
  EXPECT_THAT(OutboxKinds(id), ElementsAre("billing.bind", "billing.capture", "billing.capture"));
  DeliverOutbox();
  const std::vector<std::string> calls = billing_.calls();
  ASSERT_EQ(calls.size(), 4);
  EXPECT_THAT(calls[2], ::testing::EndsWith(" part"));
  EXPECT_THAT(calls[3], ::testing::EndsWith(" final"));
  EXPECT_EQ(Get(id).cost().amount_nanos(), 2 * kPriceNanos);
}

TEST_F(LeaseStoreTest, FailsAJobWhoseWorkersKeepDying) {
  v1::SubmitJobRequest request = TextStatsRequest();
  request.set_attempts_max(2);
  const std::string id = Submit(request).id();
  for (int i = 0; i < 2; ++i) {
    const std::string session = Open();
    ClaimOne(session);
    Freeze(session);
    EXPECT_EQ(*ReapSessions(db_), 1);
  }
  EXPECT_EQ(Get(id).state(), v1::Job::STATE_FAILED);
  EXPECT_EQ(Get(id).error(), "the worker's lease ended");
  EXPECT_THAT(OutboxKinds(id), ElementsAre("billing.bind", "billing.release"));
}

TEST_F(LeaseStoreTest, CancelsALostJobWhoseCancelWasRequested) {
  const std::string id = Submit(TextStatsRequest()).id();
  const std::string session = Open();
  ClaimOne(session);
  v1::CancelJobRequest cancel;
  cancel.set_id(id);
  cancel.set_tenant_id(kTenant);
  ASSERT_TRUE(service_.CancelJob(call_, cancel).ok());
  Freeze(session);
  ASSERT_TRUE(ReapSessions(db_).ok());
  EXPECT_EQ(Get(id).state(), v1::Job::STATE_CANCELLED);
}

TEST_F(LeaseStoreTest, GivesLeasesBackAtOnceWithoutCountingTheAttempt) {
  const std::string id = Submit(TextStatsRequest()).id();
  const std::string session = Open();
  const Claim claim = ClaimOne(session);
  EXPECT_EQ(*CloseSession(db_, session), 1);
  EXPECT_EQ(*CloseSession(db_, session), 0);
  EXPECT_EQ(Get(id).attempts(), 0);
  EXPECT_EQ(Reason(CompleteAttempt(db_, claim.attempt, "{}", kOneJob)), "ATTEMPT_STALE");
  EXPECT_EQ(ClaimOne(Open()).attempt.job_id, id);
}

TEST_F(LeaseStoreTest, LosesNoJobWhenClaimsAndTheReaperRace) {
  v1::SubmitJobRequest request = TextStatsRequest();
  request.set_attempts_max(25);
  for (int i = 0; i < 60; ++i) Submit(request);
  std::atomic<int> completed = 0;
  std::atomic<bool> done = false;
  std::thread reaper([&] {
    while (!done) {
      // Ends leases at any moment, also while one is just being used for a claim.
      Execute(
          "UPDATE jobs.worker_sessions SET lease_expire_time = now() - interval '1 second'"
          " WHERE random() < 0.3");
      EXPECT_TRUE(ReapSessions(db_).ok());
    }
  });
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([&] {
      while (!done) {
        const auto claims = ClaimJobs(db_, Open(), types_.Names(), 3);
        ASSERT_TRUE(claims.ok()) << claims.status();
        for (const Claim& claim : *claims) {
          completed += CompleteAttempt(db_, claim.attempt, "{}", kOneJob).ok();
        }
      }
    });
  }
  EXPECT_TRUE(Eventually([&] { return completed == 60; })) << completed;
  done = true;
  for (std::thread& worker : workers) worker.join();
  reaper.join();
  EXPECT_EQ(Value("SELECT count(*) FROM jobs.jobs WHERE state = 'success'"), "60");
  EXPECT_EQ(Value("SELECT count(*) FROM jobs.outbox WHERE kind = 'billing.capture'"), "60");
}

}  // namespace
}  // namespace gatehouse::jobs::testing
