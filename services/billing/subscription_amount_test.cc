// What a subscription's items come to in a year.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "services/billing/subscription.h"

namespace gatehouse::billing {
namespace {

constexpr std::int64_t kNow = 1'800'000'000;

// A licensed price in dollars; `amount` is a member of it, `interval` as Stripe has it.
std::string Item(const std::string& amount, const std::string& interval, int interval_count = 1,
                 const std::string& more = R"("quantity":1)") {
  return absl::StrCat(R"({"price":{"currency":"usd",)", amount, R"(,"recurring":{"interval":")",
                      interval, R"(","interval_count":)", interval_count,
                      R"(,"usage_type":"licensed"}},)", more, "}");
}

std::string Coupon(const std::string& members, const std::string& discount = "") {
  return absl::StrCat("{\"coupon\":{", members, "}", discount, "}");
}

// Of an active subscription with these items; `more` are further members.
absl::StatusOr<std::int64_t> Annual(const std::string& items, const std::string& more = "",
                                    const std::string& status = "active") {
  const auto document =
      JsonDocument::Parse(absl::StrCat(R"({"created":)", kNow, R"(,"data":{"object":{"status":")",
                                       status, R"(","items":{"data":[)", items, "]}", more, "}}}"));
  if (!document.ok()) return document.status();
  return AnnualCents(*document, "data.object");
}

std::int64_t Cents(const std::string& items, const std::string& more = "",
                   const std::string& status = "active") {
  const auto cents = Annual(items, more, status);
  EXPECT_TRUE(cents.ok()) << cents.status();
  return cents.value_or(-1);
}

constexpr char kTen[] = R"("unit_amount":1000)";

TEST(SubscriptionAmountTest, EachIntervalIsTakenToAYear) {
  EXPECT_EQ(Cents(Item(kTen, "month")), 12'000);
  EXPECT_EQ(Cents(Item(kTen, "month", 3)), 4'000);
  EXPECT_EQ(Cents(Item(kTen, "week")), 52'000);
  EXPECT_EQ(Cents(Item(kTen, "day")), 365'000);
  EXPECT_EQ(Cents(Item(kTen, "year")), 1'000);
  EXPECT_EQ(Cents(Item(kTen, "year", 3)), 333);
  EXPECT_EQ(Cents(Item(kTen, "month", 5)), 2'400);
  EXPECT_EQ(Cents(Item(kTen, "day", 7)), 52'143) << "365000 / 7";
}

TEST(SubscriptionAmountTest, ItemsAndQuantitiesAddUpAndAreRoundedOnce) {
  EXPECT_EQ(Cents(Item(kTen, "month", 1, R"("quantity":7)")), 84'000);
  EXPECT_EQ(Cents(Item(kTen, "month", 1, R"("quantity":0)")), 0);
  EXPECT_EQ(Cents(Item(kTen, "month", 1, R"("quantity":null)")), 12'000);
  EXPECT_EQ(Cents(Item(kTen, "month") + "," + Item(kTen, "year")), 13'000);
  const std::string third = Item(R"("unit_amount":1)", "year", 3);
  EXPECT_EQ(Cents(third + "," + third), 1) << "two thirds of a cent";
  EXPECT_EQ(Cents(third), 0);
  EXPECT_EQ(Cents(""), 0);
}

TEST(SubscriptionAmountTest, AmountsBelowACentAreExact) {
  const std::string tenth = R"("unit_amount":null,"unit_amount_decimal":"0.1")";
  EXPECT_EQ(Cents(Item(tenth, "month")), 1) << "1.2 cents";
  EXPECT_EQ(Cents(Item(tenth, "month", 1, R"("quantity":10000)")), 12'000);
  EXPECT_EQ(Cents(Item(R"("unit_amount_decimal":"0.125")", "month", 1, R"("quantity":1)")), 2)
      << "1.5 is rounded up";
  EXPECT_EQ(
      Cents(Item(R"("unit_amount_decimal":"10.000000000001")", "month", 1, R"("quantity":100000)")),
      12'000'000);
}

TEST(SubscriptionAmountTest, PackagesAreCountedBeforeTheyArePriced) {
  const auto packages = [](const char* round) {
    return Item(
        absl::StrCat(kTen, R"(,"transform_quantity":{"divide_by":10,"round":")", round, R"("})"),
        "month", 1, R"("quantity":25)");
  };
  EXPECT_EQ(Cents(packages("up")), 36'000);
  EXPECT_EQ(Cents(packages("down")), 24'000);
}

TEST(SubscriptionAmountTest, OnlyWhatComesAgainByItselfCounts) {
  const std::string once = R"({"price":{"currency":"usd","unit_amount":5000,"recurring":null}})";
  const std::string metered =
      R"({"price":{"currency":"usd","unit_amount":5,"recurring":{"interval":"month",)"
      R"("usage_type":"metered"}}})";
  EXPECT_EQ(Cents(once), 0);
  EXPECT_EQ(Cents(metered), 0);
  EXPECT_EQ(Cents(once + "," + metered + "," + Item(kTen, "month")), 12'000);
}

TEST(SubscriptionAmountTest, OnlyPaidStatesCount) {
  const std::string item = Item(kTen, "month");
  EXPECT_EQ(Cents(item, "", "past_due"), 12'000);
  for (const char* status : {"trialing", "incomplete", "incomplete_expired", "unpaid", "canceled",
                             "paused", "something_new"}) {
    EXPECT_EQ(Cents(item, "", status), 0) << status;
  }
  EXPECT_EQ(Cents(R"({"price":{"currency":"eur"}})", "", "trialing"), 0) << "not even looked at";
}

TEST(SubscriptionAmountTest, PercentagesAreTakenOffExactly) {
  const std::string item = Item(kTen, "month");
  const auto with = [&](const std::string& percent) {
    return Cents(item,
                 ",\"discount\":" + Coupon(R"("duration":"forever","percent_off":)" + percent));
  };
  EXPECT_EQ(with("12.5"), 10'500);
  EXPECT_EQ(with("33.33"), 8'000) << "8000.4";
  EXPECT_EQ(with("100"), 0);
  EXPECT_EQ(with("100.0"), 0);
  EXPECT_EQ(with("0.01"), 11'999) << "11998.8";
  EXPECT_EQ(with("66.6667"), 4'000) << "3999.996";
}

TEST(SubscriptionAmountTest, FixedDiscountsComeOffEachBill) {
  const std::string off =
      ",\"discount\":" + Coupon(R"("duration":"forever","amount_off":250,"currency":"usd")");
  EXPECT_EQ(Cents(Item(kTen, "month"), off), 9'000);
  EXPECT_EQ(Cents(Item(kTen, "month", 3), off), 3'000);
  EXPECT_EQ(Cents(Item(kTen, "year"), off), 750);
  EXPECT_EQ(Cents(Item(kTen, "year", 3), off), 250);
  EXPECT_EQ(Cents(Item(R"("unit_amount":200)", "month"), off), 0) << "never below nothing";
}

TEST(SubscriptionAmountTest, DiscountsCountWhileTheyComeAgain) {
  const std::string item = Item(kTen, "month");
  const auto with = [&](const std::string& duration, const std::string& discount = "") {
    return Cents(item, ",\"discount\":" +
                           Coupon(absl::StrCat(R"("percent_off":50,"duration":")", duration, "\""),
                                  discount));
  };
  EXPECT_EQ(with("forever"), 6'000);
  EXPECT_EQ(with("once"), 12'000);
  EXPECT_EQ(with("repeating"), 6'000);
  EXPECT_EQ(with("repeating", absl::StrCat(R"(,"end":)", kNow + 1)), 6'000);
  EXPECT_EQ(with("repeating", absl::StrCat(R"(,"end":)", kNow)), 12'000) << "it has ended";
  EXPECT_EQ(Cents(item, R"(,"discount":null)"), 12'000);
}

TEST(SubscriptionAmountTest, SeveralDiscountsFollowEachOther) {
  const std::string half = Coupon(R"("percent_off":50,"duration":"forever")");
  const std::string fixed = Coupon(R"("amount_off":100,"currency":"usd","duration":"forever")");
  const std::string item = Item(kTen, "month");
  EXPECT_EQ(Cents(item, ",\"discounts\":[" + half + "," + fixed + "]"), 4'800);
  EXPECT_EQ(Cents(item, ",\"discounts\":[" + fixed + "," + half + "]"), 5'400);
  EXPECT_EQ(Cents(item, ",\"discounts\":[" + half + "],\"discount\":" + half), 6'000)
      << "the same one under both names";
  EXPECT_EQ(Cents(item, ",\"discounts\":[\"di_1\"],\"discount\":" + half), 6'000);
  EXPECT_EQ(Cents(item, R"(,"discount":{"source":{"coupon":{"percent_off":50,)"
                        R"("duration":"forever"}}})"),
            6'000)
      << "as newer versions have it";
  EXPECT_EQ(
      Cents(Item(kTen, "month", 1, R"("quantity":1,"discounts":[)" + half + "]") + "," + item),
      18'000)
      << "an item's own";
}

TEST(SubscriptionAmountTest, DiscountsThatAreOnlyNamedLeaveTheAmountOpen) {
  const std::string half = Coupon(R"("percent_off":50,"duration":"forever")");
  const std::string item = Item(kTen, "month");
  const std::string with_name = Item(kTen, "month", 1, R"("quantity":1,"discounts":["di_1"])");
  for (const std::string& more : {std::string(R"(,"discounts":["di_1"])"),
                                  std::string(R"(,"discounts":["di_1"],"discount":null)"),
                                  ",\"discounts\":[\"di_1\"," + half + "]",
                                  ",\"discounts\":[\"di_1\",\"di_2\"],\"discount\":" + half}) {
    EXPECT_EQ(Reason(Annual(item, more).status()), "DISCOUNTS_NOT_EXPANDED") << more;
  }
  EXPECT_EQ(Reason(Annual(with_name).status()), "DISCOUNTS_NOT_EXPANDED");
  EXPECT_EQ(Cents(with_name, "", "trialing"), 0) << "nothing is paid";
  EXPECT_EQ(Cents("", R"(,"discounts":["di_1"])"), 0) << "nothing is left to take off";
}

TEST(SubscriptionAmountTest, WhatCannotBeAnAmountIsInvalid) {
  const auto reason = [](const std::string& items, const std::string& more = "") {
    return Reason(Annual(items, more).status());
  };
  const std::string item = Item(kTen, "month");
  EXPECT_EQ(reason(Item(R"("unit_amount":-1)", "month")), "SUBSCRIPTION_INVALID");
  EXPECT_EQ(reason(Item(R"("unit_amount":null)", "month")), "SUBSCRIPTION_INVALID") << "tiers";
  EXPECT_EQ(reason(Item(R"("unit_amount_decimal":"ten")", "month")), "SUBSCRIPTION_INVALID");
  EXPECT_EQ(reason(Item(kTen, "fortnight")), "SUBSCRIPTION_INVALID");
  EXPECT_EQ(reason(Item(kTen, "month", 0)), "SUBSCRIPTION_INVALID");
  EXPECT_EQ(reason(Item(kTen, "month", 1, R"("quantity":-1)")), "SUBSCRIPTION_INVALID");
  EXPECT_EQ(reason(R"({"price":"price_1"})"), "SUBSCRIPTION_INVALID");
  EXPECT_EQ(reason(R"({"price":{"currency":"eur","unit_amount":1,)"
                   R"("recurring":{"interval":"month"}}})"),
            "SUBSCRIPTION_INVALID");
  EXPECT_EQ(reason(Item(R"("unit_amount":9000000000000000000)", "day", 1,
                        R"("quantity":9000000000000000000)")),
            "SUBSCRIPTION_INVALID");
  for (const char* coupon :
       {R"("percent_off":101,"duration":"forever")", R"("percent_off":-1,"duration":"forever")",
        R"("percent_off":1e300,"duration":"forever")", R"("duration":"forever")",
        R"("amount_off":1,"currency":"eur","duration":"forever")"}) {
    EXPECT_EQ(reason(item, ",\"discount\":" + Coupon(coupon)), "SUBSCRIPTION_INVALID") << coupon;
  }
  for (const char* text : {R"({"s":{"status":"active","items":{"has_more":true,"data":[]}}})",
                           R"({"s":{"status":null,"items":{"data":[]}}})", R"({"s":{}})"}) {
    const auto document = JsonDocument::Parse(text);
    ASSERT_TRUE(document.ok());
    EXPECT_EQ(Reason(AnnualCents(*document, "s").status()), "SUBSCRIPTION_INVALID") << text;
  }
}

}  // namespace
}  // namespace gatehouse::billing
