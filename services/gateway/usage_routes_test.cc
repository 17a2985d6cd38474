// What usage costs, and the status bar.
#include "libs/base/time_text.h"
#include "libs/rpc/timestamp.h"
#include "services/gateway/cents.h"
#include "services/gateway/gateway_fixture.h"

namespace gatehouse::gateway {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

namespace bill = billing::v1;

constexpr char kCosts[] = "/api/billing/admin/usage/costs/";
constexpr char kBar[] = "/api/status/bar/";

TEST(ExactDollarsTest, HasEveryDigitAndNoMore) {
  EXPECT_EQ(ExactDollarsText(0), "0.0");
  EXPECT_EQ(ExactDollarsText(1), "0.000000001");
  EXPECT_EQ(ExactDollarsText(20'000'000), "0.02");
  EXPECT_EQ(ExactDollarsText(50'000'000'000), "50.0");
  EXPECT_EQ(ExactDollarsText(-1'500'000'000), "-1.5");
  EXPECT_EQ(ExactDollarsText(-1), "-0.000000001");
  EXPECT_EQ(ExactDollarsText(INT64_MAX), "9223372036.854775807");
  EXPECT_EQ(ExactDollarsText(INT64_MIN), "-9223372036.854775808");
}

class UsageRoutesTest : public GatewayTest {
 protected:
  // The period that billing was asked for.
  std::string Asked() {
    const bill::QueryCostsRequest request = services_.query_costs.last();
    return FormatTime(rpc::FromTimestamp(request.start_time())) + " " +
           FormatTime(rpc::FromTimestamp(request.end_time()));
  }

  static bill::Account SomeAccount() {
    bill::Account account;
    account.mutable_settled()->set_amount_nanos(50'019'999'999);
    account.set_is_low(true);
    return account;
  }
  static jobs::v1::Activity SomeActivity() {
    jobs::v1::Activity activity;
    activity.set_jobs_queued(3);
    activity.set_jobs_running(1);
    activity.set_tokens_in(1000);
    activity.set_tokens_out(200);
    return activity;
  }
};

TEST_F(UsageRoutesTest, CostsAreExactInEverySpelling) {
  bill::QueryCostsResponse costs;
  costs.mutable_total()->set_amount_nanos(1'000'000'001);
  bill::CostGroup& tenant = *costs.add_tenants();
  tenant.set_tenant_id(7);
  tenant.mutable_cost()->set_amount_nanos(1'000'000'001);
  tenant.set_event_count(3);
  bill::CostGroup& tool = *costs.add_tools();
  tool.set_tool("text.stats");
  bill::CostGroup& model = *costs.add_models();
  model.set_provider("openai");
  model.set_model("gpt-4o-mini");
  model.mutable_cost()->set_amount_nanos(20'000'000);
  model.set_event_count(1);
  model.set_tokens_in(12);
  model.set_tokens_out(3);
  services_.query_costs.Return(costs);
  const Answer answer =
      Get(std::string(kCosts) + "?start_date=2030-01-01&end_date=2030-01-31&tenant=7", admin_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body,
            R"({"start":"2030-01-01T00:00:00.000000Z","end":"2030-02-01T00:00:00.000000Z",)"
            R"("currency":"USD","total_cost":1.000000001,"total_cost_cents":101,)"
            R"("total_cost_nanos":1000000001,"tenant_costs":[{"tenant_id":7,)"
            R"("total_cost":1.000000001,"total_cost_cents":101,"total_cost_nanos":1000000001,)"
            R"("event_count":3,"avg_cost":0.333333333,"tokens_in":0,"tokens_out":0}],)"
            R"("tool_costs":[{"tool_name":"text.stats","total_cost":0.0,"total_cost_cents":0,)"
            R"("total_cost_nanos":0,"event_count":0,"avg_cost":0.0,"tokens_in":0,"tokens_out":0}],)"
            R"("model_costs":[{"provider":"openai","model":"gpt-4o-mini","total_cost":0.02,)"
            R"("total_cost_cents":2,"total_cost_nanos":20000000,"event_count":1,"avg_cost":0.02,)"
            R"("tokens_in":12,"tokens_out":3}]})");
  EXPECT_EQ(Asked(), "2030-01-01T00:00:00.000000Z 2030-02-01T00:00:00.000000Z")
      << "the last day is included";
  EXPECT_EQ(services_.query_costs.last().tenant_id(), 7);
}

TEST_F(UsageRoutesTest, BothSpellingsOfDatesAndNoneAreUnderstood) {
  EXPECT_EQ(Get(std::string(kCosts) + "?start=2030-01-01&end=2030-01-01", admin_).status, 200);
  EXPECT_EQ(Asked(), "2030-01-01T00:00:00.000000Z 2030-01-02T00:00:00.000000Z");
  EXPECT_EQ(
      Get(std::string(kCosts) + "?start=2030-01-01T00:30:00Z&end=2030-01-01T05:00:00Z", admin_)
          .status,
      200);
  EXPECT_EQ(Asked(), "2030-01-01T00:00:00.000000Z 2030-01-01T05:00:00.000000Z")
      << "usage is kept by the hour";
  EXPECT_EQ(Get(kCosts, admin_).status, 200);
  const std::string month = FormatTime(std::chrono::system_clock::now()).substr(0, 8);
  EXPECT_THAT(Asked(), HasSubstr(month + "01T00:00:00.000000Z "));
  EXPECT_EQ(services_.query_costs.last().tenant_id(), 0) << "all tenants";
}

TEST_F(UsageRoutesTest, BadDatesAreRefusedAndUsersAreKeptOut) {
  for (const char* query : {"?start=yesterday", "?start=2030-02-30&end=2030-03-01",
                            "?start_date=2030-01-02&end_date=2030-01-01", "?tenant=seven"}) {
    EXPECT_EQ(Get(std::string(kCosts) + query, admin_).status, 400) << query;
  }
  EXPECT_EQ(services_.query_costs.calls(), 0u);
  EXPECT_EQ(Get(kCosts, user_).status, 403);
}

TEST_F(UsageRoutesTest, TheStatusBarHasTheBalanceAndTheWork) {
  services_.get_account.Return(SomeAccount());
  services_.get_activity.Return(SomeActivity());
  const Answer answer = Get(kBar, user_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body,
              HasSubstr(R"({"reserve_balance_cents":5001,"reserve_balance_dollars":50.01,)"
                        R"("is_low_balance":true,"tokens_in":1000,"tokens_out":200,)"
                        R"("jobs_running":1,"jobs_queued":3,"updated_at":"20)"));
  EXPECT_EQ(services_.get_account.last().tenant_id(), 7);
  EXPECT_EQ(services_.get_activity.last().tenant_id(), 7);
}

TEST_F(UsageRoutesTest, TheTwoAreAskedSideBySide) {
  // Each answers only when the other was asked, too.
  const auto both = [this] {
    return Eventually([this] {
      return services_.get_account.calls() == 1 && services_.get_activity.calls() == 1;
    });
  };
  services_.get_account.Do([&](const bill::GetAccountRequest&) -> absl::StatusOr<bill::Account> {
    return both() ? SomeAccount() : bill::Account();
  });
  services_.get_activity.Do(
      [&](const jobs::v1::GetActivityRequest&) -> absl::StatusOr<jobs::v1::Activity> {
        return both() ? SomeActivity() : jobs::v1::Activity();
      });
  EXPECT_THAT(Get(kBar, user_).body,
              AllOf(HasSubstr(R"("reserve_balance_cents":5001)"), HasSubstr(R"("jobs_queued":3)")));
}

TEST_F(UsageRoutesTest, WithoutJobsTheBarShowsTheBalanceAndWithoutBillingNothing) {
  services_.get_account.Return(SomeAccount());
  services_.Stop("jobs");
  const Answer answer = Get(kBar, user_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body,
              AllOf(HasSubstr(R"("reserve_balance_cents":5001)"), HasSubstr(R"("tokens_in":null)"),
                    HasSubstr(R"("jobs_running":null,"jobs_queued":null)")));
  services_.Start("jobs");
  services_.Stop("billing");
  EXPECT_EQ(Get(kBar, user_).status, 503);
}

}  // namespace
}  // namespace gatehouse::gateway
