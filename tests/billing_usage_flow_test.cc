// What work costs, on the real programs: the status bar, costs by tenant and tool, a
// price that changes, and the commands that judge the books from outside.
#include <gmock/gmock.h>

#include <cstdlib>

#include "tests/billing_flow.h"

namespace gatehouse {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kVerify[] = "billing verify-ledger 2>/dev/null";

class BillingUsageFlow : public BillingFlow {
 protected:
  static std::string Newcomer(const std::string& name, long cents) {
    const std::string token = stack_->SignUp(name);
    stack_->Credit(stack_->TenantOf(token), cents);
    return token;
  }

  static std::string Submit(const std::string& token, const std::string& type,
                            const std::string& payload) {
    const Answer made = Call("POST", "/api/jobs/",
                             R"({"type":)" + Quote(type) + R"(,"payload":)" + payload + "}", token);
    EXPECT_EQ(made.status, 201) << made.body;
    return made.At("/id");
  }

  // Runs a job to its end; what it cost in cents.
  static std::string RunJob(const std::string& token) {
    const std::string path = "/api/jobs/" + Submit(token, "text.stats", R"({"text":"a b"})") + "/";
    Answer job;
    EXPECT_TRUE(Eventually([&] {
      job = Get(path, token);
      return job.At("/status") == "success" && job.At("/cost_cents") != "null";
    })) << job.body;
    return job.At("/cost_cents");
  }

  static std::string Today() {
    return stack_->Sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')");
  }

  static Answer Publish(const std::string& dollars) {
    return Call("POST", "/api/billing/admin/prices/",
                R"({"prices":[{"line_type":"per_job","resource":"text.stats","price_dollars":")" +
                    dollars + R"("}],"notes":"as the flow wants it"})",
                stack_->AdminToken());
  }

  static std::string LastVersion(const std::string& tenant) {
    return stack_->Sql("SELECT price_version FROM billing.captures WHERE tenant_id = " + tenant +
                       " ORDER BY create_time DESC LIMIT 1");
  }
};

TEST_F(BillingUsageFlow, TheStatusBarShowsWhatRunsNow) {
  const std::string token = Newcomer("watcher", 1000);
  const auto bar = [&] { return Get("/api/status/bar/", token); };
  EXPECT_EQ(bar().At("/reserve_balance_cents"), "1000") << bar().body;
  EXPECT_EQ(bar().At("/reserve_balance_dollars"), "1E1");
  EXPECT_EQ(bar().At("/is_low_balance"), "false");
  EXPECT_EQ(bar().At("/jobs_running"), "0");
  const std::string job = Submit(token, "sleep", R"({"seconds":60})");
  EXPECT_TRUE(Eventually([&] { return bar().At("/jobs_running") == "1"; })) << bar().body;
  const std::string stranger = Newcomer("onlooker", 100);
  EXPECT_EQ(Get("/api/status/bar/", stranger).At("/jobs_running"), "0");
  EXPECT_EQ(Get("/api/status/bar/", stranger).At("/is_low_balance"), "true");
  EXPECT_EQ(Call("POST", "/api/jobs/" + job + "/cancel/", "", token).status, 200);
  EXPECT_TRUE(Eventually([&] { return bar().At("/jobs_running") == "0"; })) << bar().body;
  EXPECT_EQ(RunJob(token), "2");
  EXPECT_EQ(bar().At("/reserve_balance_cents"), "998");
  EXPECT_EQ(bar().At("/tokens_in"), "0") << "counting words takes none";
}

TEST_F(BillingUsageFlow, TheStatusBarShowsTheBalanceAloneWhileJobsAreAway) {
  const std::string token = Newcomer("halfblind", 700);
  stack_->at("jobs").Kill();
  const Answer bar = Get("/api/status/bar/", token);
  EXPECT_EQ(bar.status, 200) << bar.body;
  EXPECT_EQ(bar.At("/reserve_balance_cents"), "700");
  EXPECT_EQ(bar.At("/jobs_running"), "null");
  ASSERT_TRUE(stack_->at("jobs").Start());
  // The edge may call itself healthy still, not having noticed the death.
  EXPECT_TRUE(
      Eventually([&] { return Get("/api/status/bar/", token).At("/jobs_running") == "0"; }));
}

TEST_F(BillingUsageFlow, CostsAreTheJobsThatRan) {
  const std::string token = Newcomer("busy", 1000);
  const std::string other = Newcomer("calm", 1000);
  const std::string tenant = stack_->TenantOf(token);
  const std::string begin = Today();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(RunJob(token), "2");
  EXPECT_EQ(RunJob(other), "2");
  const std::string end = Today();
  const auto costs = [&](const std::string& query) {
    return Get("/api/billing/admin/usage/costs/?" + query, stack_->AdminToken());
  };
  const std::string of = "&tenant=" + tenant;
  for (const std::string& query :
       {"start_date=" + begin + "&end_date=" + end + of, "start=" + begin + "&end=" + end + of}) {
    const Answer answer = costs(query);
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.At("/tenant_costs/0/tenant_id"), tenant) << answer.body;
    EXPECT_EQ(answer.At("/tenant_costs/0/total_cost_nanos"), "60000000");
    EXPECT_EQ(answer.At("/tenant_costs/0/event_count"), "3");
    EXPECT_EQ(answer.At("/tenant_costs/1"), "");
    EXPECT_EQ(answer.At("/tool_costs/0/tool_name"), "text.stats");
    EXPECT_EQ(answer.At("/tool_costs/0/event_count"), "3");
    EXPECT_EQ(answer.At("/model_costs"), "[]");
  }
  const Answer all = costs("start_date=" + begin + "&end_date=" + end);
  for (const std::string& one : {tenant, stack_->TenantOf(other)}) {
    EXPECT_THAT(all.body, HasSubstr(R"({"tenant_id":)" + one + R"(,"total_cost":0.0)"));
  }
  EXPECT_EQ(costs("start_date=2020-01-01&end_date=2020-12-31" + of).At("/tenant_costs"), "[]");
  for (const char* bad : {"start_date=2025-02-30&end_date=2025-03-01", "start_date=x",
                          "start_date=2025-03-02&end_date=2025-03-01", "tenant=x"}) {
    EXPECT_EQ(costs(bad).status, 400) << bad;
  }
}

TEST_F(BillingUsageFlow, ANewPriceCountsFromTheNextJobOn) {
  const std::string token = Newcomer("priced", 1000);
  const std::string tenant = stack_->TenantOf(token);
  EXPECT_EQ(RunJob(token), "2");
  const std::string before = LastVersion(tenant);
  const Answer published = Publish("0.05");
  ASSERT_EQ(published.status, 201) << published.body;
  EXPECT_EQ(Publish("0.05").status, 200) << "it applies already";
  EXPECT_EQ(RunJob(token), "5");
  EXPECT_EQ(LastVersion(tenant), published.At("/version"));
  EXPECT_EQ(stack_->Sql("SELECT count(*) FROM billing.captures WHERE tenant_id = " + tenant +
                        " AND price_version = " + before + " AND amount_nanos = 20000000"),
            "1")
      << "what was charged stays charged";
  EXPECT_EQ(Balance(token), "993");
  EXPECT_THAT(
      Get("/api/admin/audit-events/?event_type=admin_action&limit=20", stack_->AdminToken()).body,
      HasSubstr("as the flow wants it"));
  EXPECT_EQ(Publish("0.02").status, 201);
  EXPECT_EQ(Get("/api/billing/admin/prices/?version=" + before, stack_->AdminToken()).status, 200);
  EXPECT_EQ(Shell(kVerify).find("exit"), std::string::npos) << "every bill can be computed again";
}

TEST_F(BillingUsageFlow, PricesAreLoadedFromAFile) {
  const std::string token = Newcomer("loaded", 1000);
  const std::string book = GATEHOUSE_SOURCE "/services/billing/prices.yaml";
  ASSERT_EQ(Shell("sed 's/per_job: \"0.02\"/per_job: \"0.03\"/' " + book + " > book.yaml"), "");
  const std::string dry = Shell("billing load-prices book.yaml --dry-run");
  EXPECT_THAT(dry, HasSubstr("would apply"));
  EXPECT_EQ(RunJob(token), "2");
  const std::string loaded = Shell("billing load-prices book.yaml --notes dearer");
  EXPECT_THAT(loaded, HasSubstr("per_job of text.stats"));
  EXPECT_THAT(loaded, Not(HasSubstr("exit")));
  EXPECT_EQ(RunJob(token), "3");
  EXPECT_THAT(Shell("billing load-prices book.yaml"), HasSubstr("has these prices already"));
  const std::string wrong = Shell(
      "echo 'prices: {x: {per_job: -1}}' > bad.yaml; "
      "billing load-prices bad.yaml");
  EXPECT_THAT(wrong, HasSubstr("exit 2"));
  EXPECT_THAT(Shell("billing load-prices " + book), Not(HasSubstr("exit")));
  EXPECT_EQ(RunJob(token), "2");
}

TEST_F(BillingUsageFlow, HledgerAgreesToTheLastUnit) {
  const std::string rich = Newcomer("rich", 123456);
  const std::string poor = Newcomer("poor", 1);
  EXPECT_EQ(Publish("0.023456789").status, 201);
  for (int i = 0; i < 3; ++i) {
    RunJob(rich);
    RunJob(poor);
  }
  EXPECT_EQ(Publish("0.02").status, 201);
  ASSERT_EQ(Deliver("checkout.session.completed", PaidSession(stack_->TenantOf(rich), "pi_h", 999))
                .status,
            200);
  const std::string export_line = "billing export-journal 2>/dev/null > book.journal && ";
  EXPECT_EQ(Shell(export_line + "hledger -f book.journal check balanced ordereddates"), "");
  // Of each tenant: what is reserved less what is owed, in billionths.
  const auto judged = [&](const std::string& tenant) {
    return Shell(
        "hledger -f book.journal bal -N --flat --format '%(total)\\n' "
        "'liabilities:reserve:tenant-" +
        tenant + "$' 'assets:receivable:tenant-" + tenant +
        "$' | grep -o '[-0-9.]*' | awk '{ split($1, p, \".\"); f = p[2]; "
        "while (length(f) < 9) f = f \"0\"; s = p[1] ~ /^-/ ? -1 : 1; "
        "n += -1 * (p[1] * 1000000000 + s * f) } END { printf \"%.0f\", n }'");
  };
  for (const std::string& token : {rich, poor}) {
    const std::string tenant = stack_->TenantOf(token);
    EXPECT_EQ(judged(tenant), stack_->Sql("SELECT settled_nanos FROM billing.accounts WHERE "
                                          "tenant_id = " +
                                          tenant));
  }
  EXPECT_LT(std::stol(judged(stack_->TenantOf(poor))), 0) << "who owes is in it, too";
}

TEST_F(BillingUsageFlow, AChangedEntryIsFound) {
  Newcomer("honest", 1000);
  EXPECT_THAT(Shell(kVerify), Not(HasSubstr("exit")));
  const std::string entry =
      stack_->Sql("SELECT id FROM billing.ledger_entries WHERE entry_type = 'adjustment' LIMIT 1");
  const std::string of = " WHERE id = '" + entry + "'";
  stack_->Sql("UPDATE billing.ledger_entries SET amount_nanos = amount_nanos + 1" + of);
  EXPECT_THAT(Shell(kVerify), HasSubstr("exit 1"));
  stack_->Sql("UPDATE billing.ledger_entries SET amount_nanos = amount_nanos - 1" + of);
  EXPECT_THAT(Shell(kVerify), Not(HasSubstr("exit")));
}

TEST_F(BillingUsageFlow, EventsThatFailedAreHandledAgain) {
  const std::string token = stack_->SignUp("refunded");
  const std::string tenant = stack_->TenantOf(token);
  const auto refuse = [&](bool does) {
    stack_->Sql("ALTER TABLE billing.accounts DROP CONSTRAINT IF EXISTS accounts_test_check" +
                std::string(does ? "; ALTER TABLE billing.accounts ADD CONSTRAINT "
                                   "accounts_test_check CHECK (tenant_id <> " +
                                       tenant + ") NOT VALID"
                                 : ""));
  };
  EXPECT_EQ(Deliver("charge.refunded", RefundedCharge(tenant, "pi_late", 5000, 2000)).At("/reason"),
            "payment_not_credited");
  refuse(true);
  EXPECT_EQ(Deliver("checkout.session.completed", PaidSession(tenant, "pi_late", 5000)).status,
            500);
  const std::string early = Shell("billing replay-events 2>/dev/null");
  EXPECT_THAT(early, HasSubstr("still fails"));
  EXPECT_THAT(early, HasSubstr("exit 1"));
  EXPECT_EQ(Balance(token), "0");
  refuse(false);
  EXPECT_THAT(Shell("billing replay-events --dry-run"), HasSubstr("1 failed events"));
  EXPECT_EQ(Balance(token), "0");
  const std::string handled = Shell("billing replay-events");
  EXPECT_THAT(handled, HasSubstr("checkout.session.completed: processed, tenant " + tenant));
  EXPECT_THAT(handled, Not(HasSubstr("exit")));
  EXPECT_EQ(Balance(token), "3000") << "what was refunded before is taken off";
  EXPECT_THAT(Shell("billing replay-events"), HasSubstr("0 failed events"));
  EXPECT_EQ(Balance(token), "3000");
}

}  // namespace
}  // namespace gatehouse
