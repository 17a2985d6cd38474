#include "services/jobs/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <atomic>
#include <set>
#include <thread>

#include "services/jobs/background.h"
#include "services/jobs/jobs_testing.h"

namespace gatehouse::jobs::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

// Short times, so that the tests need not wait long; the worker process has the
// same lease.
Background::Options QuickOptions() {
  Background::Options options;
  options.runner = QuickRunner();
  options.reaper.lease = options.runner.lease;
  options.reaper.interval = milliseconds(50);
  return options;
}

class RunnerTest : public JobsTest {
 protected:
  bool Reaches(const std::string& id, v1::Job::State state) {
    return Eventually([&] { return Get(id).state() == state; });
  }

  absl::Status Cancel(const std::string& id) {
    v1::CancelJobRequest request;
    request.set_id(id);
    request.set_tenant_id(kTenant);
    return service_.CancelJob(call_, request).status();
  }

  JobType FailingType(std::function<absl::StatusOr<std::string>(AttemptContext&)> run) {
    JobType type = *types_.Find("text.stats");
    type.run = [run](const std::string&, AttemptContext& context) { return run(context); };
    return type;
  }
};

TEST_F(RunnerTest, RunsAJobToItsResultAndItsCost) {
  Background background(db_, types_, billing_, QuickOptions());
  ASSERT_TRUE(background.Start().ok());
  const std::string id = Submit(TextStatsRequest()).id();
  background.Wake();
  ASSERT_TRUE(Eventually([&] { return Get(id).has_cost(); }));
  const v1::Job job = Get(id);
  EXPECT_EQ(job.state(), v1::Job::STATE_SUCCESS);
  EXPECT_EQ(job.result_json(),
            R"({"lines":1,"words":3,"bytes":11,)"
            R"("top_words":[{"word":"two","count":2},{"word":"one","count":1}]})");
  EXPECT_EQ(job.cost().amount_nanos(), kPriceNanos);
  EXPECT_THAT(Timeline(id), ElementsAre("api submitted", "billing reserved", "queue queued",
                                        "queue started", "worker succeeded", "billing captured"));
}

TEST_F(RunnerTest, RunsManyJobsEachOnceAndBillsEachOnce) {
  Background background(db_, types_, billing_, QuickOptions());
  ASSERT_TRUE(background.Start().ok());
  for (int i = 0; i < 50; ++i) Submit(TextStatsRequest());
  ASSERT_TRUE(Eventually([&] {
    return Value("SELECT count(*) FROM jobs.jobs WHERE settle_state = 'settled'") == "50";
  }));
  EXPECT_EQ(billing_.CountCalls("capture"), 50);
  EXPECT_EQ(Value("SELECT max(attempts) FROM jobs.jobs"), "1");
}

TEST_F(RunnerTest, StopsARunningJobThatIsCancelled) {
  Background background(db_, types_, billing_, QuickOptions());
  ASSERT_TRUE(background.Start().ok());
  const std::string id = Submit(SleepRequest(60)).id();
  ASSERT_TRUE(Reaches(id, v1::Job::STATE_RUNNING));
  ASSERT_TRUE(Cancel(id).ok());
  background.Wake();
  ASSERT_TRUE(Reaches(id, v1::Job::STATE_CANCELLED));
  ASSERT_TRUE(Eventually([&] { return Get(id).has_cost(); }));
  EXPECT_EQ(Get(id).cost().amount_nanos(), 0);
  EXPECT_EQ(billing_.CountCalls("release " + id), 1);
}

TEST_F(RunnerTest, RetriesAFailingHandlerUpToItsAttemptsThenReleases) {
  std::atomic<int> runs = 0;
  types_.Add(FailingType([&](AttemptContext&) {
    ++runs;
    return absl::InternalError("boom");
  }));
  Background background(db_, types_, billing_, QuickOptions());
  ASSERT_TRUE(background.Start().ok());
  const std::string id = Submit(TextStatsRequest()).id();
  ASSERT_TRUE(Reaches(id, v1::Job::STATE_FAILED));
  EXPECT_EQ(runs, 3);
  EXPECT_EQ(Get(id).error(), "boom");
  ASSERT_TRUE(Eventually([&] { return billing_.CountCalls("release " + id) == 1; }));
}

TEST_F(RunnerTest, NeverRetriesARefusalNorAnOversizedResult) {
  std::atomic<int> runs = 0;
  types_.Add(FailingType([&](AttemptContext&) -> absl::StatusOr<std::string> {
    if (++runs == 1) return absl::InvalidArgumentError("bad");
    return "\"" + std::string(2 << 20, 'x') + "\"";
  }));
  Background background(db_, types_, billing_, QuickOptions());
  ASSERT_TRUE(background.Start().ok());
  for (int i = 1; i <= 2; ++i) {
    EXPECT_TRUE(Reaches(Submit(TextStatsRequest()).id(), v1::Job::STATE_FAILED));
    EXPECT_EQ(runs, i);
  }
}

TEST_F(RunnerTest, LeavesNoJobRunningWhoseEndCannotBeSaved) {
  types_.Add(FailingType([&](AttemptContext&) { return "\"\xFF\""; }));
  Background background(db_, types_, billing_, QuickOptions());
  ASSERT_TRUE(background.Start().ok());
  const std::string id = Submit(TextStatsRequest()).id();
  ASSERT_TRUE(Reaches(id, v1::Job::STATE_FAILED));
  EXPECT_EQ(Get(id).attempts(), 3);
  EXPECT_EQ(Get(id).error(), "the attempt's end was not saved");
}

TEST_F(RunnerTest, DeliversInOrderThroughAnOutageOfBilling) {
  std::atomic<bool> down = true;
  billing_.fail = [&](const std::string& method) {
    return down && method != "reserve" ? absl::UnavailableError("down") : absl::OkStatus();
  };
  Background background(db_, types_, billing_, QuickOptions());
  ASSERT_TRUE(background.Start().ok());
  const std::string id = Submit(TextStatsRequest()).id();
  ASSERT_TRUE(Reaches(id, v1::Job::STATE_SUCCESS));
  EXPECT_FALSE(Get(id).has_cost());
  down = false;
  ASSERT_TRUE(Eventually([&] { return Get(id).has_cost(); }));
  EXPECT_EQ(billing_.CountCalls("bind"), 1);
  EXPECT_EQ(billing_.CountCalls("capture"), 1);
  EXPECT_EQ(billing_.calls()[1], "bind " + id);
}

TEST_F(RunnerTest, GivesItsJobsBackAtOnceWhenItStops) {
  const Background::Options options = QuickOptions();
  Runner leaving(db_, types_, options.runner, [] {});
  leaving.Start();
  const std::string id = Submit(SleepRequest(60)).id();
  ASSERT_TRUE(Reaches(id, v1::Job::STATE_RUNNING));
  leaving.Stop();
  EXPECT_EQ(Get(id).state(), v1::Job::STATE_QUEUED);
  EXPECT_EQ(Get(id).attempts(), 0);
  EXPECT_EQ(Value("SELECT count(*) FROM jobs.worker_sessions"), "0");
  Runner next(db_, types_, options.runner, [] {});
  next.Start();
  EXPECT_TRUE(Reaches(id, v1::Job::STATE_RUNNING));
}

TEST_F(RunnerTest, DropsItsJobsAndOpensANewSessionWhenItsLeaseIsLost) {
  Runner runner(db_, types_, QuickOptions().runner, [] {});
  runner.Start();
  const std::string id = Submit(SleepRequest(60)).id();
  ASSERT_TRUE(Reaches(id, v1::Job::STATE_RUNNING));
  const std::string lost = Value("SELECT id FROM jobs.worker_sessions");
  ASSERT_EQ(*CloseSession(db_, lost), 1);
  ASSERT_TRUE(Eventually(
      [&] { return Value("SELECT lease_session <> '" + lost + "' FROM jobs.jobs") == "t"; }));
  EXPECT_EQ(Get(id).attempts(), 1);
}

TEST_F(RunnerTest, ReapsOnlyAfterAHealthyLeaseOfItsOwn) {
  Submit(TextStatsRequest());
  const std::string session = *OpenSession(db_, "dead", milliseconds(1));
  Execute("UPDATE jobs.worker_sessions SET lease_expire_time = now() + interval '1 minute'");
  ClaimOne(session);
  Execute("UPDATE jobs.worker_sessions SET lease_expire_time = now() - interval '1 minute'");
  const auto began = std::chrono::steady_clock::now();
  std::atomic<std::int64_t> reaped_after_millis = -1;
  Reaper reaper(db_, QuickOptions().reaper, [&] {
    reaped_after_millis =
        std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - began).count();
  });
  ASSERT_TRUE(Eventually([&] { return reaped_after_millis >= 0; }));
  EXPECT_GE(reaped_after_millis, 900) << "the lease had ended long before it began to watch";
}

TEST_F(RunnerTest, ExpiresNobodyAfterTheDatabaseWasAwayForLongerThanALease) {
  const auto count = [&](const std::string& name) {
    return Value("SELECT count(*) FROM jobs.worker_sessions WHERE name = '" + name + "'");
  };
  Reaper reaper(db_, QuickOptions().reaper, [] {});
  ASSERT_TRUE(OpenSession(db_, "dead", milliseconds(1)).ok());
  ASSERT_TRUE(Eventually([&] { return count("dead") == "0"; })) << "it reaps";
  Submit(TextStatsRequest());
  const std::string session = *OpenSession(db_, "worker", std::chrono::seconds(30));
  ClaimOne(session);
  // Nobody can renew a lease meanwhile, and the worker's ends.
  pg::Database owner({.url = database_->Url("gatehouse_jobs_owner")});
  const absl::Status locked = owner.InTransaction([](pg::Tx& tx) -> absl::Status {
    tx.exec("LOCK TABLE jobs.worker_sessions IN ACCESS EXCLUSIVE MODE");
    tx.exec(
        "UPDATE jobs.worker_sessions SET lease_expire_time = now() - interval '1 minute'"
        " WHERE name = 'worker'");
    tx.exec("SELECT pg_sleep(1)");
    return absl::OkStatus();
  });
  ASSERT_TRUE(locked.ok()) << locked;
  std::set<std::string> looks;
  ASSERT_TRUE(Eventually([&] {
    looks.insert(Value("SELECT heartbeat_time FROM jobs.worker_sessions WHERE name = 'reaper'"));
    return looks.size() >= 4;
  })) << "it looks again";
  EXPECT_TRUE(RenewSession(db_, session, milliseconds(900))->alive);
  EXPECT_TRUE(Eventually([&] { return count("worker") == "0"; })) << "it reaps again later";
}

// A process that runs jobs until it is killed.
pid_t SpawnWorker(const std::string& url, const std::string& failpoints = "") {
  std::string program = JOBS_TEST_WORKER, database = "WORKER_DATABASE_URL=" + url;
  std::string armed = "GATEHOUSE_FAILPOINTS=" + failpoints;
  char* arguments[] = {program.data(), nullptr};
  char* environment[] = {database.data(), armed.data(), nullptr};
  pid_t pid = -1;
  EXPECT_EQ(posix_spawn(&pid, program.c_str(), nullptr, nullptr, arguments, environment), 0);
  return pid;
}

class KilledWorkerTest : public RunnerTest, public ::testing::WithParamInterface<int> {};

TEST_P(KilledWorkerTest, LosesItsJobToAnotherWithinALeaseAndASecond) {
  const pid_t child = SpawnWorker(database_->Url("gatehouse_jobs"));
  const std::string id = Submit(SleepRequest(2)).id();
  ASSERT_TRUE(Reaches(id, v1::Job::STATE_RUNNING));
  Background background(db_, types_, billing_, QuickOptions());
  ASSERT_TRUE(background.Start().ok());
  // The survivor has watched for a lease when the other dies.
  std::this_thread::sleep_for(QuickOptions().reaper.lease + milliseconds(100));
  const std::string token = Value("SELECT fencing_token FROM jobs.jobs");
  kill(child, GetParam());
  const auto killed = std::chrono::steady_clock::now();
  EXPECT_TRUE(Eventually([&] {
    return Value("SELECT count(*) FROM jobs.jobs WHERE state = 'running' AND fencing_token <> " +
                 token) == "1";
  }));
  EXPECT_LE(std::chrono::steady_clock::now() - killed, milliseconds(900 + 1000));
  // A frozen worker comes back in the middle of it, and is refused.
  kill(child, SIGCONT);
  ASSERT_TRUE(Reaches(id, v1::Job::STATE_SUCCESS));
  ASSERT_TRUE(Eventually([&] { return Get(id).has_cost(); }));
  EXPECT_EQ(Get(id).attempts(), 2);
  EXPECT_EQ(billing_.CountCalls("capture"), 1);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

INSTANTIATE_TEST_SUITE_P(KilledAndFrozen, KilledWorkerTest, ::testing::Values(SIGKILL, SIGSTOP));

class FailpointTest : public RunnerTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(FailpointTest, AJobWhoseWorkerDiesThereEndsAndIsBilledOnce) {
  Background background(db_, types_, billing_, QuickOptions());
  const std::string id = Submit(TextStatsRequest()).id();
  const pid_t worker =
      SpawnWorker(database_->Url("gatehouse_jobs"), std::string(GetParam()) + "=crash");
  int status = 0;
  ASSERT_EQ(waitpid(worker, &status, 0), worker);
  ASSERT_TRUE(WIFSIGNALED(status)) << "it passed the failpoint";
  ASSERT_TRUE(background.Start().ok());
  ASSERT_TRUE(Eventually([&] { return Get(id).has_cost(); }));
  EXPECT_EQ(Get(id).state(), v1::Job::STATE_SUCCESS);
  EXPECT_EQ(Get(id).cost().amount_nanos(), kPriceNanos);
  EXPECT_EQ(billing_.CountCalls("capture"), 1);
}

INSTANTIATE_TEST_SUITE_P(OfAWorker, FailpointTest,
                         ::testing::Values("jobs.claim.committed", "jobs.complete.commit",
                                           "jobs.complete.committed"));

}  // namespace
}  // namespace gatehouse::jobs::testing
