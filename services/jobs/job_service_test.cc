#include "services/jobs/job_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "gatehouse/jobs/v1/job.methods.h"
#include "libs/base/secret.h"
#include "libs/rpc/client.h"
#include "services/jobs/jobs_testing.h"

namespace gatehouse::jobs::testing {
namespace {

using ::testing::ElementsAre;

constexpr char kAbsent[] = "00000000-0000-4000-8000-000000000000";

class JobServiceTest : public JobsTest {
 protected:
  v1::GetJobRequest GetRequest(const std::string& id, std::int64_t tenant_id) {
    v1::GetJobRequest request;
    request.set_id(id);
    request.set_tenant_id(tenant_id);
    return request;
  }

  absl::StatusOr<v1::Job> Cancel(const std::string& id) {
    v1::CancelJobRequest request;
    request.set_id(id);
    request.set_tenant_id(kTenant);
    return service_.CancelJob(call_, request);
  }

  std::string OpenWorker() { return *OpenSession(db_, "worker", std::chrono::seconds(30)); }
};

TEST_F(JobServiceTest, ShowsAJobToItsTenantAndToStaffOnly) {
  const std::string id = Submit(TextStatsRequest()).id();
  FakeCall stranger(kOtherTenant), staff(kOtherTenant, "admin");
  EXPECT_EQ(service_.GetJob(call_, GetRequest(id, kTenant))->id(), id);
  EXPECT_EQ(service_.GetJob(staff, GetRequest(id, 0))->id(), id);
  EXPECT_EQ(Reason(service_.GetJob(stranger, GetRequest(id, kOtherTenant)).status()),
            "JOB_NOT_FOUND");
  EXPECT_EQ(Reason(service_.GetJob(stranger, GetRequest(id, kTenant)).status()),
            "TENANT_FORBIDDEN");
  EXPECT_EQ(Reason(service_.GetJob(stranger, GetRequest(id, 0)).status()), "TENANT_FORBIDDEN");
}

TEST_F(JobServiceTest, FindsNoJobByAnAbsentOrMalformedId) {
  for (const char* id : {kAbsent, "", "42", "'; DROP TABLE jobs.jobs; --"}) {
    const absl::Status status = service_.GetJob(call_, GetRequest(id, kTenant)).status();
    EXPECT_TRUE(absl::IsNotFound(status)) << id;
    EXPECT_EQ(Reason(status), "JOB_NOT_FOUND");
    EXPECT_EQ(Reason(Cancel(id).status()), "JOB_NOT_FOUND");
    v1::ListJobEventsRequest events;
    events.set_job_id(id);
    events.set_tenant_id(kTenant);
    EXPECT_EQ(Reason(service_.ListJobEvents(call_, events).status()), "JOB_NOT_FOUND");
  }
}

TEST_F(JobServiceTest, HidesTheTimelineAndCancellingOfAnotherTenantsJob) {
  const std::string id = Submit(TextStatsRequest()).id();
  FakeCall stranger(kOtherTenant);
  v1::ListJobEventsRequest events;
  events.set_job_id(id);
  events.set_tenant_id(kOtherTenant);
  EXPECT_EQ(Reason(service_.ListJobEvents(stranger, events).status()), "JOB_NOT_FOUND");
  v1::CancelJobRequest cancel;
  cancel.set_id(id);
  cancel.set_tenant_id(kOtherTenant);
  EXPECT_EQ(Reason(service_.CancelJob(stranger, cancel).status()), "JOB_NOT_FOUND");
  EXPECT_EQ(Get(id).state(), v1::Job::STATE_QUEUED);
}

TEST_F(JobServiceTest, PagesThroughJobsNewestFirst) {
  std::vector<std::string> submitted;
  for (int i = 0; i < 7; ++i) submitted.push_back(Submit(TextStatsRequest()).id());
  // Equal times are ordered by id, and none is lost or shown twice.
  Execute("UPDATE jobs.jobs SET create_time = '2026-01-01'");
  v1::ListJobsRequest request;
  request.set_tenant_id(kTenant);
  request.set_page_size(3);
  std::vector<std::string> listed;
  std::vector<int> sizes;
  do {
    const auto page = service_.ListJobs(call_, request);
    ASSERT_TRUE(page.ok()) << page.status();
    sizes.push_back(page->jobs_size());
    for (const v1::Job& job : page->jobs()) listed.push_back(job.id());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(sizes, ElementsAre(3, 3, 1));
  EXPECT_THAT(listed, ::testing::UnorderedElementsAreArray(submitted));
  EXPECT_TRUE(std::is_sorted(listed.rbegin(), listed.rend()));
}

TEST_F(JobServiceTest, EndsTheListWithoutATokenWhenThePageIsExactlyFull) {
  Submit(TextStatsRequest());
  v1::ListJobsRequest request;
  request.set_tenant_id(kTenant);
  request.set_page_size(1);
  EXPECT_EQ(service_.ListJobs(call_, request)->next_page_token(), "");
}

TEST_F(JobServiceTest, FiltersByTenantStateAndType) {
  const std::string text = Submit(TextStatsRequest()).id();
  const std::string sleep = Submit(SleepRequest(1)).id();
  ASSERT_TRUE(Cancel(sleep).ok());
  FakeCall staff(kOtherTenant, "admin");
  v1::ListJobsRequest request;
  request.set_tenant_id(kOtherTenant);
  EXPECT_EQ(service_.ListJobs(staff, request)->jobs_size(), 0);
  request.set_tenant_id(0);
  EXPECT_EQ(service_.ListJobs(staff, request)->jobs_size(), 2);
  EXPECT_EQ(Reason(service_.ListJobs(call_, request).status()), "TENANT_FORBIDDEN");
  request.set_tenant_id(kTenant);
  request.set_state(v1::Job::STATE_CANCELLED);
  ASSERT_EQ(service_.ListJobs(call_, request)->jobs_size(), 1);
  EXPECT_EQ(service_.ListJobs(call_, request)->jobs(0).id(), sleep);
  request.set_state(v1::Job::STATE_UNSPECIFIED);
  request.set_type("text.stats");
  ASSERT_EQ(service_.ListJobs(call_, request)->jobs_size(), 1);
  EXPECT_EQ(service_.ListJobs(call_, request)->jobs(0).id(), text);
}

TEST_F(JobServiceTest, KeepsAPageOfLargeJobsBelowTheSizeOfAMessage) {
  v1::SubmitJobRequest large = TextStatsRequest();
  large.set_payload_json("{\"text\":\"" + std::string(250000, 'x') + "\"}");
  for (int i = 0; i < 20; ++i) Submit(large);
  v1::ListJobsRequest request;
  request.set_tenant_id(kTenant);
  request.set_page_size(1000);
  std::set<std::string> ids;
  do {
    const auto page = service_.ListJobs(call_, request);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_LT(page->ByteSizeLong(), 3u << 20);
    for (const v1::Job& job : page->jobs()) ids.insert(job.id());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(ids.size(), 20);
}

TEST_F(JobServiceTest, RefusesAForeignPageTokenAndANegativeSize) {
  v1::ListJobsRequest request;
  request.set_tenant_id(kTenant);
  for (const std::string& text :
       {std::string("x"), std::string("1/x"), std::string("/") + kAbsent,
        std::string("-1/") + kAbsent, std::string("9223372036854775807/") + kAbsent}) {
    request.set_page_token(Base64UrlEncode(text));
    EXPECT_EQ(Reason(service_.ListJobs(call_, request).status()), "PAGE_TOKEN_INVALID") << text;
  }
  request.set_page_token("%%%");
  EXPECT_EQ(Reason(service_.ListJobs(call_, request).status()), "PAGE_TOKEN_INVALID");
  request.clear_page_token();
  request.set_page_size(-1);
  EXPECT_EQ(Reason(service_.ListJobs(call_, request).status()), "PAGE_SIZE_INVALID");
}

TEST_F(JobServiceTest, ListsTheTimelineAfterASequence) {
  const std::string id = Submit(TextStatsRequest()).id();
  v1::ListJobEventsRequest request;
  request.set_job_id(id);
  request.set_tenant_id(kTenant);
  request.set_page_size(2);
  const auto first = service_.ListJobEvents(call_, request);
  ASSERT_EQ(first->events_size(), 2);
  EXPECT_EQ(first->events(0).level(), "info");
  EXPECT_EQ(first->events(0).data_json(), R"({"type": "text.stats"})");
  request.set_after_sequence(first->events(1).sequence());
  const auto rest = service_.ListJobEvents(call_, request);
  ASSERT_EQ(rest->events_size(), 1);
  EXPECT_EQ(rest->events(0).message(), "queued");
}

TEST_F(JobServiceTest, CancelsAQueuedJobAtOnceAndReleasesItsHold) {
  const std::string id = Submit(TextStatsRequest()).id();
  const auto cancelled = Cancel(id);
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->state(), v1::Job::STATE_CANCELLED);
  EXPECT_TRUE(cancelled->has_end_time());
  EXPECT_THAT(OutboxKinds(id), ElementsAre("billing.bind", "billing.release"));
  EXPECT_EQ(Value("SELECT data->>'reason' FROM jobs.events WHERE type = 'execution.failed'"),
            "cancelled");
  EXPECT_TRUE(ClaimJobs(db_, OpenWorker(), types_.Names(), 1)->empty());
  DeliverOutbox();
  EXPECT_EQ(Get(id).cost().amount_nanos(), 0);
  EXPECT_TRUE(Get(id).has_cost());
}

TEST_F(JobServiceTest, TellsTheWorkerToCancelARunningJob) {
  const std::string id = Submit(TextStatsRequest()).id();
  const std::string session = OpenWorker();
  const Claim claim = ClaimOne(session);
  EXPECT_TRUE(RenewSession(db_, session, std::chrono::seconds(30))->cancelled.empty());
  EXPECT_EQ(Cancel(id)->state(), v1::Job::STATE_RUNNING);
  EXPECT_EQ(Cancel(id)->state(), v1::Job::STATE_RUNNING) << "again changes nothing";
  const auto renewal = RenewSession(db_, session, std::chrono::seconds(30));
  ASSERT_EQ(renewal->cancelled.size(), 1);
  EXPECT_EQ(renewal->cancelled[0].fencing_token, claim.attempt.fencing_token);
  const auto state = FailAttempt(db_, claim.attempt, {.error = "stopped"});
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(*state, State::kCancelled);
  EXPECT_EQ(Get(id).error(), "");
  EXPECT_THAT(OutboxKinds(id), ElementsAre("billing.bind", "billing.release"));
  EXPECT_THAT(Timeline(id),
              ElementsAre("api submitted", "billing reserved", "queue queued", "queue started",
                          "api cancel requested", "queue cancelled"));
}

TEST_F(JobServiceTest, CancelsNoJobThatHasEnded) {
  const std::string id = Submit(TextStatsRequest()).id();
  ASSERT_TRUE(Cancel(id).ok());
  const absl::Status status = Cancel(id).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_EQ(Reason(status), "JOB_ENDED");
}

TEST_F(JobServiceTest, ServesTheGatewayOnly) {
  token::SigningKey gateway_key = token::SigningKey::Generate("gateway");
  token::SigningKey auth_key = token::SigningKey::Generate("auth");
  rpc::PassportVerifier verifier(
      "jobs", {{"gateway", gateway_key.public_key()}, {"auth", auth_key.public_key()}}, clock_);
  const auto server =
      rpc::Server::Start({.address = "127.0.0.1:0", .handler_threads = 2, .call_out_threads = 2},
                         {&service_.rpc()}, verifier);
  ASSERT_TRUE(server.ok()) << server.status();
  rpc::PassportIssuer gateway_issuer("gateway", std::move(gateway_key), clock_);
  rpc::PassportIssuer auth_issuer("auth", std::move(auth_key), clock_);
  rpc::Client gateway("jobs", (*server)->address(), &gateway_issuer);
  rpc::Client auth("jobs", (*server)->address(), &auth_issuer);
  rpc::CallOptions options;
  options.wait_for_ready = true;
  options.principal = call_.principal();
  const auto submitted = gateway.Call(v1::JobService::kSubmitJob, TextStatsRequest(), options);
  ASSERT_TRUE(submitted.ok()) << submitted.status();
  const auto request = GetRequest(submitted->job().id(), kTenant);
  EXPECT_TRUE(gateway.Call(v1::JobService::kGetJob, request, options).ok());
  EXPECT_TRUE(
      absl::IsPermissionDenied(auth.Call(v1::JobService::kGetJob, request, options).status()));
}

}  // namespace
}  // namespace gatehouse::jobs::testing
