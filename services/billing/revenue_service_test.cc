#include "services/billing/revenue_service.h"

#include "gmock/gmock.h"
#include "libs/base/time_text.h"
#include "libs/rpc/timestamp.h"
#include "services/billing/revenue_store.h"
#include "services/billing/subscription_testing.h"

namespace gatehouse::billing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kDollar = 1'000'000'000;

Time At(const std::string& text) { return *ParseTime(text + "T00:00:00Z"); }
std::int64_t SecondsAt(const std::string& day) { return ToMicros(At(day)) / 1'000'000; }

template <typename Request>
Request Period(const std::string& start, const std::string& end, std::int64_t tenant_id = 0) {
  Request request;
  *request.mutable_start_time() = rpc::ToTimestamp(At(start));
  *request.mutable_end_time() = rpc::ToTimestamp(At(end));
  request.set_tenant_id(tenant_id);
  return request;
}

class RevenueServiceTest : public SubscriptionTest {
 protected:
  absl::StatusOr<v1::RevenueSummary> Summary(const std::string& start, const std::string& end,
                                             std::int64_t tenant_id = 0) {
    return revenue_.GetSummary(Period<v1::GetSummaryRequest>(start, end, tenant_id));
  }

  std::vector<std::int64_t> Series(const std::string& metric, const std::string& start,
                                   const std::string& end) {
    auto request = Period<v1::GetTimeseriesRequest>(start, end);
    request.set_metric(metric);
    const auto series = revenue_.GetTimeseries(request);
    EXPECT_TRUE(series.ok()) << series.status();
    if (!series.ok()) return {};
    return {series->values().begin(), series->values().end()};
  }

  void Subscribe(std::int64_t tenant_id, const std::string& day, std::int64_t month_cents,
                 const std::string& type = "updated") {
    EXPECT_EQ(Tell(type, SecondsAt(day),
                   {.id = absl::StrCat("sub_of_", tenant_id),
                    .customer = "cus_none",
                    .month_cents = month_cents,
                    .metadata_tenant = absl::StrCat(tenant_id)}),
              "processed");
  }

  void Open(std::int64_t tenant_id, const std::string& day) {
    Execute(absl::StrCat("INSERT INTO billing.accounts (tenant_id, create_time) VALUES (",
                         tenant_id, ", '", day, "')"));
  }

  // An entry of that moment, into the reserve or out of it.
  void Book(std::int64_t tenant_id, const std::string& time, const std::string& type,
            std::int64_t nanos) {
    const char* const other = type == "debt" ? "debt" : "stripe_clearing";
    const bool debt = type == "debt";
    Execute(absl::StrCat(
        "INSERT INTO billing.ledger_entries (id, tenant_id, entry_number, debit_account, "
        "credit_account, amount_nanos, entry_type, balance_after_nanos, notes, cause_id, "
        "reverses, create_time) VALUES ('",
        UuidV7(*ParseTime(time)), "', ", tenant_id, ", ", debt ? "NULL" : absl::StrCat(++entries_),
        ", '", nanos > 0 ? other : "reserve", "', '", nanos > 0 ? "reserve" : other, "', ",
        nanos > 0 ? nanos : -nanos, ", '", type, "', 0, '', ", debt ? "gen_random_uuid()" : "NULL",
        ", NULL, '", time, "')"));
  }

  void Use(std::int64_t tenant_id, const std::string& hour, std::int64_t nanos) {
    Execute(absl::StrCat("INSERT INTO billing.capture_hours VALUES ('", hour, "', ", tenant_id,
                         ", 'tool', ", nanos, ", 1)"));
  }

  void Work(std::int64_t tenant_id, const std::string& hour, const std::string& outcome,
            int count) {
    Execute(absl::StrCat("INSERT INTO billing.work_hours VALUES ('", hour, "', ", tenant_id, ", '",
                         outcome, "', ", count, ")"));
  }

  RevenueService revenue_{db_};
  int entries_ = 0;
};

TEST_F(RevenueServiceTest, TheSummaryHasTheMovementOfThePeriod) {
  Subscribe(1, "2026-01-01", 10'000);
  Subscribe(2, "2026-01-01", 5'000);
  Subscribe(2, "2026-03-10", 0, "deleted");
  Subscribe(1, "2026-03-05", 8'000);
  Subscribe(3, "2026-03-20", 1'000);
  Subscribe(3, "2026-05-01", 2'000);
  const auto summary = Summary("2026-03-01", "2026-04-01");
  ASSERT_TRUE(summary.ok()) << summary.status();
  const v1::RevenueMovement& moved = summary->movement();
  EXPECT_EQ(moved.start_annual_cents(), 180'000);
  EXPECT_EQ(moved.new_annual_cents(), 12'000);
  EXPECT_EQ(moved.reactivation_annual_cents(), 0);
  EXPECT_EQ(moved.expansion_annual_cents(), 0);
  EXPECT_EQ(moved.contraction_annual_cents(), 24'000);
  EXPECT_EQ(moved.churn_annual_cents(), 60'000);
  EXPECT_EQ(moved.end_annual_cents(), 108'000);
  EXPECT_EQ(moved.customers_start(), 2);
  EXPECT_EQ(moved.customers_new(), 1);
  EXPECT_EQ(moved.customers_churned(), 1);
  EXPECT_EQ(moved.customers_end(), 2);
  EXPECT_EQ(moved.logo_churn_ppm(), 500'000);
  EXPECT_EQ(moved.gross_churn_ppm(), 466'666);
  EXPECT_EQ(moved.net_retention_ppm(), 533'333);
  EXPECT_EQ(summary->arr_cents(), 108'000);
  EXPECT_EQ(summary->mrr_cents(), 9'000);
  EXPECT_EQ(summary->current_annual_cents(), 120'000) << "of now, whatever the period";
  EXPECT_TRUE(summary->has_create_time());
  const auto one = Summary("2026-03-01", "2026-04-01", 3);
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->movement().end_annual_cents(), 12'000);
  EXPECT_FALSE(one->movement().has_logo_churn_ppm()) << "nobody was there at the start";
  EXPECT_FALSE(one->movement().has_gross_churn_ppm());
  EXPECT_FALSE(one->movement().has_net_retention_ppm());
}

TEST_F(RevenueServiceTest, PrepaidMoneyStandsBesideIt) {
  Open(1, "2026-01-01");
  Open(2, "2026-01-01");
  Book(1, "2026-02-28T23:59:59.999Z", "topup", 7 * kDollar);
  Book(1, "2026-03-01T00:00:00Z", "topup", 50 * kDollar);
  Book(1, "2026-03-31T23:59:59.999999Z", "auto_topup", 20 * kDollar);
  Book(1, "2026-04-01T00:00:00Z", "topup", 7 * kDollar);
  Book(1, "2026-03-10T00:00:00Z", "refund", -5 * kDollar);
  Book(2, "2026-03-11T00:00:00Z", "dispute", -3 * kDollar);
  Book(2, "2026-03-12T00:00:00Z", "dispute", 3 * kDollar);
  Book(2, "2026-03-13T00:00:00Z", "adjustment", -2 * kDollar);
  Book(2, "2026-03-13T00:00:00Z", "debt", 9 * kDollar);
  Use(1, "2026-03-01T00:00:00Z", kDollar);
  Use(1, "2026-03-31T23:00:00Z", kDollar);
  Use(1, "2026-04-01T00:00:00Z", 7 * kDollar);
  Use(1, "2026-02-28T23:00:00Z", 2 * kDollar);
  Use(2, "2026-02-01T00:00:00Z", 4 * kDollar);
  const auto summary = Summary("2026-03-01", "2026-04-01");
  ASSERT_TRUE(summary.ok()) << summary.status();
  const v1::PrepaidFigures& prepaid = summary->prepaid();
  EXPECT_EQ(prepaid.topups().amount_nanos(), 70 * kDollar);
  EXPECT_EQ(prepaid.refunds().amount_nanos(), 5 * kDollar);
  EXPECT_EQ(prepaid.adjustments().amount_nanos(), -2 * kDollar);
  EXPECT_EQ(prepaid.usage().amount_nanos(), 2 * kDollar);
  EXPECT_EQ(prepaid.usage_trailing_30_days().amount_nanos(), kDollar);
  EXPECT_EQ(prepaid.usage().currency_code(), "USD");
  EXPECT_EQ(prepaid.active_tenants(), 1);
  EXPECT_EQ(prepaid.churned_tenants(), 1) << "tenant 2";
  const auto february = Summary("2026-02-01", "2026-03-01");
  ASSERT_TRUE(february.ok()) << february.status();
  EXPECT_EQ(february->prepaid().usage().amount_nanos(), 6 * kDollar);
  EXPECT_EQ(february->prepaid().usage_trailing_30_days().amount_nanos(), 6 * kDollar);
  EXPECT_EQ(february->prepaid().churned_tenants(), 0);
  EXPECT_EQ(february->mrr_cents(), 0) << "usage is never recurring";
}

TEST_F(RevenueServiceTest, LevelsThatWerePassedRaiseAlerts) {
  Open(1, "2026-01-01");
  Subscribe(1, "2026-01-01", 10'000);
  Subscribe(1, "2026-03-05", 0, "deleted");
  Work(1, "2026-03-05T10:00:00Z", "success", 8);
  Work(1, "2026-03-05T10:00:00Z", "failed", 1);
  Work(1, "2026-03-05T11:00:00Z", "cancelled", 1);
  Work(1, "2026-04-01T00:00:00Z", "failed", 90);
  const auto alerts = [&] {
    const auto summary = Summary("2026-03-01", "2026-04-01");
    EXPECT_TRUE(summary.ok()) << summary.status();
    if (!summary.ok()) return std::string();
    EXPECT_EQ(summary->work().total(), 10);
    EXPECT_EQ(summary->work().failed(), 1);
    EXPECT_EQ(summary->work().failure_ppm(), 100'000);
    std::string kinds;
    for (const v1::Alert& alert : summary->alerts()) kinds += alert.kind() + " ";
    return kinds;
  };
  EXPECT_EQ(alerts(), "churn mrr_drop ") << "at the level is not above it";
  Execute("UPDATE billing.accounts SET settled_nanos = -1 WHERE tenant_id = 1");
  Execute("UPDATE billing.alert_levels SET failed_work_ppm = 99999, logo_churn_ppm = 1000000");
  EXPECT_EQ(alerts(), "mrr_drop failed_jobs negative_balances ");
  const auto summary = Summary("2026-03-01", "2026-04-01");
  ASSERT_TRUE(summary.ok());
  EXPECT_THAT(summary->alerts(0).message(), HasSubstr("is 100 %, above 5 %"));
  EXPECT_THAT(summary->alerts(1).message(), HasSubstr("is 10 %, above 9.9999 %"));
}

TEST_F(RevenueServiceTest, PeriodsAreChecked) {
  Open(1, "2026-01-01");
  const auto reason = [&](const std::string& start, const std::string& end) {
    return Reason(Summary(start, end).status());
  };
  EXPECT_EQ(reason("2025-01-01", "2026-01-01"), "NO_DATA");
  EXPECT_EQ(reason("2025-01-01", "2026-01-02"), "") << "an account was opened in it";
  EXPECT_EQ(Reason(Summary("2025-01-01", "2026-01-02", 2).status()), "NO_DATA");
  EXPECT_EQ(reason("2026-01-02", "2026-01-02"), "PERIOD_INVALID");
  EXPECT_EQ(reason("2026-01-03", "2026-01-02"), "PERIOD_INVALID");
  EXPECT_EQ(reason("2010-01-01", "2026-01-02"), "PERIOD_INVALID");
  EXPECT_EQ(reason("1969-12-31", "1970-01-02"), "PERIOD_INVALID");
  EXPECT_EQ(Reason(revenue_.GetSummary({}).status()), "PERIOD_INVALID");
  auto request = Period<v1::GetSummaryRequest>("2026-01-01", "2026-01-02");
  request.mutable_end_time()->set_seconds(request.end_time().seconds() + 1800);
  EXPECT_EQ(Reason(revenue_.GetSummary(request).status()), "PERIOD_INVALID") << "half an hour";
  request.mutable_end_time()->set_seconds(request.end_time().seconds() + 1800);
  EXPECT_TRUE(revenue_.GetSummary(request).ok());
  auto series = Period<v1::GetTimeseriesRequest>("2026-01-01", "2026-01-02");
  EXPECT_EQ(Reason(revenue_.GetTimeseries(series).status()), "METRIC_UNKNOWN");
  series.set_metric("mrr");
  EXPECT_TRUE(revenue_.GetTimeseries(series).ok());
  series.mutable_end_time()->set_seconds(series.end_time().seconds() + 3600);
  EXPECT_EQ(Reason(revenue_.GetTimeseries(series).status()), "PERIOD_INVALID") << "no whole days";
}

TEST_F(RevenueServiceTest, EachMetricGoesDayByDay) {
  Open(1, "2026-01-01");
  Subscribe(1, "2026-03-02", 10'000);
  Subscribe(1, "2026-03-03", 0, "deleted");
  Book(1, "2026-03-01T12:00:00Z", "topup", kDollar + 9'999'999);
  Book(1, "2026-03-03T23:00:00Z", "refund", -kDollar);
  Use(1, "2026-03-02T05:00:00Z", 25'000'000);
  Use(2, "2026-03-02T06:00:00Z", 9'999'999);
  Work(1, "2026-03-03T05:00:00Z", "success", 2);
  Work(1, "2026-03-03T06:00:00Z", "failed", 3);
  const std::string start = "2026-03-01";
  const std::string end = "2026-03-04";
  EXPECT_THAT(Series("arr", start, end), ElementsAre(0, 120'000, 0));
  EXPECT_THAT(Series("mrr", start, end), ElementsAre(0, 10'000, 0));
  EXPECT_THAT(Series("customers", start, end), ElementsAre(0, 1, 0));
  EXPECT_THAT(Series("topups", start, end), ElementsAre(100, 0, 0));
  EXPECT_THAT(Series("refunds", start, end), ElementsAre(0, 0, 100));
  EXPECT_THAT(Series("usage", start, end), ElementsAre(0, 3, 0)) << "34,999,999 nanos";
  EXPECT_THAT(Series("active_tenants", start, end), ElementsAre(0, 2, 0));
  EXPECT_THAT(Series("jobs", start, end), ElementsAre(0, 0, 5));
  EXPECT_THAT(Series("jobs_failed", start, end), ElementsAre(0, 0, 3));
}

TEST_F(RevenueServiceTest, UsageThatIsNotAddedUpYetCounts) {
  Credit(7, kDollar);
  const std::string key = UuidV7();
  ASSERT_TRUE(Reserve(key, 7).ok());
  ASSERT_TRUE(Bind(key).ok());
  ASSERT_TRUE(Capture(key, 1, 1).ok());
  const std::string today = FormatTime(std::chrono::floor<std::chrono::days>(
      std::chrono::system_clock::now() - std::chrono::hours(24)));
  const std::string end = FormatTime(std::chrono::floor<std::chrono::days>(
      std::chrono::system_clock::now() + std::chrono::hours(48)));
  const auto summary = Summary(today.substr(0, 10), end.substr(0, 10), 7);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->prepaid().usage().amount_nanos(), kJobNanos);
  EXPECT_EQ(summary->prepaid().adjustments().amount_nanos(), kDollar);
  EXPECT_EQ(summary->prepaid().active_tenants(), 1);
}

TEST_F(RevenueServiceTest, CohortsEndWithThisMonth) {
  const auto cohorts = revenue_.GetCohorts({});
  ASSERT_TRUE(cohorts.ok()) << cohorts.status();
  EXPECT_EQ(cohorts->cohorts_size(), 6);
  v1::GetCohortsRequest request;
  request.set_months(2);
  Subscribe(1, FormatTime(std::chrono::system_clock::now()).substr(0, 8) + "01", 1000);
  const auto two = revenue_.GetCohorts(request);
  ASSERT_TRUE(two.ok()) << two.status();
  ASSERT_EQ(two->cohorts_size(), 2);
  EXPECT_EQ(two->cohorts(0).active_size(), 2);
  EXPECT_EQ(two->cohorts(1).customers(), 1);
  EXPECT_THAT(two->cohorts(1).active(), ElementsAre(1));
  for (const int months : {-1, 61}) {
    request.set_months(months);
    EXPECT_EQ(Reason(revenue_.GetCohorts(request).status()), "PERIOD_INVALID");
  }
}

TEST_F(RevenueServiceTest, WhatIsPaidInIsFoundWithoutReadingUsage) {
  Book(1, "2026-03-05T10:00:00Z", "topup", 10'000'000);
  Book(1, "2026-03-06T10:00:00Z", "refund", -4'000'000);
  Execute(R"(
INSERT INTO billing.ledger_entries (id, tenant_id, entry_number, debit_account, credit_account,
  amount_nanos, entry_type, job_id, price_version, balance_after_nanos, notes, create_time)
SELECT gen_random_uuid(), 1, 100 + i, 'reserve', 'revenue', 1, 'usage', gen_random_uuid(), 1, 0, '',
  '2026-03-05'
FROM generate_series(1, 5000) AS i;
ANALYZE billing.ledger_entries)");
  const UsagePeriod march{.tenant_id = 0, .start = At("2026-03-01"), .end = At("2026-04-01")};
  const absl::Status read = db_.InTransaction([&](pg::Tx& tx) -> absl::Status {
    const auto sums = SumLedger(tx, march);
    EXPECT_TRUE(sums.ok() && sums->topup_nanos == 10'000'000 && sums->refund_nanos == 4'000'000);
    EXPECT_EQ(DailyLedger(tx, march)->size(), 2u);
    const pqxx::row rows = tx.exec1(R"(
SELECT seq_tup_read, idx_tup_fetch FROM pg_stat_xact_user_tables
WHERE relid = 'billing.ledger_entries'::regclass)");
    EXPECT_EQ(rows[0].as<int>(), 0);
    EXPECT_LE(rows[1].as<int>(), 4);
    return absl::OkStatus();
  });
  EXPECT_TRUE(read.ok()) << read;
}

TEST_F(RevenueServiceTest, LevelsAreChangedOneByOne) {
  v1::UpdateAlertLevelsRequest request;
  request.set_mrr_drop_ppm(0);
  request.set_negative_accounts(3);
  const auto changed = revenue_.UpdateAlertLevels(request);
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_EQ(changed->logo_churn_ppm(), 50'000) << "left as it was";
  EXPECT_EQ(changed->mrr_drop_ppm(), 0);
  EXPECT_EQ(changed->negative_accounts(), 3);
  const auto read = revenue_.GetAlertLevels({});
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->SerializeAsString(), changed->SerializeAsString());
  request.set_failed_work_ppm(1'000'001);
  EXPECT_EQ(Reason(revenue_.UpdateAlertLevels(request).status()), "LEVEL_INVALID");
  request.set_failed_work_ppm(1'000'000);
  request.set_negative_accounts(-1);
  EXPECT_EQ(Reason(revenue_.UpdateAlertLevels(request).status()), "LEVEL_INVALID");
  EXPECT_EQ(revenue_.GetAlertLevels({})->failed_work_ppm(), 100'000);
}

}  // namespace
}  // namespace gatehouse::billing
