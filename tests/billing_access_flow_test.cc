// Who sees which money, on the real programs: tenants their own, administrators all, the
// ledger as a file also for those who read it slowly or leave, and what is written down.
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <regex>
#include <thread>

#include "tests/access/matrix.h"
#include "tests/billing_flow.h"
#include "tests/harness/edge.h"
#include "tests/harness/slow_reader.h"

namespace gatehouse {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kExport[] = "/api/billing/admin/ledger/export.csv";
constexpr char kCsvHead[] =
    "Tenant ID,Tenant Name,Entry Type,Amount (cents),Amount ($),Balance After (cents),"
    "Balance After ($),Related Job ID,Stripe Event ID,Notes,Created At";

// The body of an answer that came in chunks; "" unless it is whole.
std::string Dechunk(const std::string& body) {
  std::string whole;
  for (std::size_t at = 0;;) {
    const std::size_t line = body.find("\r\n", at);
    if (line == body.npos) return "";
    const std::size_t size = std::strtoul(body.substr(at, line - at).c_str(), nullptr, 16);
    if (size == 0) return whole;
    if (line + 2 + size + 2 > body.size()) return "";
    whole.append(body, line + 2, size);
    at = line + 2 + size + 2;
  }
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0, end; (end = text.find('\n', at)) != text.npos; at = end + 1) {
    lines.push_back(text.substr(at, end - at));
    if (lines.back().ends_with('\r')) lines.back().pop_back();
  }
  return lines;
}

class BillingAccessFlow : public BillingFlow {
 protected:
  static std::vector<std::string> Export(const std::string& query) {
    const Answer answer = Get(kExport + query, stack_->AdminToken());
    EXPECT_EQ(answer.status, 200) << answer.body;
    const bool is_chunked = answer.Header("Transfer-Encoding") == "chunked";
    return Lines(is_chunked ? Dechunk(answer.body) : answer.body);
  }

  static Answer Adjust(const std::string& tenant, long cents, const std::string& reason) {
    return Call("POST", "/api/billing/admin/reserve/adjust/",
                R"({"tenant_id":)" + tenant + R"(,"amount_cents":)" + std::to_string(cents) +
                    R"(,"reason":)" + Quote(reason) + "}",
                stack_->AdminToken());
  }

  // Routes about money and its figures.
  static std::vector<access::Row> Routes() {
    std::vector<access::Row> routes;
    for (const access::Row& row : access::ReadRows("routes.tsv")) {
      const std::string& path = row.at("path");
      for (const char* surface : {"/api/billing/", "/api/system/metrics/", "/api/status/"}) {
        if (path.starts_with(surface)) routes.push_back(row);
      }
    }
    return routes;
  }

  // Books `count` entries of a cent, as if somebody had done so one by one.
  static void BookMany(const std::string& tenant, int count) {
    const std::string many = std::to_string(count);
    stack_->Sql("INSERT INTO billing.accounts (tenant_id) VALUES (" + tenant +
                ") ON CONFLICT DO NOTHING");
    stack_->Sql(
        "INSERT INTO billing.ledger_entries (id, tenant_id, entry_number, debit_account, "
        "credit_account, amount_nanos, entry_type, balance_after_nanos, notes) SELECT "
        "(lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || '70008' || "
        "lpad(to_hex(n), 15, '0'))::uuid, " +
        tenant +
        ", n, 'adjustments', 'reserve', 10000000, 'adjustment', n * 10000000::bigint, "
        "repeat('a note that takes room ', 4) FROM generate_series(1, " +
        many + ") n");
    stack_->Sql("UPDATE billing.accounts SET settled_nanos = 10000000::bigint * " + many +
                ", entry_count = " + many + " WHERE tenant_id = " + tenant);
  }
};

TEST_F(BillingAccessFlow, NobodySeesTheMoneyOfAnotherTenant) {
  const std::string owner = stack_->SignUp("owner");
  const std::string stranger = stack_->SignUp("stranger");
  const std::string tenant = stack_->TenantOf(owner);
  const Answer adjusted = Adjust(tenant, 98765431, "a reason of the owner");
  const std::string entry = adjusted.At("/ledger_entry_id");
  const Answer job =
      Call("POST", "/api/jobs/", R"({"type":"text.stats","payload":{"text":"a b"}})", owner);
  const Answer session =
      Call("POST", "/api/billing/topup/session/", R"({"amount_dollars":12.34})", owner);
  ASSERT_EQ(session.status, 200) << session.body;
  const std::string customer =
      stack_->Sql("SELECT customer_id FROM billing.stripe_customers WHERE tenant_id = " + tenant);
  EXPECT_THAT(Get("/api/billing/reserve/ledger/", owner).body, HasSubstr(entry));
  const std::vector<std::string> marks = {entry,
                                          "98765431",
                                          "a reason of the owner",
                                          customer,
                                          job.At("/id"),
                                          session.At("/session_id"),
                                          "owner's Organization"};
  const std::map<std::string, std::string> values = {
      {"tenant", tenant}, {"job", job.At("/id")}, {"entry", entry}, {"uuid", entry}};
  int asked = 0;
  for (const access::Row& row : Routes()) {
    if (row.at("who") == "public") continue;
    ++asked;
    std::string path = row.at("path");
    for (std::size_t at; (at = path.find('{')) != path.npos;) {
      const std::size_t end = path.find('}', at);
      const std::string name = path.substr(at, end - at + 1);
      path.replace(at, end - at + 1, name == "{tenant_id}" || name == "{tenant}" ? tenant : entry);
    }
    const bool has_id = path != row.at("path");
    path += "?tenant=" + tenant + "&tenant_id=" + tenant + "&client_id=default";
    const std::string& method = row.at("method");
    std::string body = row.at("body").empty() ? "" : access::Fill(row.at("body"), values);
    const std::string what = method + " " + path;
    const Answer nobody = Call(method, path, body, "");
    EXPECT_EQ(nobody.status, 401) << what;
    const Answer answer = Call(method, path, body, stranger);
    if (row.at("who") == "admin") {
      EXPECT_EQ(answer.status, 403) << what << answer.body;
    } else if (has_id) {
      EXPECT_THAT(answer.status, ::testing::AnyOf(403, 404)) << what << answer.body;
    }
    for (const std::string& mark : marks) {
      EXPECT_THAT(answer.body, Not(HasSubstr(mark))) << what;
      EXPECT_THAT(nobody.body, Not(HasSubstr(mark))) << what;
    }
  }
  EXPECT_GE(asked, 24);
}

TEST_F(BillingAccessFlow, NobodyChangesTheMoneyOfAnotherTenant) {
  const std::string owner = stack_->SignUp("keeper");
  const std::string stranger = stack_->SignUp("meddler");
  const std::string tenant = stack_->TenantOf(owner);
  ASSERT_EQ(Adjust(tenant, 5000, "Credit").status, 200);
  const std::string before = Get("/api/billing/profile/", owner).body;
  const std::string foreign = R"("tenant_id":)" + tenant + R"(,"tenant":)" + tenant;
  const std::string query = "?tenant=" + tenant + "&tenant_id=" + tenant;
  Call("PATCH", "/api/billing/profile/" + query,
       R"({"low_balance_policy":"block",)" + foreign + "}", stranger);
  Call("POST", "/api/billing/topup/session/" + query, R"({"amount_cents":700,)" + foreign + "}",
       stranger);
  EXPECT_EQ(Get("/api/billing/profile/", owner).body, before);
  EXPECT_EQ(
      stack_->Sql("SELECT count(*) FROM billing.stripe_customers WHERE tenant_id = " + tenant),
      "0");
  EXPECT_EQ(Balance(owner), "5000");
  EXPECT_EQ(Balance(stranger), "0");
}

TEST_F(BillingAccessFlow, AnAdjustmentIsWrittenDownWithWhoWhyAndWhen) {
  const std::string owner = stack_->SignUp("audited");
  const std::string tenant = stack_->TenantOf(owner);
  const std::string reason = "goodwill for the outage of Tuesday";
  const Answer adjusted = Adjust(tenant, -250, reason);
  ASSERT_EQ(adjusted.status, 200) << adjusted.body;
  EXPECT_EQ(adjusted.At("/new_balance_cents"), "-250");
  const Answer events =
      Get("/api/admin/audit-events/?event_type=admin_action&limit=50", stack_->AdminToken());
  int found = -1;
  for (int i = 0; i < 50 && found < 0; ++i) {
    if (events.At("/" + std::to_string(i) + "/details/reason") == reason) found = i;
  }
  ASSERT_GE(found, 0) << events.body;
  const std::string at = "/" + std::to_string(found);
  EXPECT_EQ(events.At(at + "/username"), "admin");
  EXPECT_EQ(events.At(at + "/details/amount_cents"), "-250");
  EXPECT_EQ(events.At(at + "/target"), "tenant/" + tenant);
  EXPECT_THAT(events.At(at + "/timestamp"), ::testing::MatchesRegex("20[0-9-]+T[0-9:.]+Z"));
  EXPECT_EQ(stack_->Sql("SELECT count(*) FROM billing.ledger_entries WHERE tenant_id = " + tenant +
                        " AND notes = '" + reason +
                        "' AND actor = (SELECT id::text FROM "
                        "auth.users WHERE username = 'admin')"),
            "1")
      << "the ledger knows the administrator, too";
}

TEST_F(BillingAccessFlow, TheLedgerIsAFileThatNoSpreadsheetExecutes) {
  const std::string owner = stack_->SignUp("exported");
  const std::string tenant = stack_->TenantOf(owner);
  for (const char* reason : {"=1+1", "+1", "-1", "@SUM(A1)", "plain, with \"quotes\""}) {
    ASSERT_EQ(Adjust(tenant, 100, reason).status, 200);
  }
  ASSERT_EQ(Adjust(tenant, -50, "taken").status, 200);
  const Answer answer = Get(std::string(kExport) + "?tenant=" + tenant, stack_->AdminToken());
  EXPECT_THAT(answer.Header("Content-Type"), StartsWith("text/csv"));
  EXPECT_TRUE(
      std::regex_search(answer.Header("Content-Disposition"),
                        std::regex(R"(^attachment; filename="?ledger_export_\d{8}_\d{6}\.csv"?$)")))
      << answer.Header("Content-Disposition");
  const std::vector<std::string> lines = Export("?tenant=" + tenant);
  ASSERT_EQ(lines.size(), 7u);
  EXPECT_EQ(lines[0], kCsvHead);
  const char* const notes[] = {"'=1+1", "'+1", "'-1", "'@SUM(A1)", "plain, with \"\"quotes\"\""};
  for (int i = 0; i < 5; ++i) {
    const std::string cents = std::to_string(100 * (i + 1));
    EXPECT_THAT(lines[i + 1], StartsWith(tenant + ",")) << "the oldest first";
    EXPECT_THAT(lines[i + 1], HasSubstr(",adjustment,100,"));
    EXPECT_THAT(lines[i + 1], HasSubstr("," + cents + ","));
    EXPECT_THAT(lines[i + 1], HasSubstr(notes[i]));
  }
  EXPECT_THAT(lines[6], HasSubstr(",-50,")) << "a number is no formula";
  for (const std::string& line : lines) {
    EXPECT_FALSE(std::regex_search(line, std::regex(R"re((^|,)"?[=+@])re"))) << line;
  }
}

TEST_F(BillingAccessFlow, TheLedgerOfATimeHasTheLastDayInIt) {
  const std::string tenant = stack_->TenantOf(stack_->SignUp("dated"));
  ASSERT_EQ(Adjust(tenant, 100, "Credit").status, 200);
  const std::string today = stack_->Sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')");
  const std::string of = "?tenant=" + tenant;
  EXPECT_EQ(Export(of + "&start=" + today + "&end=" + today).size(), 2u);
  EXPECT_EQ(Export(of + "&start_date=" + today + "&end_date=" + today).size(), 2u);
  EXPECT_EQ(Export(of + "&end=2020-01-01").size(), 1u);
  EXPECT_EQ(Export(of + "&start=2199-01-01").size(), 1u);
  const std::string admin = stack_->AdminToken();
  for (const char* bad : {"start=yesterday", "end=2025-02-30", "tenant=x", "tenant=-1"}) {
    const Answer answer = Get(std::string(kExport) + "?" + bad, admin);
    EXPECT_EQ(answer.status, 400) << bad << answer.body;
  }
}

TEST_F(BillingAccessFlow, WhoReadsTheFileSlowlyOrLeavesCostsNothing) {
  constexpr int kEntries = 40000;  // About 7 MB as a file.
  constexpr int kReaders = 16;
  const std::string owner = stack_->SignUp("bulk");
  const std::string tenant = stack_->TenantOf(owner);
  BookMany(tenant, kEntries);
  const std::string admin = stack_->AdminToken();
  const auto export_whole = [&] { return Export("?tenant=" + tenant).size(); };
  EXPECT_EQ(export_whole(), kEntries + 1u) << "a first one, so that all memory is warm";
  const long edge = harness::PssKib(stack_->at("gateway").pid());
  const long billing = harness::PssKib(stack_->at("billing").pid());
  std::vector<std::unique_ptr<harness::SlowReader>> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.push_back(std::make_unique<harness::SlowReader>(stack_->http().address()));
    readers.back()->Ask("GET", kExport + ("?tenant=" + tenant), admin);
    EXPECT_THAT(readers.back()->Read(1000), HasSubstr(" 200 "));
  }
  // What takes as long as all of theirs would, if nobody waited for them.
  for (int i = 0; i < 2; ++i) EXPECT_EQ(export_whole(), kEntries + 1u);
  EXPECT_LT(harness::PssKib(stack_->at("gateway").pid()) - edge, 48 * 1024);
  EXPECT_LT(harness::PssKib(stack_->at("billing").pid()) - billing, 48 * 1024);
  EXPECT_EQ(Balance(owner), std::to_string(kEntries)) << "others are served meanwhile";
  EXPECT_THAT(readers[0]->Read(300000), HasSubstr("a note that takes room"));
  readers.clear();
  EXPECT_EQ(export_whole(), kEntries + 1u);
  EXPECT_EQ(Get("/health", "").At("/status"), "healthy");
  EXPECT_TRUE(Eventually([&] {
    return stack_->Sql(
               "SELECT count(*) FROM pg_stat_activity WHERE usename = 'gatehouse_billing' "
               "AND state <> 'idle' AND xact_start < now() - interval '1 second'") == "0";
  }));
}

}  // namespace
}  // namespace gatehouse
