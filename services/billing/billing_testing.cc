#include "services/billing/billing_testing.h"

#include <chrono>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "services/billing/ledger_audit.h"
#include "services/billing/messages.h"
#include "services/billing/migrations.h"

namespace gatehouse::billing {
namespace {

void SetLine(std::int64_t jobs, v1::UsageLine* line) {
  line->set_line_type("per_job");
  line->set_resource("text.stats");
  line->set_quantity(jobs);
}

// To empty it takes a tenth of the time that a database of its own would take.
pg::testing::TestDatabase& Shared() {
  static pg::testing::TestDatabase database("billing", Migrations());
  return database;
}

constexpr char kEmpty[] = R"(
TRUNCATE billing.accounts, billing.ledger_entries, billing.ledger_chain, billing.idempotency_keys,
  billing.holds, billing.captures, billing.outbox, billing.events;
DELETE FROM billing.notices; DELETE FROM billing.usage_hours; DELETE FROM billing.capture_hours;
DELETE FROM billing.work_hours; DELETE FROM billing.stripe_customers;
DELETE FROM billing.stripe_events; DELETE FROM billing.stripe_payments;
DELETE FROM billing.stripe_refunds; DELETE FROM billing.stripe_failed_refunds;
DELETE FROM billing.stripe_disputes; DELETE FROM billing.auto_topups;
DELETE FROM billing.subscriptions; DELETE FROM billing.subscription_changes;
UPDATE billing.usage_mark SET mark_time = date_trunc('hour', now());
DELETE FROM billing.alert_levels; INSERT INTO billing.alert_levels DEFAULT VALUES;
DELETE FROM billing.prices WHERE version > 1;
DELETE FROM billing.price_books WHERE version > 1;
ALTER TABLE billing.accounts DROP CONSTRAINT IF EXISTS accounts_test_check)";

pg::Options DatabaseOptions(const std::string& url) {
  pg::Options options;
  options.url = url;
  return options;
}

}  // namespace

BillingTest::BillingTest() : db_(DatabaseOptions(Url())), holds_(db_, books_), accounts_(db_) {
  Execute(kEmpty);
}

std::string BillingTest::Url() { return Shared().Url("gatehouse_billing"); }

v1::ReserveRequest BillingTest::ReserveRequestOf(const std::string& key, std::int64_t tenant_id,
                                                 std::int64_t jobs) {
  v1::ReserveRequest request;
  request.set_key(key);
  request.set_tenant_id(tenant_id);
  SetLine(jobs, request.add_estimate());
  return request;
}

v1::CaptureRequest BillingTest::CaptureRequestOf(const std::string& key, std::int64_t number,
                                                 std::int64_t jobs, bool final) {
  v1::CaptureRequest request;
  request.set_key(key);
  request.set_capture_number(number);
  if (jobs > 0) SetLine(jobs, request.add_usage());
  request.set_final(final);
  return request;
}

v1::AdjustBalanceRequest BillingTest::AdjustRequestOf(std::int64_t tenant_id, std::int64_t nanos,
                                                      const std::string& key) {
  v1::AdjustBalanceRequest request;
  request.set_tenant_id(tenant_id);
  *request.mutable_amount() = ToMoney(nanos);
  request.set_reason("a test");
  request.set_idempotency_key(key);
  return request;
}

absl::StatusOr<v1::Hold> BillingTest::Reserve(const v1::ReserveRequest& request) {
  return Await<v1::Hold>([&](auto reply) { holds_.Reserve(request, reply); });
}

absl::StatusOr<v1::Hold> BillingTest::Reserve(const std::string& key, std::int64_t tenant_id,
                                              std::int64_t jobs) {
  return Reserve(ReserveRequestOf(key, tenant_id, jobs));
}

absl::StatusOr<v1::Hold> BillingTest::Bind(const std::string& key) {
  v1::BindRequest request;
  request.set_key(key);
  return Await<v1::Hold>([&](auto reply) { holds_.Bind(request, reply); });
}

absl::StatusOr<v1::CaptureResponse> BillingTest::Capture(const v1::CaptureRequest& request) {
  return Await<v1::CaptureResponse>([&](auto reply) { holds_.Capture(request, reply); });
}

absl::StatusOr<v1::CaptureResponse> BillingTest::Capture(const std::string& key,
                                                         std::int64_t number, std::int64_t jobs,
                                                         bool final) {
  return Capture(CaptureRequestOf(key, number, jobs, final));
}

absl::StatusOr<v1::Hold> BillingTest::Release(const std::string& key, v1::WorkOutcome outcome) {
  v1::ReleaseRequest request;
  request.set_key(key);
  request.set_outcome(outcome);
  return Await<v1::Hold>([&](auto reply) { holds_.Release(request, reply); });
}

void BillingTest::Credit(std::int64_t tenant_id, std::int64_t nanos) {
  const auto adjusted = accounts_.AdjustBalance(AdjustRequestOf(tenant_id, nanos));
  ASSERT_TRUE(adjusted.ok()) << adjusted.status();
}

void BillingTest::SetPolicy(std::int64_t tenant_id, v1::Account::Policy policy) {
  v1::UpdateAccountRequest request;
  request.set_tenant_id(tenant_id);
  request.set_policy(policy);
  const auto updated = accounts_.UpdateAccount(request);
  ASSERT_TRUE(updated.ok()) << updated.status();
}

v1::Account BillingTest::AccountOf(std::int64_t tenant_id) {
  v1::GetAccountRequest request;
  request.set_tenant_id(tenant_id);
  const auto account = accounts_.GetAccount(request);
  EXPECT_TRUE(account.ok()) << account.status();
  return account.ok() ? *account : v1::Account();
}

void BillingTest::Execute(const std::string& sql) {
  pg::testing::Cluster::Get().Execute(Shared().name(), sql);
}

void BillingTest::ExpectSql(const std::string& condition) {
  Execute(absl::StrCat("DO $$ BEGIN ASSERT (", condition, "); END $$"));
}

void BillingTest::LetExpire(const std::string& key) {
  Execute(absl::StrCat("UPDATE billing.holds SET expire_time = now() - interval '1 second' ",
                       "WHERE key = '", key, "'"));
}

void BillingTest::ExpectBooksRight() {
  while (true) {
    const absl::StatusOr<int> sealed = pg::Seal(db_, LedgerChain(), 1000);
    ASSERT_TRUE(sealed.ok()) << sealed.status();
    if (*sealed == 0) break;
  }
  const absl::StatusOr<LedgerReport> report = VerifyLedger(db_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->differences, ::testing::IsEmpty());
  EXPECT_EQ(report->sealed, report->entries);
}

bool Eventually(const std::function<bool()>& condition) {
  const SteadyTime end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

void Together(int count, const std::function<void(int)>& work) {
  std::latch start(count);
  std::vector<std::thread> threads;
  threads.reserve(count);
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&, i] {
      start.arrive_and_wait();
      work(i);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace gatehouse::billing
