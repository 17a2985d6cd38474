#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "services/jobs/jobs_testing.h"
#include "services/jobs/json_text.h"

namespace gatehouse::jobs::testing {
namespace {

using ::testing::ElementsAre;

class SubmitTest : public JobsTest {
 protected:
  std::string ReasonOf(const v1::SubmitJobRequest& request) {
    return Reason(service_.SubmitJob(call_, request).status());
  }
  int JobCount() { return std::stoi(Value("SELECT count(*) FROM jobs.jobs")); }
};

TEST_F(SubmitTest, ReservesAndQueuesTheJob) {
  billing_.warnings = {"the balance is low"};
  const auto response = service_.SubmitJob(call_, TextStatsRequest("key-1"));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_TRUE(response->created());
  EXPECT_THAT(response->warnings(), ElementsAre("the balance is low"));
  const v1::Job& job = response->job();
  EXPECT_EQ(job.state(), v1::Job::STATE_QUEUED);
  EXPECT_EQ(job.tenant_id(), kTenant);
  EXPECT_EQ(job.user_id(), kAda);
  EXPECT_EQ(job.trigger(), "api");
  EXPECT_EQ(job.priority(), 4);
  EXPECT_EQ(job.attempts(), 0);
  EXPECT_EQ(job.attempts_max(), 3);
  EXPECT_EQ(job.payload_json(), R"({"text":"one two two"})");
  EXPECT_EQ(job.trace_id(), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_FALSE(job.has_cost());
  EXPECT_THAT(billing_.calls(), ElementsAre("reserve " + job.id()));
  EXPECT_EQ(billing_.tool(), job.type());
  EXPECT_THAT(OutboxKinds(job.id()), ElementsAre("billing.bind"));
  EXPECT_THAT(Timeline(job.id()), ElementsAre("api submitted", "billing reserved", "queue queued"));
  EXPECT_EQ(Value("SELECT type || ' ' || subject || ' ' || (data->>'status') FROM jobs.events"),
            "execution.queued job/" + job.id() + " queued");
}

TEST_F(SubmitTest, GivesTheSameJobForTheSameKey) {
  const v1::Job first = Submit(TextStatsRequest("key-1"));
  const auto again = service_.SubmitJob(call_, TextStatsRequest("key-1"));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->created());
  EXPECT_EQ(again->job().id(), first.id());
  EXPECT_EQ(JobCount(), 1);
  EXPECT_EQ(billing_.CountCalls("reserve"), 1) << "a known key costs no reservation";
}

TEST_F(SubmitTest, MakesANewJobEachTimeWithoutAKey) {
  EXPECT_NE(Submit(TextStatsRequest()).id(), Submit(TextStatsRequest()).id());
}

TEST_F(SubmitTest, RefusesAnotherRequestUnderTheSameKey) {
  Submit(TextStatsRequest("key-1"));
  v1::SubmitJobRequest other = TextStatsRequest("key-1");
  other.set_payload_json(R"({"text":"three"})");
  const absl::Status status = service_.SubmitJob(call_, other).status();
  EXPECT_TRUE(absl::IsAlreadyExists(status));
  EXPECT_EQ(Reason(status), "IDEMPOTENCY_KEY_REUSED");
}

TEST_F(SubmitTest, KeepsTheKeysOfTenantsApart) {
  const v1::Job first = Submit(TextStatsRequest("key-1"));
  FakeCall other_call(kOtherTenant);
  v1::SubmitJobRequest other = TextStatsRequest("key-1");
  other.set_tenant_id(kOtherTenant);
  other.set_payload_json(R"({"text":"three"})");
  const auto response = service_.SubmitJob(other_call, other);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_NE(response->job().id(), first.id());
}

TEST_F(SubmitTest, MakesOneJobOfSixteenParallelSubmissions) {
  std::atomic<int> created = 0;
  std::set<std::string> ids;
  std::mutex mutex;
  std::vector<std::thread> threads;
  threads.reserve(16);
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&] {
      FakeCall call;
      const auto response = service_.SubmitJob(call, TextStatsRequest("key-1"));
      ASSERT_TRUE(response.ok()) << response.status();
      created += response->created();
      const std::lock_guard lock(mutex);
      ids.insert(response->job().id());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(created, 1);
  EXPECT_EQ(ids.size(), 1);
  EXPECT_EQ(JobCount(), 1);
  EXPECT_THAT(OutboxKinds(*ids.begin()), ElementsAre("billing.bind"));
  EXPECT_EQ(Timeline(*ids.begin()).size(), 3);
}

TEST_F(SubmitTest, PassesARefusalOnUnchangedAndStoresNothing) {
  billing_.fail = [](const std::string&) {
    return Error(absl::StatusCode::kFailedPrecondition, "RESERVE_INSUFFICIENT", "no funds",
                 {{"balance_nanos", "5"}, {"required_nanos", "20000000"}});
  };
  const absl::Status refused = service_.SubmitJob(call_, TextStatsRequest("key-1")).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_EQ(Reason(refused), "RESERVE_INSUFFICIENT");
  EXPECT_EQ(ReasonMetadata(refused, "balance_nanos"), "5");
  EXPECT_EQ(ReasonMetadata(refused, "required_nanos"), "20000000");
  EXPECT_EQ(JobCount(), 0);
  EXPECT_EQ(Value("SELECT count(*) FROM jobs.outbox"), "0");

  billing_.fail = nullptr;
  EXPECT_EQ(Submit(TextStatsRequest("key-1")).state(), v1::Job::STATE_QUEUED)
      << "a top-up cures the refusal";
}

TEST_F(SubmitTest, QueuesNothingWhileBillingDoesNotDecide) {
  for (absl::StatusCode code :
       {absl::StatusCode::kUnavailable, absl::StatusCode::kDeadlineExceeded,
        absl::StatusCode::kInternal, absl::StatusCode::kResourceExhausted}) {
    billing_.fail = [&](const std::string&) { return absl::Status(code, "down"); };
    const absl::Status status = service_.SubmitJob(call_, TextStatsRequest("key-1")).status();
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_EQ(Reason(status), "BILLING_UNAVAILABLE");
  }
  EXPECT_EQ(JobCount(), 0);
}

TEST_F(SubmitTest, RepeatsAReservationWhoseAnswerWasLostUnderTheSameKey) {
  billing_.lose = [](const std::string&) { return absl::DeadlineExceededError("lost"); };
  EXPECT_EQ(ReasonOf(TextStatsRequest("key-1")), "BILLING_UNAVAILABLE");
  billing_.lose = nullptr;
  const v1::Job job = Submit(TextStatsRequest("key-1"));
  EXPECT_THAT(billing_.calls(), ElementsAre("reserve " + job.id(), "reserve " + job.id()));
}

TEST_F(SubmitTest, DoesNotCallBillingWithoutTimeLeft) {
  call_.set_deadline(std::chrono::steady_clock::now());
  EXPECT_EQ(ReasonOf(TextStatsRequest()), "BILLING_UNAVAILABLE");
  EXPECT_TRUE(billing_.calls().empty());
}

TEST_F(SubmitTest, ChecksTypeAndPayload) {
  v1::SubmitJobRequest request = TextStatsRequest();
  request.set_type("text.unknown");
  const absl::Status unknown = service_.SubmitJob(call_, request).status();
  EXPECT_TRUE(absl::IsInvalidArgument(unknown));
  EXPECT_EQ(Reason(unknown), "JOB_TYPE_UNKNOWN");
  request = TextStatsRequest();
  for (const char* payload : {"", "[]", "{}", R"({"text":1})", R"({"text":"a")"}) {
    request.set_payload_json(payload);
    EXPECT_EQ(ReasonOf(request), "PAYLOAD_INVALID") << payload;
  }
  const absl::Status invalid = service_.SubmitJob(call_, request).status();
  EXPECT_FALSE(FieldViolations(invalid).empty());
  request.set_payload_json("{\"text\":\"" + std::string(kPayloadBytesMax, 'x') + "\"}");
  EXPECT_EQ(ReasonOf(request), "PAYLOAD_TOO_LARGE");
  EXPECT_TRUE(billing_.calls().empty());
}

TEST_F(SubmitTest, ChecksTheOtherFields) {
  const std::vector<std::function<void(v1::SubmitJobRequest&)>> mistakes = {
      [](auto& r) { r.set_user_id("ada"); },
      [](auto& r) { r.set_priority(10); },
      [](auto& r) { r.set_priority(-1); },
      [](auto& r) { r.set_attempts_max(26); },
      [](auto& r) { r.set_attempts_max(-1); },
      [](auto& r) { r.set_idempotency_key(std::string(256, 'k')); },
      [](auto& r) { r.set_idempotency_key(std::string("a\0b", 3)); },
      [](auto& r) { r.set_unique_key(std::string(256, 'k')); },
      [](auto& r) { r.mutable_run_time()->set_seconds(-1); },
      [](auto& r) { r.mutable_run_time()->set_seconds(INT64_MAX); },
  };
  for (const auto& mistake : mistakes) {
    v1::SubmitJobRequest request = TextStatsRequest();
    mistake(request);
    const absl::Status status = service_.SubmitJob(call_, request).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << request.DebugString();
    EXPECT_EQ(Reason(status), "REQUEST_INVALID");
    EXPECT_EQ(FieldViolations(status).size(), 1);
  }
  EXPECT_TRUE(billing_.calls().empty());
}

TEST_F(SubmitTest, AcceptsAnEscapedNulInThePayload) {
  v1::SubmitJobRequest request = TextStatsRequest();
  request.set_payload_json(R"({"text":"a\u0000b"})");
  EXPECT_EQ(Get(Submit(request).id()).payload_json(), R"({"text":"a\u0000b"})");
}

TEST_F(SubmitTest, HoldsAUniqueKeyUntilTheJobEnds) {
  v1::SubmitJobRequest request = TextStatsRequest();
  request.set_unique_key("nightly");
  const v1::Job holder = Submit(request);
  const absl::Status taken = service_.SubmitJob(call_, request).status();
  EXPECT_TRUE(absl::IsAlreadyExists(taken));
  EXPECT_EQ(Reason(taken), "UNIQUE_KEY_TAKEN");
  EXPECT_EQ(ReasonMetadata(taken, "job_id"), holder.id());

  v1::CancelJobRequest cancel;
  cancel.set_id(holder.id());
  cancel.set_tenant_id(kTenant);
  ASSERT_TRUE(service_.CancelJob(call_, cancel).ok());
  EXPECT_NE(Submit(request).id(), holder.id());
}

TEST_F(SubmitTest, MakesOneJobOfParallelSubmissionsOfAUniqueKey) {
  std::atomic<int> created = 0, taken = 0;
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      FakeCall call;
      v1::SubmitJobRequest request = TextStatsRequest("key-" + std::to_string(i));
      request.set_unique_key("nightly");
      const auto response = service_.SubmitJob(call, request);
      created += response.ok();
      taken += Reason(response.status()) == "UNIQUE_KEY_TAKEN";
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(created, 1);
  EXPECT_EQ(taken, 7);
}

TEST_F(SubmitTest, LetsNoOneSubmitForAnotherTenant) {
  v1::SubmitJobRequest request = TextStatsRequest();
  request.set_tenant_id(kOtherTenant);
  const absl::Status status = service_.SubmitJob(call_, request).status();
  EXPECT_TRUE(absl::IsPermissionDenied(status));
  EXPECT_EQ(Reason(status), "TENANT_FORBIDDEN");
  FakeCall staff(kTenant, "admin");
  EXPECT_TRUE(service_.SubmitJob(staff, request).ok());
}

TEST_F(SubmitTest, NeverRunsBeforeItsTimeNorOvertakesByAnOldOne) {
  v1::SubmitJobRequest request = TextStatsRequest();
  request.mutable_run_time()->set_seconds(4102444800);
  const v1::Job later = Submit(request);
  EXPECT_EQ(later.run_time().seconds(), 4102444800);
  request.mutable_run_time()->set_seconds(1);
  const v1::Job now = Submit(request);
  EXPECT_EQ(now.run_time().seconds(), now.create_time().seconds());
  const auto session = OpenSession(db_, "worker", std::chrono::seconds(30));
  EXPECT_EQ(ClaimOne(*session).attempt.job_id, now.id());
  EXPECT_TRUE(ClaimJobs(db_, *session, types_.Names(), 10)->empty());
}

}  // namespace
}  // namespace gatehouse::jobs::testing
