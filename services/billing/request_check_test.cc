#include "services/billing/request_check.h"

#include <set>
#include <string>

#include "gtest/gtest.h"
#include "services/billing/messages.h"
#include "services/billing/money.h"

namespace gatehouse::billing {
namespace {

constexpr char kKey[] = "0190A0B0-C0D0-7E0F-8A1B-2C3D4E5F6071";

v1::ReserveRequest GoodReserve() {
  v1::ReserveRequest request;
  request.set_key(kKey);
  request.set_tenant_id(7);
  v1::UsageLine* line = request.add_estimate();
  line->set_line_type("per_job");
  line->set_resource("text.stats");
  line->set_quantity(1);
  return request;
}

v1::AdjustBalanceRequest GoodAdjust() {
  v1::AdjustBalanceRequest request;
  request.set_tenant_id(7);
  *request.mutable_amount() = ToMoney(5);
  request.set_reason("Credit");
  request.set_idempotency_key(kKey);
  return request;
}

// The field that a request is refused for; "" when it is not, or another reason.
template <typename Order>
std::string Refused(const absl::StatusOr<Order>& order) {
  if (order.ok()) return "";
  EXPECT_EQ(order.status().code(), absl::StatusCode::kInvalidArgument);
  if (Reason(order.status()) != "REQUEST_INVALID") return Reason(order.status());
  const auto violations = FieldViolations(order.status());
  return violations.size() == 1 ? violations.begin()->first : "";
}

TEST(RequestCheckTest, ReserveTakesItsKeyInLowerCaseAndADefaultTimeLimit) {
  const auto order = CheckReserve(GoodReserve());
  ASSERT_TRUE(order.ok()) << order.status();
  EXPECT_EQ(order->key, "0190a0b0-c0d0-7e0f-8a1b-2c3d4e5f6071");
  EXPECT_EQ(order->ttl_seconds, 60);
  EXPECT_EQ(order->estimate.size(), 1u);
}

TEST(RequestCheckTest, ReserveNamesTheFieldThatIsWrong) {
  const auto with = [](auto change) {
    v1::ReserveRequest request = GoodReserve();
    change(request);
    return Refused(CheckReserve(request));
  };
  EXPECT_EQ(with([](auto& r) { r.set_key("job 1"); }), "key");
  EXPECT_EQ(with([](auto& r) { r.set_tenant_id(0); }), "tenant_id");
  EXPECT_EQ(with([](auto& r) { r.clear_estimate(); }), "estimate");
  EXPECT_EQ(with([](auto& r) { r.set_ttl_seconds(-1); }), "ttl_seconds");
  EXPECT_EQ(with([](auto& r) { r.set_ttl_seconds(3601); }), "ttl_seconds");
  EXPECT_EQ(with([](auto& r) { r.set_ttl_seconds(3600); }), "");
  EXPECT_EQ(with([](auto& r) { r.set_tool(std::string(101, 'x')); }), "tool");
  EXPECT_EQ(with([](auto& r) { r.set_tool("a\nb"); }), "tool");
  EXPECT_EQ(with([](auto& r) { r.set_tool("text.stats"); }), "");
  EXPECT_EQ(with([](auto& r) { r.mutable_estimate(0)->set_quantity(-1); }), "estimate[0].quantity");
  EXPECT_EQ(with([](auto& r) { r.mutable_estimate(0)->set_line_type(""); }),
            "estimate[0].line_type");
  EXPECT_EQ(with([](auto& r) { r.mutable_estimate(0)->set_resource(std::string("a\0b", 3)); }),
            "estimate[0].resource");
  EXPECT_EQ(with([](auto& r) {
              while (r.estimate_size() < 101) *r.add_estimate() = r.estimate(0);
            }),
            "estimate");
}

TEST(RequestCheckTest, DifferentReservesHaveDifferentHashes) {
  std::set<std::string> hashes;
  const auto add = [&](auto change) {
    v1::ReserveRequest request = GoodReserve();
    change(request);
    const auto order = CheckReserve(request);
    ASSERT_TRUE(order.ok()) << order.status();
    EXPECT_TRUE(hashes.insert(order->request_hash).second);
  };
  add([](auto&) {});
  add([](auto& r) { r.set_tenant_id(8); });
  add([](auto& r) { r.set_ttl_seconds(61); });
  add([](auto& r) { r.mutable_estimate(0)->set_quantity(2); });
  add([](auto& r) { r.mutable_estimate(0)->set_resource("text.stat"); });
  add([](auto& r) { r.mutable_estimate(0)->set_line_type("per_jobt"); });
  add([](auto& r) { *r.add_estimate() = r.estimate(0); });

  v1::ReserveRequest spelled = GoodReserve();
  spelled.set_ttl_seconds(60);
  spelled.set_key("0190a0b0-c0d0-7e0f-8a1b-2c3d4e5f6071");
  EXPECT_EQ(hashes.count(CheckReserve(spelled)->request_hash), 1u)
      << "a default that is spelled out is the same request";
  spelled.set_tool("text.stats");
  EXPECT_EQ(hashes.count(CheckReserve(spelled)->request_hash), 1u) << "and so is another tool";
}

TEST(RequestCheckTest, CaptureMayHaveNoUsage) {
  v1::CaptureRequest request;
  request.set_key(kKey);
  const auto order = CheckCapture(request);
  ASSERT_TRUE(order.ok()) << order.status();
  v1::CaptureRequest final = request;
  final.set_final(true);
  EXPECT_NE(CheckCapture(final)->request_hash, order->request_hash);
  request.set_capture_number(-1);
  EXPECT_EQ(Refused(CheckCapture(request)), "capture_number");
}

TEST(RequestCheckTest, OutcomesAreReadAndAreNoPartOfTheRequestsHash) {
  v1::CaptureRequest capture;
  capture.set_key(kKey);
  const std::string hash = CheckCapture(capture)->request_hash;
  capture.set_outcome(v1::WORK_OUTCOME_FAILED);
  EXPECT_EQ(CheckCapture(capture)->outcome, "failed");
  EXPECT_EQ(CheckCapture(capture)->request_hash, hash);
  capture.set_outcome(static_cast<v1::WorkOutcome>(99));
  EXPECT_EQ(Refused(CheckCapture(capture)), "outcome");
  v1::ReleaseRequest release;
  release.set_key(kKey);
  EXPECT_EQ(CheckRelease(release)->outcome, "");
  release.set_outcome(v1::WORK_OUTCOME_CANCELLED);
  EXPECT_EQ(CheckRelease(release)->outcome, "cancelled");
  release.set_outcome(static_cast<v1::WorkOutcome>(-1));
  EXPECT_EQ(Refused(CheckRelease(release)), "outcome");
}

TEST(RequestCheckTest, AdjustRefusesEachWrongThingByItsReason) {
  const auto with = [](auto change) {
    v1::AdjustBalanceRequest request = GoodAdjust();
    change(request);
    return Refused(CheckAdjust(request));
  };
  EXPECT_EQ(with([](auto&) {}), "");
  EXPECT_EQ(with([](auto& r) { *r.mutable_amount() = ToMoney(0); }), "AMOUNT_ZERO");
  EXPECT_EQ(with([](auto& r) { r.clear_amount(); }), "CURRENCY_UNKNOWN");
  EXPECT_EQ(with([](auto& r) { r.mutable_amount()->set_currency_code("EUR"); }),
            "CURRENCY_UNKNOWN");
  EXPECT_EQ(with([](auto& r) { *r.mutable_amount() = ToMoney(kAmountMaxNanos); }), "");
  EXPECT_EQ(with([](auto& r) { *r.mutable_amount() = ToMoney(kAmountMaxNanos + 1); }),
            "AMOUNT_OUT_OF_RANGE");
  EXPECT_EQ(with([](auto& r) { *r.mutable_amount() = ToMoney(-kAmountMaxNanos); }), "");
  EXPECT_EQ(with([](auto& r) { *r.mutable_amount() = ToMoney(INT64_MIN); }), "AMOUNT_OUT_OF_RANGE");
  EXPECT_EQ(with([](auto& r) { r.set_reason(""); }), "REASON_MISSING");
  EXPECT_EQ(with([](auto& r) { r.set_reason(" \t\n"); }), "REASON_MISSING");
  EXPECT_EQ(with([](auto& r) { r.set_reason(std::string(501, 'x')); }), "reason");
  EXPECT_EQ(with([](auto& r) { r.set_reason(std::string("a\0b", 3)); }), "reason");
  EXPECT_EQ(with([](auto& r) { r.set_idempotency_key(""); }), "idempotency_key");
  EXPECT_EQ(with([](auto& r) { r.set_tenant_id(-7); }), "tenant_id");
}

}  // namespace
}  // namespace gatehouse::billing
