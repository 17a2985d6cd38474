// Accounts and the ledger as a whole, for staff.
#include <atomic>

#include "libs/base/uuid.h"
#include "services/gateway/gateway_fixture.h"

namespace gatehouse::gateway {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

namespace bill = billing::v1;

constexpr char kEntryId[] = "0190c0de-0000-7000-8000-00000000000a";
constexpr char kExport[] = "/api/billing/admin/ledger/export.csv";
constexpr char kAccount[] = "/api/billing/admin/accounts/7/";
constexpr char kHeaderLine[] =
    "Tenant ID,Tenant Name,Entry Type,Amount (cents),Amount ($),Balance After (cents),"
    "Balance After ($),Related Job ID,Stripe Event ID,Notes,Created At\r\n";

bill::Account SomeAccount(std::int64_t tenant_id = 7) {
  bill::Account account;
  account.set_tenant_id(tenant_id);
  account.mutable_settled()->set_amount_nanos(-1);
  account.mutable_held()->set_amount_nanos(20'000'000);
  account.mutable_available()->set_amount_nanos(-20'000'001);
  account.mutable_low_threshold()->set_amount_nanos(5'000'000'000);
  account.mutable_ceiling()->set_amount_nanos(1'000'000'000);
  account.set_is_low(true);
  account.set_policy(bill::Account::POLICY_LIMITED);
  account.set_plan_tier("starter");
  return account;
}

bill::LedgerEntry SomeEntry(std::int64_t tenant_id, const std::string& notes) {
  bill::LedgerEntry entry;
  entry.set_id(kEntryId);
  entry.set_tenant_id(tenant_id);
  entry.set_entry_type("usage");
  entry.mutable_amount()->set_amount_nanos(-15'000'000);
  entry.mutable_balance_after()->set_amount_nanos(-5'000'000);
  entry.set_notes(notes);
  entry.set_job_id("j1");
  entry.set_stripe_event_id("evt_1");
  entry.mutable_create_time()->set_seconds(1'800'000'000);
  return entry;
}

// A chunked body put together; "cut" without its end.
std::string Whole(const Answer& answer) {
  std::string whole;
  std::size_t at = 0;
  while (at < answer.body.size()) {
    const std::size_t line = answer.body.find("\r\n", at);
    if (line == std::string::npos) break;
    const std::size_t size = std::stoul(answer.body.substr(at, line - at), nullptr, 16);
    if (size == 0) return whole;
    if (line + 2 + size > answer.body.size()) break;
    whole += answer.body.substr(line + 2, size);
    at = line + 4 + size;
  }
  return "cut";
}

class LedgerRoutesTest : public GatewayTest {
 protected:
  LedgerRoutesTest() {
    services_.get_tenant.Do([](const auth::v1::GetTenantRequest& request) {
      auth::v1::Tenant tenant;
      tenant.set_id(request.id());
      tenant.set_name("Tenant " + std::to_string(request.id()));
      return tenant;
    });
  }

  // The answer is no JSON, unlike what Get expects.
  Answer Download(const std::string& query = "") {
    return Fetch(gateway_.address(), "GET", kExport + query,
                 {{"Authorization", "Bearer " + admin_}});
  }

  std::string Audited() { return services_.append_audit.last().event().details_json(); }

  // Pages of one entry each, with the tokens "1", "2"…
  void ExportPages(int pages, std::size_t notes_size = 0) {
    services_.export_ledger.Do([=](const bill::ExportLedgerRequest& request) {
      const int page = request.page_token().empty() ? 0 : std::stoi(request.page_token());
      bill::ExportLedgerResponse response;
      *response.add_entries() = SomeEntry(7 + page % 2, std::string(notes_size, 'n'));
      if (page + 1 < pages) response.set_next_page_token(std::to_string(page + 1));
      return response;
    });
  }
};

TEST_F(LedgerRoutesTest, TheSummaryAddsUpAllReserves) {
  bill::AccountsSummary summary;
  summary.set_account_count(3);
  summary.mutable_settled()->set_amount_nanos(12'345'678'901);
  summary.mutable_held()->set_amount_nanos(1);
  summary.mutable_debt()->set_amount_nanos(20'000'000);
  summary.set_low_count(2);
  summary.set_negative_count(1);
  services_.summarize_accounts.Return(summary);
  const Answer answer = Get("/api/billing/admin/reserve/summary/", admin_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body,
            R"({"total_accounts":3,"total_balance_cents":1234,"total_balance_dollars":12.34,)"
            R"("total_held_cents":1,"total_held_dollars":0.01,"total_debt_cents":2,)"
            R"("total_debt_dollars":0.02,"low_balance_count":2,"negative_balance_count":1})");
}

TEST_F(LedgerRoutesTest, AccountsAreAnArrayThatGoesOn) {
  bill::ListAccountsResponse page;
  *page.add_accounts() = SomeAccount();
  page.set_total_size(9);
  page.set_next_page_token("more");
  services_.list_accounts.Return(page);
  const Answer answer = Get("/api/billing/admin/accounts/?limit=1&low_only=true&cursor=c", admin_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.Get("X-Total-Count"), "9");
  EXPECT_EQ(answer.Get("X-Next-Cursor"), "more");
  EXPECT_EQ(answer.body,
            R"([{"tenant_id":7,"plan_tier":"starter","balance_cents":-1,"balance_dollars":-0.01,)"
            R"("held_cents":2,"held_dollars":0.02,"available_cents":-3,"available_dollars":-0.03,)"
            R"("is_low":true,"low_balance_policy":"limited","low_balance_threshold_cents":500,)"
            R"("overdraft_cents":null,"ceiling_cents":100}])");
  EXPECT_EQ(services_.list_accounts.last().page_size(), 1);
  EXPECT_EQ(services_.list_accounts.last().page_token(), "c");
  EXPECT_TRUE(services_.list_accounts.last().low_only());
}

TEST_F(LedgerRoutesTest, OneAccountShowsItsTenantAndRights) {
  bill::Account account = SomeAccount();
  account.mutable_overdraft()->set_amount_nanos(50'000'000'000);
  services_.get_account.Return(account);
  bill::Profile profile;
  profile.set_allow_portal_access(true);
  services_.get_profile.Return(profile);
  const Answer answer = Get(kAccount, admin_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr(R"("overdraft_cents":5000,"ceiling_cents":100,)"));
  EXPECT_THAT(answer.body, EndsWith(R"("tenant_name":"Tenant 7","allow_portal_access":true,)"
                                    R"("allow_plan_changes":false})"));
  EXPECT_EQ(Code(Get("/api/billing/admin/accounts/x/", admin_)), "ID_INVALID");
  services_.get_tenant.Fail(
      Error(absl::StatusCode::kNotFound, "TENANT_NOT_FOUND", "Tenant not found"));
  EXPECT_EQ(Get("/api/billing/admin/accounts/8/", admin_).status, 404);
  EXPECT_EQ(services_.get_account.calls(), 1u) << "what is no tenant must not get an account";
}

TEST_F(LedgerRoutesTest, StaffSetWhatATenantMaySpend) {
  services_.get_account.Return(SomeAccount());
  const Answer changed =
      Send("PATCH", kAccount, admin_,
           R"({"low_balance_policy":"Block","low_balance_threshold_cents":0,)"
           R"("overdraft_cents":100000000,"ceiling_cents":1,"plan_tier":"enterprise",)"
           R"("allow_portal_access":false})");
  EXPECT_EQ(changed.status, 200) << changed.body;
  const bill::UpdateAccountRequest account = services_.update_account.last();
  EXPECT_EQ(account.tenant_id(), 7);
  EXPECT_EQ(account.policy(), bill::Account::POLICY_BLOCK);
  EXPECT_TRUE(account.has_low_threshold());
  EXPECT_EQ(account.low_threshold().amount_nanos(), 0);
  EXPECT_EQ(account.overdraft().amount_nanos(), 1'000'000'000'000'000);
  EXPECT_EQ(account.ceiling().amount_nanos(), 10'000'000);
  EXPECT_EQ(account.plan_tier(), "enterprise");
  EXPECT_FALSE(account.clear_overdraft());
  EXPECT_EQ(services_.update_profile.last().tenant_id(), 7);
  EXPECT_FALSE(services_.update_profile.last().allow_portal_access());
  EXPECT_FALSE(services_.update_profile.last().has_allow_plan_changes());
  EXPECT_THAT(Audited(), HasSubstr(R"("action":"account_updated","low_balance_policy":"block")"));
  EXPECT_THAT(Audited(), HasSubstr(R"("allow_portal_access":false)"));
  EXPECT_EQ(services_.append_audit.last().event().tenant_id(), 7);
}

TEST_F(LedgerRoutesTest, NullTakesTheOverdraftAwayAndNothingChangesNothing) {
  services_.get_account.Return(SomeAccount());
  EXPECT_EQ(Send("PATCH", kAccount, admin_, R"({"overdraft_cents":null})").status, 200);
  const bill::UpdateAccountRequest account = services_.update_account.last();
  EXPECT_TRUE(account.clear_overdraft());
  EXPECT_EQ(services_.update_profile.calls(), 0u);
  EXPECT_EQ(Send("PATCH", kAccount, admin_, "{}").status, 200);
  EXPECT_EQ(services_.update_account.calls(), 1u);
  EXPECT_EQ(services_.append_audit.calls(), 1u);
  for (const char* body :
       {R"({"overdraft_cents":-1})", R"({"ceiling_cents":100000001})", R"({"ceiling_cents":1.5})",
        R"({"low_balance_policy":"never"})", R"({"allow_plan_changes":"yes"})", R"({"x":1})"}) {
    EXPECT_EQ(Send("PATCH", kAccount, admin_, body).status, 400) << body;
  }
  services_.update_account.Fail(
      Error(absl::StatusCode::kInvalidArgument, "PLAN_TIER_UNKNOWN", "no such tier"));
  EXPECT_EQ(Code(Send("PATCH", kAccount, admin_, R"({"plan_tier":"gold"})")), "PLAN_TIER_UNKNOWN");
  EXPECT_EQ(Send("PATCH", kAccount, user_, "{}").status, 403);
}

TEST_F(LedgerRoutesTest, OnlyTheHalfThatWasNotDoneIsAuditedAsUndone) {
  services_.update_profile.Fail(Error(absl::StatusCode::kUnavailable, "", "down"));
  const char* both = R"({"ceiling_cents":1,"allow_portal_access":true})";
  EXPECT_EQ(Send("PATCH", kAccount, admin_, both).status, 503);
  EXPECT_EQ(services_.update_account.calls(), 1u);
  EXPECT_TRUE(Eventually([&] { return !services_.append_audit.last().event().success(); }));
  EXPECT_EQ(Audited(), R"({"action":"account_updated","allow_portal_access":true})");
  services_.update_account.Fail(Error(absl::StatusCode::kUnavailable, "", "down"));
  EXPECT_EQ(Send("PATCH", kAccount, admin_, both).status, 503);
  EXPECT_EQ(services_.update_profile.calls(), 1u);
  EXPECT_TRUE(Eventually([&] { return services_.append_audit.calls() == 4u; }));
  EXPECT_THAT(Audited(), HasSubstr(R"("ceiling_cents":1,"allow_portal_access":true)"))
      << "neither was done";
}

TEST_F(LedgerRoutesTest, AReversalNamesItsEntryAndIsAudited) {
  const std::string path = std::string("/api/billing/admin/ledger/") + kEntryId + "/reverse/";
  bill::AdjustBalanceResponse reversed;
  *reversed.mutable_entry() = SomeEntry(7, "twice");
  reversed.mutable_entry()->mutable_amount()->set_amount_nanos(20'000'000);
  reversed.mutable_entry()->mutable_balance_after()->set_amount_nanos(30'000'000);
  reversed.mutable_entry()->set_reverses(kEntryId);
  services_.reverse_entry.Return(reversed);
  const Answer answer = Post(path, admin_, R"({"reason":"twice"})", {{"Idempotency-Key", "k1"}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, std::string(R"({"message":"Entry reversed","status":"success",)") +
                             R"("ledger_entry_id":")" + kEntryId + R"(","reverses":")" + kEntryId +
                             R"(","amount_cents":2,"new_balance_cents":3})");
  EXPECT_EQ(services_.reverse_entry.last().entry_id(), kEntryId);
  EXPECT_FALSE(services_.reverse_entry.last().has_amount());
  EXPECT_THAT(Audited(), HasSubstr(R"("action":"ledger_entry_reversed","reason":"twice")"));
  Post(path, admin_, R"({"reason":"twice","amount_cents":5})", {{"Idempotency-Key", "k1"}});
  const auto sent = services_.reverse_entry.requests();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].idempotency_key(), sent[1].idempotency_key());
  EXPECT_TRUE(IsUuid(sent[0].idempotency_key()));
  EXPECT_EQ(sent[1].amount().amount_nanos(), 50'000'000);
  for (const char* body : {"{}", R"({"reason":" "})", R"({"reason":"r","amount_cents":0})"}) {
    EXPECT_EQ(Post(path, admin_, body).status, 400) << body;
  }
  EXPECT_EQ(Code(Post("/api/billing/admin/ledger/7/reverse/", admin_, R"({"reason":"r"})")),
            "ID_INVALID");
  EXPECT_EQ(answer.Get("Idempotency-Key"), sent[0].idempotency_key());
  services_.reverse_entry.Fail(
      Error(absl::StatusCode::kFailedPrecondition, "ENTRY_REVERSED", "taken back"));
  const Answer refused = Post(path, admin_, R"({"reason":"r"})");
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.Get("Idempotency-Key"), services_.reverse_entry.last().idempotency_key());
  services_.reverse_entry.Fail(Error(absl::StatusCode::kDeadlineExceeded, "", "too late"));
  EXPECT_THAT(Post(path, admin_, R"({"reason":"r"})").body, HasSubstr("it may have been booked"));
  EXPECT_TRUE(Eventually([&] { return !services_.append_audit.last().event().success(); }));
}

TEST_F(LedgerRoutesTest, TheExportIsACsvFileOfAllPages) {
  ExportPages(3);
  const Answer answer = Download();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.Get("Content-Type"), "text/csv; charset=utf-8");
  EXPECT_THAT(
      answer.Get("Content-Disposition"),
      ::testing::MatchesRegex("attachment; filename=\"ledger_export_[0-9]{8}_[0-9]{6}\\.csv\""));
  const std::string seven =
      "7,Tenant 7,usage,-2,-0.02,-1,-0.01,j1,evt_1,,2027-01-15T08:00:00.000000Z\r\n";
  std::string eight = seven;
  eight.replace(0, 10, "8,Tenant 8");
  EXPECT_EQ(Whole(answer), kHeaderLine + seven + eight + seven);
  EXPECT_EQ(services_.get_tenant.calls(), 2u) << "a name is asked for once";
  EXPECT_EQ(
      Fetch(gateway_.address(), "HEAD", kExport, {{"Authorization", "Bearer " + admin_}}).body, "");
  const auto event = services_.append_audit.last().event();
  EXPECT_EQ(event.type(), "billing_access");
  EXPECT_THAT(event.details_json(), HasSubstr(R"("action":"ledger_exported")"));
}

TEST_F(LedgerRoutesTest, FormulasInTheExportAreText) {
  services_.get_tenant.Do([](const auth::v1::GetTenantRequest&) {
    auth::v1::Tenant tenant;
    tenant.set_name("=cmd()");
    return tenant;
  });
  bill::ExportLedgerResponse page;
  *page.add_entries() = SomeEntry(7, "@a, \"b\"");
  services_.export_ledger.Return(page);
  EXPECT_THAT(Whole(Download()),
              HasSubstr("7,'=cmd(),usage,-2,-0.02,-1,-0.01,j1,evt_1,\"'@a, \"\"b\"\"\","));
}

TEST_F(LedgerRoutesTest, DaysAreInclusiveAndBothSpellingsWork) {
  for (const char* query : {"?tenant=7&start_date=2026-11-01&end_date=2026-11-30",
                            "?tenant=7&start=2026-11-01&end=2026-11-30"}) {
    EXPECT_EQ(Whole(Download(query)), kHeaderLine) << query;
    const bill::ExportLedgerRequest request = services_.export_ledger.last();
    EXPECT_EQ(request.tenant_id(), 7);
    EXPECT_EQ(request.start_time().seconds(), 1793491200);
    EXPECT_EQ(request.end_time().seconds(), 1796083200) << "the first moment of December";
  }
  Download();
  EXPECT_FALSE(services_.export_ledger.last().has_start_time());
  EXPECT_FALSE(services_.export_ledger.last().has_end_time());
  for (const char* query :
       {"?tenant=x", "?tenant=0", "?start=yesterday", "?start=2026-11-02&end=2026-11-01"}) {
    EXPECT_EQ(Get(std::string(kExport) + query, admin_).status, 400) << query;
  }
  EXPECT_EQ(Get(kExport, user_).status, 403);
  services_.get_tenant.Fail(
      Error(absl::StatusCode::kNotFound, "TENANT_NOT_FOUND", "Tenant not found"));
  EXPECT_EQ(Get(std::string(kExport) + "?tenant=99", admin_).status, 404);
}

TEST_F(LedgerRoutesTest, AFirstPageThatFailsIsAnError) {
  services_.export_ledger.Fail(
      Error(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE", "down"));
  const Answer answer = Get(kExport, admin_);
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.body, HasSubstr(R"("service":"billing")"));
}

TEST_F(LedgerRoutesTest, AFileThatCannotBeFinishedIsCut) {
  services_.export_ledger.Do(
      [](const bill::ExportLedgerRequest& request) -> absl::StatusOr<bill::ExportLedgerResponse> {
        if (!request.page_token().empty()) {
          return Error(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE", "down");
        }
        bill::ExportLedgerResponse page;
        *page.add_entries() = SomeEntry(7, "whole");
        page.set_next_page_token("1");
        return page;
      });
  const Answer answer = Download();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(Whole(answer), "cut") << "a client must not take it for the whole";
}

TEST_F(LedgerRoutesTest, NothingIsReadForAClientThatHasLeft) {
  // More than fits into what lies between the two.
  constexpr std::size_t kPages = 500;
  ExportPages(kPages, 300'000);
  std::atomic<bool> entered = false;
  services_.get_tenant.Do([&](const auth::v1::GetTenantRequest&) {
    entered = true;
    return auth::v1::Tenant();
  });
  LeaveEarly(gateway_.address(), kExport, admin_, entered);
  EXPECT_TRUE(Eventually([&] {
    const std::size_t before = services_.export_ledger.calls();
    for (int i = 0; i < 50; ++i) Get("/api/billing/admin/reserve/summary/", admin_);
    return services_.export_ledger.calls() == before;
  }));
  EXPECT_LT(services_.export_ledger.calls(), kPages);
}

TEST_F(LedgerRoutesTest, ALongFileArrivesWhole) {
  ExportPages(40, 100'000);
  const Answer answer = Download();
  EXPECT_EQ(answer.status, 200);
  const std::string whole = Whole(answer);
  EXPECT_EQ(whole.substr(0, whole.find('\n') + 1), kHeaderLine);
  EXPECT_GT(whole.size(), 4'000'000u);
  EXPECT_EQ(whole.substr(whole.size() - 3), "Z\r\n");
  EXPECT_EQ(services_.export_ledger.calls(), 40u);
}

}  // namespace
}  // namespace gatehouse::gateway
