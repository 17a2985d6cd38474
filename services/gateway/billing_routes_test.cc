// Reserve, ledger, profile and jobs.
#include "libs/base/uuid.h"
#include "services/gateway/gateway_fixture.h"

namespace gatehouse::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

namespace bill = billing::v1;

constexpr char kJobId[] = "0190c0de-0000-7000-8000-00000000000a";

bill::Account SomeAccount() {
  bill::Account account;
  account.set_tenant_id(7);
  account.mutable_settled()->set_currency_code("USD");
  account.mutable_settled()->set_amount_nanos(50'019'999'999);
  account.mutable_held()->set_amount_nanos(20'000'000);
  account.mutable_available()->set_amount_nanos(49'999'999'999);
  account.mutable_low_threshold()->set_amount_nanos(5'000'000'000);
  account.set_policy(bill::Account::POLICY_BLOCK);
  account.set_plan_tier("starter");
  return account;
}

class BillingRoutesTest : public GatewayTest {
 protected:
  static constexpr char kAdjust[] = "/api/billing/admin/reserve/adjust/";
};

TEST_F(BillingRoutesTest, BalanceHasBothSpellings) {
  services_.get_account.Return(SomeAccount());
  const Answer answer = Get("/api/billing/reserve/balance/", user_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body,
            R"({"balance_cents":5001,"balance_dollars":50.01,"held_cents":2,"held_dollars":0.02,)"
            R"("available_cents":4999,"available_dollars":49.99,"currency":"USD","is_low":false,)"
            R"("is_low_balance":false,"policy":"block","low_balance_policy":"block",)"
            R"("low_balance_threshold_cents":500})");
  EXPECT_EQ(services_.get_account.last().tenant_id(), 7);
}

TEST_F(BillingRoutesTest, LedgerIsABareArrayWithItsTotal) {
  bill::ListLedgerEntriesResponse page;
  page.set_total_size(12);
  bill::LedgerEntry& entry = *page.add_entries();
  entry.set_id("l1");
  entry.set_entry_type("usage");
  entry.mutable_amount()->set_amount_nanos(-20'000'000);
  entry.mutable_balance_after()->set_amount_nanos(980'000'000);
  entry.set_job_id(kJobId);
  entry.mutable_create_time()->set_seconds(1'800'000'000);
  services_.list_ledger.Return(page);
  const Answer answer = Get("/api/billing/reserve/ledger/?limit=1000&offset=3", user_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.Get("X-Total-Count"), "12");
  EXPECT_EQ(answer.body,
            std::string(R"([{"id":"l1","type":"debit","entry_type":"usage",)") +
                R"("amount_cents":-2,"amount_dollars":-0.02,)" +
                R"("balance_after_cents":98,"balance_after_dollars":0.98,"notes":"",)" +
                R"("related_job_id":")" + kJobId +
                R"(","reverses":null,"created_at":"2027-01-15T08:00:00.000000Z"}])");
  EXPECT_EQ(services_.list_ledger.last().page_size(), 500);
  EXPECT_EQ(services_.list_ledger.last().skip(), 3);
  EXPECT_EQ(Get("/api/billing/reserve/ledger/?limit=x", user_).status, 400);
}

TEST_F(BillingRoutesTest, AnAdjustmentIsAuditedAndAnsweredInBothSpellings) {
  bill::AdjustBalanceResponse adjusted;
  adjusted.mutable_entry()->set_id("l9");
  adjusted.mutable_entry()->mutable_balance_after()->set_amount_nanos(1'000'000'000);
  services_.adjust.Do([&](const bill::AdjustBalanceRequest&) {
    EXPECT_EQ(services_.append_audit.calls(), 1u);
    return adjusted;
  });
  const std::string key = UuidV7();
  const Answer answer =
      Post(kAdjust, admin_, R"({"tenant_id":7,"amount_cents":100,"reason":"Credit"})",
           {{"Idempotency-Key", key}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body,
            R"({"message":"Reserve adjusted","status":"success","ledger_entry_id":"l9",)"
            R"("new_balance_cents":100})");
  const bill::AdjustBalanceRequest request = services_.adjust.last();
  EXPECT_EQ(request.tenant_id(), 7);
  EXPECT_EQ(request.amount().amount_nanos(), 1'000'000'000);
  EXPECT_EQ(request.amount().currency_code(), "USD");
  EXPECT_EQ(request.idempotency_key(), key);
  EXPECT_EQ(services_.append_audit.last().event().tenant_id(), 7);
  EXPECT_EQ(services_.append_audit.last().event().reason(), "Credit");
}

TEST_F(BillingRoutesTest, AdjustmentKeysAreStableByCaller) {
  const std::string body = R"({"tenant_id":7,"amount_cents":-5,"reason":"r"})";
  Post(kAdjust, admin_, body, {{"Idempotency-Key", "order 5"}});
  Post(kAdjust, admin_, body, {{"Idempotency-Key", "order 5"}});
  Post(kAdjust, admin_, body);
  Post(kAdjust, services_.AddToken("admin", {"manage_billing"}), body,
       {{"Idempotency-Key", "order 5"}});
  const auto sent = services_.adjust.requests();
  ASSERT_EQ(sent.size(), 4u);
  EXPECT_EQ(sent[0].idempotency_key(), sent[1].idempotency_key());
  EXPECT_NE(sent[0].idempotency_key(), sent[2].idempotency_key());
  EXPECT_NE(sent[0].idempotency_key(), sent[3].idempotency_key()) << "another administrator's";
  for (const auto& request : sent) EXPECT_TRUE(IsUuid(request.idempotency_key()));
  EXPECT_EQ(Post(kAdjust, admin_, body, {{"Idempotency-Key", std::string(256, 'a')}}).status, 400);
}

TEST_F(BillingRoutesTest, TheKeyOfAnAdjustmentIsToldWhateverBecameOfIt) {
  const std::string body = R"({"tenant_id":7,"amount_cents":-5,"reason":"r"})";
  const Answer done = Post(kAdjust, admin_, body);
  EXPECT_EQ(done.status, 200);
  EXPECT_TRUE(IsUuid(done.Get("Idempotency-Key")));
  EXPECT_EQ(done.Get("Idempotency-Key"), services_.adjust.last().idempotency_key());
  const Answer named = Post(kAdjust, admin_, body, {{"Idempotency-Key", "order 5"}});
  const std::string key = named.Get("Idempotency-Key");
  EXPECT_EQ(Post(kAdjust, admin_, body, {{"Idempotency-Key", key}}).Get("Idempotency-Key"), key)
      << "what is told is the same key";
  services_.adjust.Fail(Error(absl::StatusCode::kUnknown, "COMMIT_IN_DOUBT", "inner text"));
  const Answer lost = Post(kAdjust, admin_, body);
  EXPECT_EQ(lost.status, 500);
  EXPECT_EQ(lost.Get("Idempotency-Key"), services_.adjust.last().idempotency_key());
  EXPECT_THAT(lost.body, HasSubstr("it may have been booked: a repeat with this Idempotency-Key"));
  EXPECT_THAT(lost.body, Not(HasSubstr("inner text")));
  EXPECT_TRUE(Eventually([&] { return !services_.append_audit.last().event().success(); }));
  services_.adjust.Fail(Error(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE", "down"));
  EXPECT_THAT(Post(kAdjust, admin_, body).body, HasSubstr("it may have been booked"));
  services_.adjust.Fail(
      Error(absl::StatusCode::kAlreadyExists, "IDEMPOTENCY_KEY_REUSED", "another request"));
  const Answer refused = Post(kAdjust, admin_, body, {{"Idempotency-Key", key}});
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.Get("Idempotency-Key"), key);
  EXPECT_THAT(refused.body, Not(HasSubstr("may have been booked")));
}

TEST_F(BillingRoutesTest, AdjustmentInputIsChecked) {
  for (const char* body : {"{}", R"({"tenant_id":7,"amount_cents":100})",
                           R"({"tenant_id":7,"amount_cents":100,"reason":"  "})",
                           R"({"tenant_id":7,"amount_cents":0,"reason":"r"})",
                           R"({"tenant_id":7,"amount_cents":1.5,"reason":"r"})",
                           R"({"tenant_id":7,"amount_cents":100000001,"reason":"r"})",
                           R"({"tenant_id":"7","amount_cents":100,"reason":"r"})",
                           R"({"tenant_id":7,"amount_cents":100,"reason":"r","x":1})"}) {
    EXPECT_EQ(Post(kAdjust, admin_, body).status, 400) << body;
  }
  EXPECT_EQ(Post(kAdjust, user_, "{}").status, 403);
  services_.get_tenant.Fail(
      Error(absl::StatusCode::kNotFound, "TENANT_NOT_FOUND", "Tenant not found"));
  EXPECT_EQ(Post(kAdjust, admin_, R"({"tenant_id":8,"amount_cents":1,"reason":"r"})").status, 404);
  EXPECT_EQ(services_.append_audit.calls(), 0u);
  EXPECT_EQ(services_.adjust.calls(), 0u);
}

jobs::v1::Job SomeJob() {
  jobs::v1::Job job;
  job.set_id(kJobId);
  job.set_tenant_id(7);
  job.set_type("text.stats");
  job.set_state(jobs::v1::Job::STATE_QUEUED);
  job.set_trigger("api");
  job.set_payload_json(R"({"text":"a"})");
  job.set_priority(4);
  job.set_attempts_max(3);
  return job;
}

class JobRoutesTest : public GatewayTest {
 protected:
  Answer Submit(const std::string& body) { return Post("/api/jobs/", user_, body); }
};

TEST_F(JobRoutesTest, ANewJobIs201AndTheSameAgain200) {
  jobs::v1::SubmitJobResponse submitted;
  *submitted.mutable_job() = SomeJob();
  submitted.set_created(true);
  submitted.add_warnings("low balance");
  services_.submit_job.Return(submitted);
  const std::string body =
      R"({"type":"text.stats","payload":{"n":1.50,"big":12345678901234567890123},)"
      R"("idempotency_key":"k","priority":0,"run_at":"2030-01-01T00:00:00Z","max_attempts":5,)"
      R"("unique_key":"u"})";
  const Answer created = Submit(body);
  EXPECT_EQ(created.status, 201);
  EXPECT_THAT(created.body, HasSubstr(R"({"id":"0190c0de-0000-7000-8000-00000000000a")"));
  EXPECT_THAT(created.body,
              HasSubstr(R"("name":"text.stats","type":"text.stats","status":"queued")"));
  EXPECT_THAT(created.body, HasSubstr(R"("payload":{"text":"a"},"result":null,"error":null)"));
  EXPECT_THAT(created.body, HasSubstr(R"("warnings":["low balance"]})"));
  const jobs::v1::SubmitJobRequest request = services_.submit_job.last();
  EXPECT_EQ(request.tenant_id(), 7);
  EXPECT_EQ(request.user_id(), services_.submit_job.principal().user_id());
  EXPECT_EQ(request.payload_json(), R"({"n":1.50,"big":12345678901234567890123})");
  EXPECT_EQ(request.idempotency_key(), "k");
  EXPECT_TRUE(request.has_priority());
  EXPECT_EQ(request.priority(), 0);
  EXPECT_EQ(request.run_time().seconds(), 1893456000);
  EXPECT_EQ(request.attempts_max(), 5);
  EXPECT_EQ(request.unique_key(), "u");
  submitted.set_created(false);
  services_.submit_job.Return(submitted);
  EXPECT_EQ(Submit(body).status, 200);
}

TEST_F(JobRoutesTest, ShortFundsAre402WithTheAmounts) {
  services_.submit_job.Fail(Error(absl::StatusCode::kFailedPrecondition, "RESERVE_INSUFFICIENT",
                                  "short",
                                  {{"balance_nanos", "0"}, {"required_nanos", "20000000"}}));
  const Answer answer = Submit(R"({"type":"text.stats","payload":{}})");
  EXPECT_EQ(answer.status, 402);
  EXPECT_EQ(Code(answer), "RESERVE_INSUFFICIENT");
  EXPECT_THAT(answer.body, HasSubstr(R"("message":"Insufficient reserve balance")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("balance_cents":0,"required_cents":2)"));
}

TEST_F(JobRoutesTest, RefusalsKeepTheirReasons) {
  services_.submit_job.Fail(
      Error(absl::StatusCode::kAlreadyExists, "IDEMPOTENCY_KEY_REUSED", "another request"));
  EXPECT_EQ(Submit(R"({"type":"text.stats","payload":{}})").status, 409);
  services_.submit_job.Fail(
      Error(absl::StatusCode::kUnavailable, "BILLING_UNAVAILABLE", "billing is down"));
  const Answer down = Submit(R"({"type":"text.stats","payload":{}})");
  EXPECT_EQ(down.status, 503);
  EXPECT_EQ(Code(down), "BILLING_UNAVAILABLE");
  EXPECT_THAT(down.body, HasSubstr(R"("service":"billing")"));
}

TEST_F(JobRoutesTest, SubmissionInputIsChecked) {
  for (const char* body :
       {"{}", R"({"type":"t"})", R"({"payload":{}})", R"({"type":"t","payload":[]})",
        R"({"type":"t","payload":"{}"})", R"({"type":"","payload":{}})",
        R"({"type":"t","payload":{},"priority":10})",
        R"({"type":"t","payload":{},"max_attempts":26})",
        R"({"type":"t","payload":{},"idempotency_key":""})",
        R"({"type":"t","payload":{},"run_at":"tomorrow"})",
        R"({"type":"t","payload":{},"tenant_id":1})"}) {
    EXPECT_EQ(Code(Submit(body)), "VALIDATION_FAILED") << body;
  }
  EXPECT_EQ(services_.submit_job.calls(), 0u);
}

TEST_F(JobRoutesTest, UsersSeeTheirTenantsJobsAndStaffAll) {
  services_.get_job.Return(SomeJob());
  const std::string path = std::string("/api/jobs/") + kJobId;
  EXPECT_EQ(Get(path + "/", user_).status, 200);
  EXPECT_EQ(services_.get_job.last().tenant_id(), 7);
  EXPECT_EQ(Get(path, admin_).status, 200);
  EXPECT_EQ(services_.get_job.last().tenant_id(), 0);
  services_.get_job.Fail(Error(absl::StatusCode::kNotFound, "JOB_NOT_FOUND", "inner text"));
  EXPECT_EQ(Get(path, user_).status, 404);
  EXPECT_THAT(Get(path, user_).body, HasSubstr(R"("message":"Job not found")"));
  EXPECT_EQ(Code(Get("/api/jobs/17/", user_)), "ID_INVALID");
  EXPECT_EQ(Get("/api/jobs/%zz/", user_).status, 400);
}

TEST_F(JobRoutesTest, AUserWithoutATenantIsNotTakenForStaff) {
  services_.look_up.Do([&](const auth::v1::LookupTokenRequest&) {
    auth::v1::LookupTokenResponse answer;
    answer.set_token_id("t");
    answer.mutable_principal()->set_user_id("u");
    answer.mutable_principal()->set_role("user");
    answer.set_control_sequence(services_.control.sequence());
    return answer;
  });
  for (const std::string& path :
       {std::string("/api/jobs/"), std::string("/api/jobs/") + kJobId,
        std::string("/api/jobs/") + kJobId + "/events", std::string("/api/billing/profile/"),
        std::string("/api/billing/reserve/ledger/"),
        std::string("/api/billing/reserve/balance/")}) {
    EXPECT_EQ(Code(Get(path, user_)), "TENANT_NOT_FOUND") << path;
  }
  EXPECT_EQ(Post(std::string("/api/jobs/") + kJobId + "/cancel", user_, "").status, 404);
  EXPECT_EQ(services_.get_job.calls() + services_.list_jobs.calls() +
                services_.list_job_events.calls() + services_.cancel_job.calls(),
            0u);
}

TEST_F(JobRoutesTest, ListsFilterAndPage) {
  jobs::v1::ListJobsResponse page;
  *page.add_jobs() = SomeJob();
  page.set_next_page_token("n");
  services_.list_jobs.Return(page);
  const Answer answer =
      Get("/api/jobs/?status=Running&type=text.stats&limit=5&cursor=c%2B1", user_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr(R"({"count":1,"jobs":[{"id":")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("next_cursor":"n"})"));
  const jobs::v1::ListJobsRequest request = services_.list_jobs.last();
  EXPECT_EQ(request.state(), jobs::v1::Job::STATE_RUNNING);
  EXPECT_EQ(request.type(), "text.stats");
  EXPECT_EQ(request.page_size(), 5);
  EXPECT_EQ(request.page_token(), "c+1");
  EXPECT_EQ(Get("/api/jobs/?status=odd", user_).status, 400);
  EXPECT_EQ(Get("/api/jobs/?limit=1e2", user_).status, 400);
}

TEST_F(JobRoutesTest, EventsAreTheTimeline) {
  jobs::v1::ListJobEventsResponse page;
  jobs::v1::JobEvent& event = *page.add_events();
  event.set_sequence(1);
  event.set_level("info");
  event.set_source("api");
  event.set_message("submitted \"x\"");
  services_.list_job_events.Return(page);
  const Answer answer = Get(std::string("/api/jobs/") + kJobId + "/events/?after=4", user_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, std::string(R"({"job_id":")") + kJobId +
                             R"(","events":[{"sequence":1,"timestamp":null,"level":"info",)" +
                             R"("source":"api","message":"submitted \"x\"","data":{}}]})");
  EXPECT_EQ(services_.list_job_events.last().after_sequence(), 4);
}

TEST_F(JobRoutesTest, CancelAnswersTheJob) {
  jobs::v1::Job job = SomeJob();
  job.set_state(jobs::v1::Job::STATE_CANCELLED);
  job.mutable_cost()->set_amount_nanos(20'000'000);
  job.set_attempts(2);
  services_.cancel_job.Return(job);
  const Answer answer = Post(std::string("/api/jobs/") + kJobId + "/cancel/", user_, "");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr(R"("status":"cancelled")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("retry_count":1,"attempts":2)"));
  EXPECT_THAT(answer.body, HasSubstr(R"("cost_cents":2,"cost_dollars":0.02)"));
  services_.cancel_job.Fail(Error(absl::StatusCode::kFailedPrecondition, "JOB_ENDED", "ended"));
  EXPECT_EQ(Post(std::string("/api/jobs/") + kJobId + "/cancel/", user_, "").status, 409);
}

}  // namespace
}  // namespace gatehouse::gateway
