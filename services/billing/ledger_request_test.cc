#include "services/billing/ledger_request.h"

#include <gtest/gtest.h>

#include "libs/base/uuid.h"
#include "libs/rpc/timestamp.h"
#include "services/billing/messages.h"

namespace gatehouse::billing {
namespace {

v1::UpdateAccountRequest Update() {
  v1::UpdateAccountRequest request;
  request.set_tenant_id(7);
  return request;
}

v1::ReverseEntryRequest Reverse() {
  v1::ReverseEntryRequest request;
  request.set_entry_id("0190C0DE-0000-7000-8000-00000000000A");
  request.set_reason("twice");
  request.set_idempotency_key("0190c0de-0000-7000-8000-00000000000b");
  return request;
}

TEST(LedgerRequestTest, AnUpdateThatSaysNothingChangesNothing) {
  const auto change = CheckUpdate(Update());
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_FALSE(change->changes_settings());
  EXPECT_FALSE(change->plan_tier);
  Account account;
  account.overdraft_max_nanos = 3;
  change->ApplyTo(&account);
  EXPECT_EQ(account.overdraft_max_nanos, 3);
}

TEST(LedgerRequestTest, LimitsHaveARangeAndACurrency) {
  constexpr std::int64_t kMax = 1'000'000'000'000'000;
  for (const std::int64_t nanos : {std::int64_t{-1}, kMax + 1}) {
    v1::UpdateAccountRequest request = Update();
    *request.mutable_ceiling() = ToMoney(nanos);
    const absl::Status refused = CheckUpdate(request).status();
    EXPECT_EQ(Reason(refused), "AMOUNT_OUT_OF_RANGE") << nanos;
    EXPECT_EQ(FieldViolations(refused).count("ceiling.amount_nanos"), 1u);
  }
  v1::UpdateAccountRequest request = Update();
  *request.mutable_overdraft() = ToMoney(kMax);
  *request.mutable_low_threshold() = ToMoney(0);
  EXPECT_TRUE(CheckUpdate(request).ok());
  request.mutable_overdraft()->set_currency_code("EUR");
  EXPECT_EQ(Reason(CheckUpdate(request).status()), "CURRENCY_UNKNOWN");
  *request.mutable_overdraft() = ToMoney(1);
  request.set_clear_overdraft(true);
  EXPECT_EQ(Reason(CheckUpdate(request).status()), "REQUEST_INVALID");
  request = Update();
  request.set_tenant_id(0);
  EXPECT_EQ(Reason(CheckUpdate(request).status()), "REQUEST_INVALID");
}

TEST(LedgerRequestTest, AReversalIsReadOrRefusedByItsReason) {
  const auto order = CheckReverse(Reverse());
  ASSERT_TRUE(order.ok()) << order.status();
  EXPECT_EQ(order->entry_id, "0190c0de-0000-7000-8000-00000000000a");
  EXPECT_FALSE(order->amount_nanos);
  const auto refused = [](auto edit) {
    v1::ReverseEntryRequest request = Reverse();
    edit(request);
    return Reason(CheckReverse(request).status());
  };
  EXPECT_EQ(refused([](auto& r) { r.set_entry_id("7"); }), "REQUEST_INVALID");
  EXPECT_EQ(refused([](auto& r) { r.set_idempotency_key(""); }), "REQUEST_INVALID");
  EXPECT_EQ(refused([](auto& r) { r.set_reason(" \n"); }), "REASON_MISSING");
  EXPECT_EQ(refused([](auto& r) { r.set_reason(std::string(501, 'r')); }), "REQUEST_INVALID");
  EXPECT_EQ(refused([](auto& r) { *r.mutable_amount() = ToMoney(0); }), "AMOUNT_ZERO");
  EXPECT_EQ(refused([](auto& r) { *r.mutable_amount() = ToMoney(-1); }), "AMOUNT_OUT_OF_RANGE");
  EXPECT_EQ(refused([](auto& r) { r.mutable_amount()->set_amount_nanos(1); }), "CURRENCY_UNKNOWN");
}

TEST(LedgerRequestTest, EveryPartOfAReversalMakesItAnother) {
  const std::string whole = CheckReverse(Reverse())->request_hash;
  EXPECT_EQ(CheckReverse(Reverse())->request_hash, whole);
  v1::ReverseEntryRequest other = Reverse();
  *other.mutable_amount() = ToMoney(5);
  EXPECT_NE(CheckReverse(other)->request_hash, whole);
  other = Reverse();
  other.set_reason("twice ");
  EXPECT_NE(CheckReverse(other)->request_hash, whole);
  other = Reverse();
  other.set_entry_id(UuidV7());
  EXPECT_NE(CheckReverse(other)->request_hash, whole);
}

TEST(LedgerRequestTest, TokensLeadToWhereTheyCameFrom) {
  const std::string id = UuidV7();
  v1::ExportLedgerRequest request;
  request.set_page_token(ExportToken(id));
  EXPECT_EQ(CheckExport(request)->after_id, id);
  EXPECT_EQ(CheckExport(request)->limit, 1000);
  request.set_page_size(9999);
  EXPECT_EQ(CheckExport(request)->limit, 5000);
  for (const std::int64_t tenant : {std::int64_t{1}, std::int64_t{70'000}, INT64_MAX}) {
    v1::ListAccountsRequest list;
    list.set_page_token(ListToken(tenant));
    EXPECT_EQ(CheckList(list)->after_tenant_id, tenant);
  }
  request.set_page_token("?");
  EXPECT_EQ(Reason(CheckExport(request).status()), "PAGE_TOKEN_INVALID");
}

TEST(LedgerRequestTest, AnExportEndsBehindItsStart) {
  v1::ExportLedgerRequest request;
  *request.mutable_start_time() = rpc::ToTimestamp(Time(std::chrono::seconds(10)));
  *request.mutable_end_time() = rpc::ToTimestamp(Time(std::chrono::seconds(10)));
  EXPECT_TRUE(CheckExport(request).ok());
  *request.mutable_end_time() = rpc::ToTimestamp(Time(std::chrono::seconds(9)));
  EXPECT_EQ(Reason(CheckExport(request).status()), "REQUEST_INVALID");
  request = v1::ExportLedgerRequest();
  request.set_tenant_id(-1);
  EXPECT_EQ(Reason(CheckExport(request).status()), "REQUEST_INVALID");
}

}  // namespace
}  // namespace gatehouse::billing
