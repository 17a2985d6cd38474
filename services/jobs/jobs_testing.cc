#include "services/jobs/jobs_testing.h"

#include <gtest/gtest.h>

#include <thread>

#include "services/jobs/builtin_types.h"
#include "services/jobs/migrations.h"

namespace gatehouse::jobs::testing {

absl::Status FakeBilling::Ask(const std::function<absl::Status(const std::string&)>& knob,
                              const std::string& method) {
  return knob ? knob(method) : absl::OkStatus();
}

billing::v1::Hold& FakeBilling::HoldOf(const std::string& key) {
  billing::v1::Hold& hold = holds_[key];
  hold.set_key(key);
  return hold;
}

absl::StatusOr<billing::v1::Hold> FakeBilling::Reserve(const billing::v1::ReserveRequest& request,
                                                       const BillingCall& call) {
  EXPECT_GT(call.timeout.count(), 0);
  GH_RETURN_IF_ERROR(Ask(fail, "reserve"));
  billing::v1::Hold answer;
  {
    const std::lock_guard lock(mutex_);
    calls_.push_back("reserve " + request.key());
    tool_ = request.tool();
    billing::v1::Hold& hold = HoldOf(request.key());
    hold.set_tenant_id(request.tenant_id());
    hold.mutable_estimate()->set_amount_nanos(kPriceNanos * request.estimate_size());
    hold.mutable_held()->set_amount_nanos(kPriceNanos * request.estimate_size());
    hold.clear_warnings();
    for (const std::string& warning : warnings) hold.add_warnings(warning);
    answer = hold;
  }
  GH_RETURN_IF_ERROR(Ask(lose, "reserve"));
  return answer;
}

absl::StatusOr<billing::v1::Hold> FakeBilling::Bind(const billing::v1::BindRequest& request) {
  GH_RETURN_IF_ERROR(Ask(fail, "bind"));
  billing::v1::Hold answer;
  {
    const std::lock_guard lock(mutex_);
    calls_.push_back("bind " + request.key());
    answer = HoldOf(request.key());
  }
  GH_RETURN_IF_ERROR(Ask(lose, "bind"));
  return answer;
}

absl::StatusOr<billing::v1::CaptureResponse> FakeBilling::Capture(
    const billing::v1::CaptureRequest& request) {
  GH_RETURN_IF_ERROR(Ask(fail, "capture"));
  billing::v1::CaptureResponse answer;
  {
    const std::lock_guard lock(mutex_);
    calls_.push_back("capture " + request.key() + " " + std::to_string(request.capture_number()) +
                     (request.final() ? " final" : " part"));
    billing::v1::Hold& hold = HoldOf(request.key());
    auto [booked, is_new] = captures_.try_emplace({request.key(), request.capture_number()},
                                                  kPriceNanos * request.usage_size());
    if (is_new) {
      billing::v1::Hold& counted = hold;
      counted.mutable_captured()->set_amount_nanos(hold.captured().amount_nanos() + booked->second);
    }
    *answer.mutable_hold() = hold;
    answer.mutable_amount()->set_amount_nanos(booked->second);
    answer.set_ledger_entry_id("entry-" + std::to_string(request.capture_number()));
  }
  GH_RETURN_IF_ERROR(Ask(lose, "capture"));
  return answer;
}

absl::StatusOr<billing::v1::Hold> FakeBilling::Release(const billing::v1::ReleaseRequest& request) {
  GH_RETURN_IF_ERROR(Ask(fail, "release"));
  billing::v1::Hold answer;
  {
    const std::lock_guard lock(mutex_);
    calls_.push_back("release " + request.key());
    answer = HoldOf(request.key());
  }
  GH_RETURN_IF_ERROR(Ask(lose, "release"));
  return answer;
}

std::string FakeBilling::tool() {
  const std::lock_guard lock(mutex_);
  return tool_;
}

std::vector<std::string> FakeBilling::calls() {
  const std::lock_guard lock(mutex_);
  return calls_;
}

int FakeBilling::CountCalls(const std::string& prefix) {
  int count = 0;
  for (const std::string& call : calls()) count += call.rfind(prefix, 0) == 0;
  return count;
}

std::int64_t FakeBilling::CapturedNanos(const std::string& key) {
  const std::lock_guard lock(mutex_);
  return HoldOf(key).captured().amount_nanos();
}

FakeCall::FakeCall(std::int64_t tenant_id, const std::string& role)
    : deadline_(std::chrono::steady_clock::now() + std::chrono::minutes(1)) {
  principal_.set_user_id(kAda);
  principal_.set_tenant_id(tenant_id);
  principal_.set_role(role);
}

std::unique_ptr<pg::testing::TestDatabase> JobsTest::database_;

void JobsTest::SetUpTestSuite() {
  database_ = std::make_unique<pg::testing::TestDatabase>("jobs", Migrations());
}

void JobsTest::TearDownTestSuite() { database_.reset(); }

JobsTest::JobsTest()
    : db_(database_->db()),
      types_(BuiltinTypes(/*production=*/false)),
      service_(db_, types_, billing_, clock_, [] {}),
      settler_(db_, billing_) {
  pg::testing::Cluster::Get().Execute(
      database_->name(),
      "TRUNCATE jobs.jobs, jobs.job_events, jobs.worker_sessions, jobs.outbox, jobs.events");
}

JobsTest::~JobsTest() = default;

v1::SubmitJobRequest JobsTest::TextStatsRequest(const std::string& key) {
  v1::SubmitJobRequest request;
  request.set_tenant_id(kTenant);
  request.set_user_id(kAda);
  request.set_type("text.stats");
  request.set_payload_json(R"({"text":"one two two"})");
  request.set_idempotency_key(key);
  return request;
}

v1::SubmitJobRequest JobsTest::SleepRequest(int seconds) {
  v1::SubmitJobRequest request = TextStatsRequest();
  request.set_type("sleep");
  request.set_payload_json("{\"seconds\":" + std::to_string(seconds) + "}");
  return request;
}

v1::Job JobsTest::Submit(const v1::SubmitJobRequest& request) {
  const auto response = service_.SubmitJob(call_, request);
  EXPECT_TRUE(response.ok()) << response.status();
  return response.ok() ? response->job() : v1::Job();
}

v1::Job JobsTest::Get(const std::string& id) {
  v1::GetJobRequest request;
  request.set_id(id);
  request.set_tenant_id(kTenant);
  const auto job = service_.GetJob(call_, request);
  EXPECT_TRUE(job.ok()) << job.status();
  return job.ok() ? *job : v1::Job();
}

std::vector<std::string> JobsTest::Timeline(const std::string& id) {
  v1::ListJobEventsRequest request;
  request.set_job_id(id);
  request.set_tenant_id(kTenant);
  const auto response = service_.ListJobEvents(call_, request);
  EXPECT_TRUE(response.ok()) << response.status();
  std::vector<std::string> lines;
  if (!response.ok()) return lines;
  for (const v1::JobEvent& event : response->events()) {
    lines.push_back(event.source() + " " + event.message());
  }
  return lines;
}

Claim JobsTest::ClaimOne(const std::string& session) {
  const auto claims = ClaimJobs(db_, session, types_.Names(), 1);
  EXPECT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims.ok() ? claims->size() : 0, 1);
  return claims.ok() && !claims->empty() ? claims->front() : Claim();
}

void JobsTest::DeliverOutbox() {
  const auto rows = db_.Statement([](pg::Tx& tx) -> absl::StatusOr<pqxx::result> {
    return tx.exec("SELECT id, subject, kind, payload FROM jobs.outbox ORDER BY id");
  });
  ASSERT_TRUE(rows.ok()) << rows.status();
  for (const pqxx::row& row : *rows) {
    const pg::OutboxMessage message{.id = row["id"].as<std::int64_t>(),
                                    .subject = row["subject"].c_str(),
                                    .kind = row["kind"].c_str(),
                                    .payload = pg::Bytes(row["payload"])};
    const absl::Status status = settler_.Deliver(message);
    ASSERT_TRUE(status.ok()) << status;
    Execute("DELETE FROM jobs.outbox WHERE id = " + std::to_string(message.id));
  }
}

std::vector<std::string> JobsTest::OutboxKinds(const std::string& id) {
  std::vector<std::string> kinds;
  const auto rows = db_.Statement([&](pg::Tx& tx) -> absl::StatusOr<pqxx::result> {
    return tx.exec_params("SELECT kind FROM jobs.outbox WHERE subject = $1 ORDER BY id",
                          "job/" + id);
  });
  EXPECT_TRUE(rows.ok()) << rows.status();
  if (!rows.ok()) return kinds;
  for (const pqxx::row& row : *rows) kinds.push_back(row[0].c_str());
  return kinds;
}

std::string JobsTest::Value(const std::string& sql) {
  const auto value = db_.Statement([&](pg::Tx& tx) -> absl::StatusOr<std::string> {
    const pqxx::result rows = tx.exec(sql);
    return rows.empty() ? std::string() : std::string(rows[0][0].c_str());
  });
  EXPECT_TRUE(value.ok()) << value.status();
  return value.ok() ? *value : "";
}

void JobsTest::Execute(const std::string& sql) {
  const absl::Status status = db_.Statement([&](pg::Tx& tx) -> absl::Status {
    tx.exec(sql);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

Runner::Options QuickRunner() {
  return {
      .slots = 2,
      .lease = std::chrono::milliseconds(900),
      .heartbeat = std::chrono::milliseconds(200),
      .poll_idle = std::chrono::milliseconds(200),
      .poll_busy = std::chrono::milliseconds(50),
      .retry = {.first = std::chrono::milliseconds(10), .longest = std::chrono::milliseconds(50)}};
}

bool Eventually(const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < end) {
    if (done()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return done();
}

}  // namespace gatehouse::jobs::testing
