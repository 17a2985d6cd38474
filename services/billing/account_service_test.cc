#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "services/billing/billing_testing.h"
#include "services/billing/messages.h"

namespace gatehouse::billing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::int64_t kTenant = 7;

class AccountServiceTest : public BillingTest {
 protected:
  absl::StatusOr<v1::ListLedgerEntriesResponse> List(int skip = 0, int page_size = 0) {
    v1::ListLedgerEntriesRequest request;
    request.set_tenant_id(kTenant);
    request.set_skip(skip);
    request.set_page_size(page_size);
    return accounts_.ListLedgerEntries(request);
  }

  std::vector<std::int64_t> Amounts(int skip, int page_size) {
    std::vector<std::int64_t> amounts;
    const auto page = List(skip, page_size);
    EXPECT_TRUE(page.ok()) << page.status();
    for (const v1::LedgerEntry& entry : page->entries()) {
      amounts.push_back(entry.amount().amount_nanos());
    }
    return amounts;
  }
};

TEST_F(AccountServiceTest, AnUntouchedAccountHasTheDefaults) {
  const v1::Account account = AccountOf(kTenant);
  EXPECT_EQ(account.tenant_id(), kTenant);
  EXPECT_EQ(account.settled().amount_nanos(), 0);
  EXPECT_EQ(account.available().amount_nanos(), 0);
  EXPECT_EQ(account.low_threshold().amount_nanos(), 5'000'000'000);
  EXPECT_TRUE(account.is_low());
  EXPECT_EQ(account.policy(), v1::Account::POLICY_WARN);
  Execute("DO $$ BEGIN ASSERT (SELECT count(*) = 0 FROM billing.accounts); END $$");
}

TEST_F(AccountServiceTest, ATouchedAccountBeginsWithTheSameDefaults) {
  const v1::Account untouched = AccountOf(kTenant);
  v1::UpdateAccountRequest request;
  request.set_tenant_id(kTenant);
  const auto touched = accounts_.UpdateAccount(request);
  ASSERT_TRUE(touched.ok()) << touched.status();
  EXPECT_EQ(touched->SerializeAsString(), untouched.SerializeAsString());
}

TEST_F(AccountServiceTest, SettledHeldAndAvailableAreShownApart) {
  Credit(kTenant, 6'000'000'000);
  ASSERT_TRUE(Reserve(UuidV7(), kTenant, 50).ok());
  const v1::Account account = AccountOf(kTenant);
  EXPECT_EQ(account.settled().amount_nanos(), 6'000'000'000);
  EXPECT_EQ(account.held().amount_nanos(), 1'000'000'000);
  EXPECT_EQ(account.available().amount_nanos(), 5'000'000'000);
  EXPECT_FALSE(account.is_low());
}

TEST_F(AccountServiceTest, LowIsByWhatIsBookedEverywhere) {
  Credit(kTenant, 5'000'000'000);
  ASSERT_TRUE(Reserve(UuidV7(), kTenant, 50).ok());
  EXPECT_FALSE(AccountOf(kTenant).is_low());
  v1::ListAccountsRequest low;
  low.set_low_only(true);
  EXPECT_EQ(accounts_.ListAccounts(low)->accounts_size(), 0);
  EXPECT_EQ(accounts_.ListAccounts(low)->total_size(), 0);
  EXPECT_EQ(accounts_.SummarizeAccounts()->low_count(), 0);
  Credit(kTenant, -1);
  EXPECT_TRUE(AccountOf(kTenant).is_low());
  EXPECT_EQ(accounts_.ListAccounts(low)->accounts_size(), 1);
  EXPECT_EQ(accounts_.ListAccounts(low)->total_size(), 1);
  EXPECT_EQ(accounts_.SummarizeAccounts()->low_count(), 1);
}

TEST_F(AccountServiceTest, ThePolicyIsChangedOrLeft) {
  SetPolicy(kTenant, v1::Account::POLICY_BLOCK);
  EXPECT_EQ(AccountOf(kTenant).policy(), v1::Account::POLICY_BLOCK);
  SetPolicy(kTenant, v1::Account::POLICY_UNSPECIFIED);
  EXPECT_EQ(AccountOf(kTenant).policy(), v1::Account::POLICY_BLOCK);
  v1::UpdateAccountRequest request;
  request.set_tenant_id(kTenant);
  request.set_policy(static_cast<v1::Account::Policy>(9));
  const absl::Status status = accounts_.UpdateAccount(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Reason(status), "POLICY_UNKNOWN");
}

TEST_F(AccountServiceTest, SettingsAreChangedOrLeft) {
  v1::UpdateAccountRequest request;
  request.set_tenant_id(kTenant);
  *request.mutable_low_threshold() = ToMoney(0);
  *request.mutable_overdraft() = ToMoney(7);
  *request.mutable_ceiling() = ToMoney(9);
  ASSERT_TRUE(accounts_.UpdateAccount(request).ok());
  SetPolicy(kTenant, v1::Account::POLICY_LIMITED);
  v1::Account account = AccountOf(kTenant);
  EXPECT_EQ(account.low_threshold().amount_nanos(), 0);
  EXPECT_EQ(account.overdraft().amount_nanos(), 7);
  EXPECT_EQ(account.ceiling().amount_nanos(), 9);
  EXPECT_FALSE(account.is_low()) << "nothing is not below nothing";
  v1::UpdateAccountRequest clear;
  clear.set_tenant_id(kTenant);
  clear.set_clear_overdraft(true);
  ASSERT_TRUE(accounts_.UpdateAccount(clear).ok());
  account = AccountOf(kTenant);
  EXPECT_FALSE(account.has_overdraft());
  EXPECT_EQ(account.ceiling().amount_nanos(), 9);
  EXPECT_EQ(account.policy(), v1::Account::POLICY_LIMITED);
}

TEST_F(AccountServiceTest, AccountsAreListedByTenantInPages) {
  const auto list = [&](int page_size, const std::string& token, bool low_only) {
    v1::ListAccountsRequest request;
    request.set_page_size(page_size);
    request.set_page_token(token);
    request.set_low_only(low_only);
    return accounts_.ListAccounts(request);
  };
  for (const std::int64_t tenant : {9, 3, 70'000, 4}) Credit(tenant, 5'000'000'000);
  Credit(4, -1);
  const auto first = list(3, "", false);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(first->accounts_size(), 3);
  EXPECT_EQ(first->accounts(0).tenant_id(), 3);
  EXPECT_EQ(first->accounts(2).tenant_id(), 9);
  EXPECT_EQ(first->total_size(), 4);
  const auto second = list(3, first->next_page_token(), false);
  ASSERT_EQ(second->accounts_size(), 1);
  EXPECT_EQ(second->accounts(0).tenant_id(), 70'000);
  EXPECT_EQ(second->next_page_token(), "");
  const auto low = list(0, "", true);
  ASSERT_EQ(low->accounts_size(), 1);
  EXPECT_EQ(low->accounts(0).tenant_id(), 4);
  EXPECT_EQ(low->total_size(), 1);
  EXPECT_EQ(Reason(list(0, "x", false).status()), "PAGE_TOKEN_INVALID");
}

TEST_F(AccountServiceTest, AccountsAreAddedUp) {
  EXPECT_EQ(accounts_.SummarizeAccounts()->account_count(), 0);
  Credit(3, 9'000'000'000);
  Credit(4, -4);
  ASSERT_TRUE(Reserve(UuidV7(), 3, 2).ok());
  const auto sums = accounts_.SummarizeAccounts();
  ASSERT_TRUE(sums.ok()) << sums.status();
  EXPECT_EQ(sums->account_count(), 2);
  EXPECT_EQ(sums->settled().amount_nanos(), 8'999'999'996);
  EXPECT_EQ(sums->held().amount_nanos(), 2 * kJobNanos);
  EXPECT_EQ(sums->debt().amount_nanos(), 4);
  EXPECT_EQ(sums->low_count(), 1);
  EXPECT_EQ(sums->negative_count(), 1);
}

TEST_F(AccountServiceTest, AGiftComesFromPromotionsAndNamesWhoGaveIt) {
  v1::AdjustBalanceRequest gift = AdjustRequestOf(kTenant, 500);
  gift.set_promotion(true);
  const auto given = accounts_.AdjustBalance(gift, "ada");
  ASSERT_TRUE(given.ok()) << given.status();
  EXPECT_EQ(given->entry().counter_account(), "promotions");
  EXPECT_EQ(given->entry().actor(), "ada");
  EXPECT_EQ(given->entry().tenant_id(), kTenant);
  const auto page = List();
  ASSERT_EQ(page->entries_size(), 1);
  EXPECT_EQ(page->entries(0).SerializeAsString(), given->entry().SerializeAsString());
  gift.set_promotion(false);
  EXPECT_EQ(Reason(accounts_.AdjustBalance(gift, "ada").status()), "IDEMPOTENCY_KEY_REUSED");
}

TEST_F(AccountServiceTest, WhatIsLentInDebtIsNotListed) {
  Credit(kTenant, 5);
  Credit(kTenant, -8);
  ExpectSql("SELECT count(*) = 3 FROM billing.ledger_entries");
  EXPECT_THAT(Amounts(0, 0), ElementsAre(-8, 5));
  EXPECT_EQ(List()->total_size(), 2);
}

TEST_F(AccountServiceTest, AdjustBooksCreditsAndDebits) {
  const auto credit = accounts_.AdjustBalance(AdjustRequestOf(kTenant, 500));
  ASSERT_TRUE(credit.ok()) << credit.status();
  EXPECT_EQ(credit->entry().entry_type(), "adjustment");
  EXPECT_EQ(credit->entry().amount().amount_nanos(), 500);
  EXPECT_EQ(credit->entry().balance_after().amount_nanos(), 500);
  EXPECT_EQ(credit->entry().notes(), "a test");
  EXPECT_EQ(credit->entry().job_id(), "");
  const auto debit = accounts_.AdjustBalance(AdjustRequestOf(kTenant, -800));
  ASSERT_TRUE(debit.ok()) << debit.status();
  EXPECT_EQ(debit->entry().amount().amount_nanos(), -800);
  EXPECT_EQ(debit->entry().balance_after().amount_nanos(), -300);
  EXPECT_EQ(AccountOf(kTenant).settled().amount_nanos(), -300);
  ExpectBooksRight();
}

TEST_F(AccountServiceTest, AdjustTwiceIsOneEntryWithTheFirstAnswer) {
  const std::string key = UuidV7();
  const auto first = accounts_.AdjustBalance(AdjustRequestOf(kTenant, 500, key));
  ASSERT_TRUE(first.ok()) << first.status();
  const auto again = accounts_.AdjustBalance(AdjustRequestOf(kTenant, 500, key));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  EXPECT_EQ(AccountOf(kTenant).settled().amount_nanos(), 500);
  const absl::Status other_amount =
      accounts_.AdjustBalance(AdjustRequestOf(kTenant, 501, key)).status();
  EXPECT_EQ(other_amount.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Reason(other_amount), "IDEMPOTENCY_KEY_REUSED");
  EXPECT_EQ(Reason(accounts_.AdjustBalance(AdjustRequestOf(kTenant + 1, 500, key)).status()),
            "IDEMPOTENCY_KEY_REUSED");
}

TEST_F(AccountServiceTest, WrongAdjustmentsAreRefusedByReason) {
  EXPECT_EQ(Reason(accounts_.AdjustBalance(AdjustRequestOf(kTenant, 0)).status()), "AMOUNT_ZERO");
  EXPECT_EQ(
      Reason(accounts_.AdjustBalance(AdjustRequestOf(kTenant, 1'000'000'000'000'001)).status()),
      "AMOUNT_OUT_OF_RANGE");
  v1::AdjustBalanceRequest blank = AdjustRequestOf(kTenant, 5);
  blank.set_reason("  ");
  EXPECT_EQ(Reason(accounts_.AdjustBalance(blank).status()), "REASON_MISSING");
}

TEST_F(AccountServiceTest, EntriesAreListedNewestFirstInPages) {
  for (int i = 1; i <= 5; ++i) Credit(kTenant, i);
  Credit(kTenant + 1, 99);
  EXPECT_THAT(Amounts(0, 0), ElementsAre(5, 4, 3, 2, 1));
  EXPECT_THAT(Amounts(0, 2), ElementsAre(5, 4));
  EXPECT_THAT(Amounts(2, 2), ElementsAre(3, 2));
  EXPECT_THAT(Amounts(4, 2), ElementsAre(1));
  EXPECT_THAT(Amounts(5, 2), IsEmpty());
  EXPECT_EQ(List(4, 2)->total_size(), 5);
  EXPECT_EQ(List(99, 2)->total_size(), 5);
}

TEST_F(AccountServiceTest, AnUntouchedLedgerIsEmpty) {
  const auto page = List();
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->total_size(), 0);
  EXPECT_THAT(page->entries(), IsEmpty());
}

TEST_F(AccountServiceTest, UsageStandsInTheLedgerWithItsJob) {
  const std::string job = UuidV7();
  Credit(kTenant, 3 * kJobNanos);
  ASSERT_TRUE(Reserve(job, kTenant).ok());
  const auto captured = Capture(job, 1, 1);
  ASSERT_TRUE(captured.ok()) << captured.status();
  const auto page = List();
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->entries_size(), 2);
  const v1::LedgerEntry& entry = page->entries(0);
  EXPECT_EQ(entry.id(), captured->ledger_entry_id());
  EXPECT_EQ(entry.entry_type(), "usage");
  EXPECT_EQ(entry.job_id(), job);
  EXPECT_EQ(entry.amount().amount_nanos(), -kJobNanos);
  EXPECT_EQ(entry.balance_after().amount_nanos(), 2 * kJobNanos);
  EXPECT_EQ(entry.notes(), "1 per_job of text.stats");
  EXPECT_GT(entry.create_time().seconds(), 0);
}

TEST_F(AccountServiceTest, WrongPagesAreRefused) {
  EXPECT_EQ(Reason(List(-1, 5).status()), "REQUEST_INVALID");
  EXPECT_EQ(Reason(List(100001, 5).status()), "REQUEST_INVALID");
  EXPECT_EQ(Reason(List(0, -5).status()), "REQUEST_INVALID");
  EXPECT_TRUE(List(100000, 5000).ok());
}

TEST_F(AccountServiceTest, ReadinessCanWriteItsRow) {
  pg::Options options = db_.options();
  options.probe_table = "billing.readiness_probe";
  EXPECT_TRUE(pg::Database(options).Ping().ok());
}

TEST_F(AccountServiceTest, TheRuntimeRoleCannotChangeTheLedger) {
  Credit(kTenant, 500);
  for (const char* sql :
       {"UPDATE billing.ledger_entries SET amount_nanos = 1", "DELETE FROM billing.ledger_entries",
        "TRUNCATE billing.ledger_entries CASCADE", "DELETE FROM billing.captures",
        "UPDATE billing.idempotency_keys SET scope = ''", "DELETE FROM billing.accounts",
        "UPDATE billing.accounts SET create_time = now()", "DELETE FROM billing.holds",
        "SELECT billing.after_restore()"}) {
    const absl::Status status = db_.InTransaction([&](pg::Tx& tx) {
      tx.exec(sql);
      return absl::OkStatus();
    });
    EXPECT_FALSE(status.ok()) << sql;
  }
  ExpectBooksRight();
}

}  // namespace
}  // namespace gatehouse::billing
