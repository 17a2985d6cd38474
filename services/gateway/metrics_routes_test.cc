// Metrics of the business.
#include "libs/rpc/timestamp.h"
#include "services/gateway/gateway_fixture.h"

namespace gatehouse::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

namespace bill = billing::v1;

constexpr std::int64_t kDay = 86'400;
constexpr std::int64_t kNovember = 1'793'491'200;  // 2026-11-01T00:00:00Z

bill::RevenueSummary SomeSummary() {
  bill::RevenueSummary summary;
  bill::RevenueMovement& moved = *summary.mutable_movement();
  moved.set_start_annual_cents(180'000);
  moved.set_new_annual_cents(12'000);
  moved.set_contraction_annual_cents(24'000);
  moved.set_churn_annual_cents(60'000);
  moved.set_end_annual_cents(108'000);
  moved.set_customers_start(2);
  moved.set_customers_end(2);
  moved.set_customers_new(1);
  moved.set_customers_churned(1);
  moved.set_logo_churn_ppm(500'000);
  moved.set_gross_churn_ppm(466'666);
  moved.set_net_retention_ppm(1'533'333);
  summary.set_mrr_cents(9'000);
  summary.set_arr_cents(108'000);
  summary.set_current_annual_cents(120'006);
  summary.mutable_create_time()->set_seconds(kNovember + 60 * kDay);
  bill::PrepaidFigures& prepaid = *summary.mutable_prepaid();
  prepaid.mutable_usage()->set_amount_nanos(19'999'999);
  prepaid.mutable_topups()->set_amount_nanos(70'000'000'000);
  prepaid.mutable_adjustments()->set_amount_nanos(-20'000'000);
  prepaid.set_active_tenants(3);
  prepaid.set_churned_tenants(4);
  bill::WorkFigures& work = *summary.mutable_work();
  work.set_total(3);
  work.set_success(2);
  work.set_failed(1);
  work.set_failure_ppm(333'333);
  bill::Alert& alert = *summary.add_alerts();
  alert.set_kind("churn");
  alert.set_message("too many left");
  return summary;
}

class MetricsRoutesTest : public GatewayTest {
 protected:
  static constexpr char kSummary[] = "/api/system/metrics/summary/";
  static constexpr char kSeries[] = "/api/system/metrics/timeseries/";
  static constexpr char kExport[] = "/api/system/metrics/export.csv";
  static constexpr char kConfig[] = "/api/system/metrics/config/";
  static constexpr char kDates[] = "?start_date=2026-11-01&end_date=2026-11-30";
};

TEST_F(MetricsRoutesTest, TheSummaryIsFlatAndInGroups) {
  services_.get_revenue.Do([&](const bill::GetSummaryRequest&) {
    EXPECT_EQ(services_.append_audit.calls(), 1u) << "audited before it is read";
    return SomeSummary();
  });
  const Answer answer = Get(std::string(kSummary) + kDates, admin_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(IsJson(answer.body));
  EXPECT_THAT(
      answer.body,
      StartsWith(
          R"({"mrr":9000,"mrr_dollars":90.0,"arr":108000,"arr_dollars":1080.0,)"
          R"("churn_rate":0.500000,"gross_churn_rate":0.466666,"nrr":1.533333,)"
          R"("arr_start":180000,"new":12000,"reactivation":0,"expansion":0,"contraction":24000,)"
          R"("churn":60000,"arr_end":108000,"summary":{)"
          R"("period":{"start":"2026-11-01T00:00:00.000000Z","end":"2026-12-01T00:00:00.000000Z"},)"
          R"("customers":{"start":2,"new":1,"churned":1,"end":2,"prepaid_active":3,)"
          R"("prepaid_churned":4},"engagement":null,"activation":null,)"
          R"("jobs":{"total":3,"success":2,"failed":1,"cancelled":0,"failure_rate":0.333333},)"
          R"("financial":{"currency":"USD","mrr_cents":9000,)"));
  EXPECT_THAT(answer.body, HasSubstr(R"("usage_cents":1,"usage_dollars":0.01,)"));
  EXPECT_THAT(answer.body, HasSubstr(R"("topups_cents":7000,"topups_dollars":70.0,)"));
  EXPECT_THAT(answer.body, HasSubstr(R"("adjustments_cents":-2,"adjustments_dollars":-0.02}})"));
  EXPECT_THAT(answer.body,
              HasSubstr(R"("latest_snapshot":{"created_at":"2026-12-31T00:00:00.000000Z",)"
                        R"("mrr_cents":10001,"mrr_dollars":100.01,"arr_cents":120006,)"
                        R"("arr_dollars":1200.06},)"
                        R"("alerts":[{"kind":"churn","message":"too many left"}]})"));
  const bill::GetSummaryRequest request = services_.get_revenue.last();
  EXPECT_EQ(request.start_time().seconds(), kNovember);
  EXPECT_EQ(request.end_time().seconds(), kNovember + 30 * kDay);
  EXPECT_EQ(request.tenant_id(), 0);
  EXPECT_EQ(services_.append_audit.last().event().type(), "billing_access");
}

TEST_F(MetricsRoutesTest, RatesWithoutAStartAreNull) {
  services_.get_revenue.Return({});
  const Answer answer = Get(std::string(kSummary) + kDates, admin_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr(R"("churn_rate":null,"gross_churn_rate":null,"nrr":null,)"));
  EXPECT_THAT(answer.body, HasSubstr(R"("failure_rate":null})"));
  EXPECT_THAT(answer.body, HasSubstr(R"("created_at":null)"));
}

TEST_F(MetricsRoutesTest, TheShortNamesAndATenantAreTaken) {
  EXPECT_EQ(Get(std::string(kSummary) + "?start=2026-11-01T10:20:00Z&end=2026-11-01T10:30:00Z"
                                        "&tenant=5",
                admin_)
                .status,
            200);
  const bill::GetSummaryRequest request = services_.get_revenue.last();
  EXPECT_EQ(request.start_time().seconds(), kNovember + 36'000) << "whole hours";
  EXPECT_EQ(request.end_time().seconds(), kNovember + 39'600);
  EXPECT_EQ(request.tenant_id(), 5);
  EXPECT_EQ(services_.append_audit.last().event().tenant_id(), 5);
}

TEST_F(MetricsRoutesTest, BadQuestionsReachNobody) {
  const std::string dates = kDates;
  for (const std::string& path :
       {std::string(kSummary), kSummary + std::string("?start_date=2026-11-01"),
        kSummary + std::string("?start_date=x&end_date=2026-11-01"),
        kSummary + std::string("?start_date=2026-11-02&end_date=2026-11-01"),
        kSummary + dates + "&tenant=0", kSummary + dates + "&tenant=x", kSeries + dates,
        kSeries + std::string("?metric=mrr"), std::string(kExport),
        std::string("/api/system/metrics/cohorts/?months=x")}) {
    const Answer answer = Get(path, admin_);
    EXPECT_EQ(answer.status, 400) << path;
    EXPECT_EQ(Code(answer), "VALIDATION_FAILED") << path;
  }
  EXPECT_EQ(services_.append_audit.calls(), 0u);
  EXPECT_EQ(services_.get_revenue.calls(), 0u);
  services_.get_revenue.Fail(Error(absl::StatusCode::kNotFound, "NO_DATA", "nothing"));
  const Answer none = Get(kSummary + dates, admin_);
  EXPECT_EQ(none.status, 404);
  EXPECT_EQ(Code(none), "NO_DATA");
  EXPECT_TRUE(Eventually([&] { return services_.append_audit.calls() == 2; }))
      << "that it failed is audited, too";
}

TEST_F(MetricsRoutesTest, ASeriesHasItsDays) {
  bill::GetTimeseriesResponse response;
  response.set_cents(true);
  for (const int value : {5, 0, 7}) response.add_values(value);
  services_.get_timeseries.Return(response);
  const Answer answer =
      Get(std::string(kSeries) + "?metric=usage&start=2026-11-29T12:00:00Z&end_date=2026-12-01",
          admin_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body,
            R"({"metric":"usage","unit":"cents","period":{"start":"2026-11-29T00:00:00.000000Z",)"
            R"("end":"2026-12-02T00:00:00.000000Z"},"series":[{"date":"2026-11-29","value":5},)"
            R"({"date":"2026-11-30","value":0},{"date":"2026-12-01","value":7}]})");
  EXPECT_EQ(services_.get_timeseries.last().metric(), "usage");
  EXPECT_EQ(services_.get_timeseries.last().start_time().seconds(), kNovember + 28 * kDay);
}

TEST_F(MetricsRoutesTest, CohortsHaveShares) {
  bill::GetCohortsResponse response;
  bill::Cohort& cohort = *response.add_cohorts();
  cohort.mutable_month()->set_seconds(kNovember);
  cohort.set_customers(3);
  cohort.add_active(3);
  cohort.add_active(2);
  response.add_cohorts()->mutable_month()->set_seconds(kNovember + 30 * kDay);
  response.mutable_cohorts(1)->add_active(0);
  services_.get_cohorts.Return(response);
  EXPECT_EQ(Get("/api/system/metrics/cohorts/", admin_).body,
            R"({"cohorts":[{"month":"2026-11","customers":3,"active":[3,2],)"
            R"("retention":[1.000000,0.666666]},)"
            R"({"month":"2026-12","customers":0,"active":[0],"retention":[null]}]})");
  EXPECT_EQ(services_.get_cohorts.last().months(), 6);
}

TEST_F(MetricsRoutesTest, TheExportHasEachMetricAsAColumn) {
  services_.get_timeseries.Do([](const bill::GetTimeseriesRequest& request) {
    bill::GetTimeseriesResponse response;
    response.set_cents(request.metric() != "jobs");
    response.add_values(static_cast<std::int64_t>(request.metric().size()));
    response.add_values(-1);
    return response;
  });
  const Answer answer =
      Fetch(gateway_.address(), "GET",
            std::string(kExport) + "?start_date=2026-11-30&end_date=2026-12-01&tenant=5",
            {{"Authorization", "Bearer " + admin_}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.Get("Content-Type"), "text/csv; charset=utf-8");
  EXPECT_THAT(answer.Get("Content-Disposition"),
              ::testing::MatchesRegex("attachment; filename=\"metrics_export_[0-9]{8}_[0-9]{6}"
                                      "\\.csv\""));
  EXPECT_EQ(answer.body,
            "Date,mrr_cents,arr_cents,customers_cents,usage_cents,topups_cents,refunds_cents,jobs,"
            "jobs_failed_cents,active_tenants_cents\r\n"
            "2026-11-30,3,3,9,5,6,7,4,11,14\r\n"
            "2026-12-01,-1,-1,-1,-1,-1,-1,-1,-1,-1\r\n");
  EXPECT_EQ(services_.get_timeseries.calls(), 9u);
  EXPECT_EQ(services_.get_timeseries.last().tenant_id(), 5);
  EXPECT_THAT(services_.append_audit.last().event().details_json(), HasSubstr("metrics_exported"));
  services_.get_timeseries.Fail(Error(absl::StatusCode::kInvalidArgument, "PERIOD_INVALID", "no"));
  EXPECT_EQ(Get(std::string(kExport) + kDates, admin_).status, 400);
}

TEST_F(MetricsRoutesTest, LevelsAreExactRates) {
  bill::AlertLevels levels;
  levels.set_logo_churn_ppm(50'000);
  levels.set_mrr_drop_ppm(1'000'000);
  levels.set_failed_work_ppm(1);
  levels.set_negative_accounts(2);
  services_.get_alert_levels.Return(levels);
  services_.update_alert_levels.Return(levels);
  constexpr char kShown[] =
      R"({"churn_rate":0.050000,"mrr_drop_rate":1.000000,"failed_jobs_rate":0.000001,)"
      R"("negative_accounts":2})";
  EXPECT_EQ(Get(kConfig, admin_).body, kShown);
  EXPECT_EQ(Send("PATCH", kConfig, admin_, "{}").body, kShown);
  EXPECT_EQ(services_.append_audit.calls(), 0u) << "nothing was changed";
  const Answer changed = Send("PATCH", kConfig, admin_,
                              R"({"churn_rate":0.1,"failed_jobs_rate":0,"negative_accounts":7})");
  EXPECT_EQ(changed.status, 200);
  EXPECT_EQ(changed.body, kShown);
  const bill::UpdateAlertLevelsRequest request = services_.update_alert_levels.last();
  EXPECT_EQ(request.logo_churn_ppm(), 100'000);
  EXPECT_FALSE(request.has_mrr_drop_ppm());
  EXPECT_TRUE(request.has_failed_work_ppm());
  EXPECT_EQ(request.negative_accounts(), 7);
  EXPECT_EQ(services_.append_audit.last().event().details_json(),
            R"({"action":"change_metrics_config","churn_rate":0.100000,)"
            R"("failed_jobs_rate":0.000000,"negative_accounts":7})");
  for (const char* body :
       {R"({"churn_rate":1.1})", R"({"churn_rate":0.0000001})", R"({"churn_rate":"0.1"})",
        R"({"churn_rate":-0.1})", R"({"negative_accounts":-1})", R"({"mrr":1})"}) {
    EXPECT_EQ(Send("PATCH", kConfig, admin_, body).status, 400) << body;
  }
  EXPECT_EQ(services_.update_alert_levels.calls(), 1u);
}

TEST_F(MetricsRoutesTest, OnlyStaffSeeThem) {
  for (const char* path : {kSummary, kSeries, kExport, kConfig, "/api/system/metrics/cohorts/"}) {
    EXPECT_EQ(Get(std::string(path) + kDates, user_).status, 403) << path;
    EXPECT_EQ(Get(std::string(path) + kDates, "").status, 401) << path;
  }
  EXPECT_EQ(Send("PATCH", kConfig, user_, R"({"churn_rate":0.1})").status, 403);
  EXPECT_EQ(services_.get_alert_levels.calls() + services_.get_timeseries.calls(), 0u);
}

}  // namespace
}  // namespace gatehouse::gateway
