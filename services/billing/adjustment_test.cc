// Reversals. Adjustments are account_service_test.cc's.
#include "services/billing/adjustment.h"

#include <atomic>
#include <string>

#include "gmock/gmock.h"
#include "services/billing/billing_testing.h"
#include "services/billing/messages.h"

namespace gatehouse::billing {
namespace {

constexpr std::int64_t kTenant = 7;

class ReversalTest : public BillingTest {
 protected:
  v1::ReverseEntryRequest Request(const std::string& entry_id, std::int64_t nanos = 0) {
    v1::ReverseEntryRequest request;
    request.set_entry_id(entry_id);
    if (nanos != 0) *request.mutable_amount() = ToMoney(nanos);
    request.set_reason("a mistake");
    request.set_idempotency_key(UuidV7());
    return request;
  }
  absl::StatusOr<v1::AdjustBalanceResponse> Reverse(const std::string& entry_id,
                                                    std::int64_t nanos = 0) {
    return accounts_.ReverseEntry(Request(entry_id, nanos), "ada");
  }
  std::string Adjust(std::int64_t nanos, std::int64_t tenant = kTenant) {
    const auto adjusted = accounts_.AdjustBalance(AdjustRequestOf(tenant, nanos));
    EXPECT_TRUE(adjusted.ok()) << adjusted.status();
    return adjusted.ok() ? adjusted->entry().id() : "";
  }
  std::int64_t Settled(std::int64_t tenant = kTenant) {
    return AccountOf(tenant).settled().amount_nanos();
  }
};

TEST_F(ReversalTest, TakesBackACreditAndNamesIt) {
  const std::string id = Adjust(500);
  const auto reversed = Reverse(id);
  ASSERT_TRUE(reversed.ok()) << reversed.status();
  const v1::LedgerEntry& entry = reversed->entry();
  EXPECT_EQ(entry.entry_type(), "reversal");
  EXPECT_EQ(entry.amount().amount_nanos(), -500);
  EXPECT_EQ(entry.balance_after().amount_nanos(), 0);
  EXPECT_EQ(entry.reverses(), id);
  EXPECT_EQ(entry.counter_account(), "adjustments");
  EXPECT_EQ(entry.notes(), "a mistake");
  EXPECT_EQ(entry.actor(), "ada");
  EXPECT_EQ(Settled(), 0);
  ExpectBooksRight();
}

TEST_F(ReversalTest, GivesBackADebitAndUsage) {
  const std::string debit = Adjust(-500);
  ASSERT_TRUE(Reverse(debit).ok());
  EXPECT_EQ(Settled(), 0);
  Credit(kTenant, kJobNanos);
  const std::string job = UuidV7();
  ASSERT_TRUE(Reserve(job, kTenant).ok());
  const auto captured = Capture(job, 1, 1);
  ASSERT_TRUE(captured.ok()) << captured.status();
  const auto reversed = Reverse(captured->ledger_entry_id());
  ASSERT_TRUE(reversed.ok()) << reversed.status();
  EXPECT_EQ(reversed->entry().amount().amount_nanos(), kJobNanos);
  EXPECT_EQ(reversed->entry().counter_account(), "revenue");
  EXPECT_EQ(reversed->entry().job_id(), job);
  EXPECT_EQ(Settled(), kJobNanos);
  ExpectBooksRight();
}

TEST_F(ReversalTest, PartsNeverExceedTheWhole) {
  const std::string id = Adjust(500);
  ASSERT_TRUE(Reverse(id, 200).ok());
  const absl::Status more = Reverse(id, 301).status();
  EXPECT_EQ(more.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Reason(more), "ENTRY_REVERSED");
  EXPECT_EQ(ReasonMetadata(more, "left_nanos"), "300");
  const auto rest = Reverse(id);
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_EQ(rest->entry().amount().amount_nanos(), -300) << "all that is left";
  EXPECT_EQ(Reason(Reverse(id).status()), "ENTRY_REVERSED");
  EXPECT_EQ(Reason(Reverse(rest->entry().id()).status()), "ENTRY_IS_REVERSAL");
  EXPECT_EQ(Settled(), 0);
  ExpectBooksRight();
}

TEST_F(ReversalTest, ReversalsAtOnceTakeBackNoMoreThanThereIs) {
  const std::string id = Adjust(500);
  std::atomic<int> done = 0;
  Together(8, [&](int) {
    const auto reversed = Reverse(id, 200);
    if (reversed.ok()) {
      ++done;
    } else {
      EXPECT_EQ(Reason(reversed.status()), "ENTRY_REVERSED");
    }
  });
  EXPECT_EQ(done, 2);
  EXPECT_EQ(Settled(), 100);
  ExpectBooksRight();
}

TEST_F(ReversalTest, ARepeatHasTheFirstAnswerAndBooksNothing) {
  const std::string id = Adjust(500);
  v1::ReverseEntryRequest request = Request(id, 100);
  const auto first = accounts_.ReverseEntry(request);
  ASSERT_TRUE(first.ok()) << first.status();
  Together(4, [&](int) {
    const auto again = accounts_.ReverseEntry(request);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  });
  EXPECT_EQ(Settled(), 400);
  *request.mutable_amount() = ToMoney(101);
  EXPECT_EQ(Reason(accounts_.ReverseEntry(request).status()), "IDEMPOTENCY_KEY_REUSED");
  request.set_entry_id(Adjust(7, kTenant + 1));
  EXPECT_EQ(Reason(accounts_.ReverseEntry(request).status()), "IDEMPOTENCY_KEY_REUSED");
}

TEST_F(ReversalTest, WhatIsNoEntryCannotBeReversed) {
  EXPECT_EQ(Reason(Reverse(UuidV7()).status()), "ENTRY_NOT_FOUND");
  Adjust(-5);
  const auto debt = db_.Read([](pg::Tx& tx) -> absl::StatusOr<std::string> {
    return tx.exec1("SELECT id FROM billing.ledger_entries WHERE entry_type = 'debt'")[0]
        .as<std::string>();
  });
  ASSERT_TRUE(debt.ok()) << debt.status();
  EXPECT_EQ(Reason(Reverse(*debt).status()), "ENTRY_NOT_FOUND");
}

TEST_F(ReversalTest, AReversalMayLeadIntoDebtAndTellsOfTheLowBalance) {
  const std::string id = Adjust(6'000'000'000);
  Adjust(-1'000'000'000);
  ASSERT_TRUE(Reverse(id).ok());
  EXPECT_EQ(Settled(), -1'000'000'000);
  ExpectSql("SELECT count(*) = 1 FROM billing.events WHERE type = 'system.alert'");
  ExpectSql("SELECT count(*) = 1 FROM billing.notices WHERE kind = 'low_balance'");
  ExpectBooksRight();
}

}  // namespace
}  // namespace gatehouse::billing
