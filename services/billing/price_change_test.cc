#include "services/billing/price_change.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/billing/money.h"

namespace gatehouse::billing {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

void Add(v1::PublishPricesRequest* request, const std::string& line_type,
         const std::string& resource, std::int64_t nanos, std::int64_t units = 0) {
  v1::Price& price = *request->add_prices();
  price.set_line_type(line_type);
  price.set_resource(resource);
  price.set_unit_nanos(nanos);
  price.set_per_units(units);
}

void Remove(v1::PublishPricesRequest* request, const std::string& line_type,
            const std::string& resource) {
  v1::Price& price = *request->add_removed();
  price.set_line_type(line_type);
  price.set_resource(resource);
}

std::vector<std::string> FieldsOf(const absl::Status& status) {
  std::vector<std::string> fields;
  for (const auto& [field, text] : FieldViolations(status)) fields.push_back(field);
  return fields;
}

TEST(PriceChangeTest, TakesWhatIsGoodAndFillsInTheUnit) {
  v1::PublishPricesRequest request;
  Add(&request, "per_job", "sleep", 0);
  Add(&request, "prompt_tokens", "openai/gpt-4o", kAmountMaxNanos, 1'000'000'000'000);
  Remove(&request, "per_job", "text.stats");
  request.set_notes("why");
  request.mutable_effective_time()->set_seconds(1'900'000'000);
  const absl::StatusOr<PriceChange> change = CheckPublish(request);
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_EQ(change->prices.at({"per_job", "sleep"}).per_units, 1);
  EXPECT_EQ(change->removed.count({"per_job", "text.stats"}), 1u);
  EXPECT_EQ(change->notes, "why");
  EXPECT_EQ(change->effective_time, Time(std::chrono::seconds(1'900'000'000)));
}

TEST(PriceChangeTest, NamesEverythingThatIsWrongAtOnce) {
  v1::PublishPricesRequest request;
  Add(&request, "per_banana", "", -1, -1);
  Add(&request, "per_job", "a", kAmountMaxNanos + 1, 1'000'000'000'001);
  Add(&request, "per_job", "twice", 1);
  Add(&request, "per_job", "twice", 2);
  Add(&request, "per_job", "line\nfeed", 1);
  Add(&request, "per_job", std::string(201, 'x'), 1);
  Remove(&request, "per_job", "twice");
  request.set_notes(std::string(501, 'n'));
  const absl::Status status = CheckPublish(request).status();
  EXPECT_EQ(Reason(status), "PRICE_INVALID");
  EXPECT_THAT(FieldsOf(status), UnorderedElementsAre("prices[0].line_type", "prices[0].resource",
                                                     "prices[0].unit_nanos", "prices[0].per_units",
                                                     "prices[1].unit_nanos", "prices[1].per_units",
                                                     "prices[3]", "prices[4].resource",
                                                     "prices[5].resource", "removed[0]", "notes"));
}

TEST(PriceChangeTest, AWholeBookRemovesNothing) {
  v1::PublishPricesRequest request;
  Add(&request, "per_job", "a", 1);
  Remove(&request, "per_job", "b");
  request.set_replace(true);
  EXPECT_THAT(FieldsOf(CheckPublish(request).status()), ElementsAre("removed"));
}

TEST(PriceChangeTest, TooManyPricesAreRefused) {
  v1::PublishPricesRequest request;
  for (int i = 0; i < 5000; ++i) Add(&request, "per_job", std::to_string(i), 1);
  EXPECT_TRUE(CheckPublish(request).ok());
  Add(&request, "per_job", "one more", 1);
  EXPECT_THAT(FieldsOf(CheckPublish(request).status()), ElementsAre("prices"));
}

const Prices kBefore = {{{"per_job", "a"}, {1, 1}}, {{"per_job", "b"}, {20'000'000, 1}}};

TEST(PriceChangeTest, ChangesAreMadeOnTheBookBeforeOrReplaceIt) {
  PriceChange change{.prices = {{{"per_job", "b"}, {5, 10}}, {{"per_job", "c"}, {6, 1}}},
                     .removed = {{"per_job", "a"}, {"per_job", "nothing"}},
                     .replace = false,
                     .effective_time = std::nullopt,
                     .notes = ""};
  const Prices after = Apply(change, kBefore);
  EXPECT_THAT(DescribeChanges(kBefore, after),
              ElementsAre("- per_job of a: 0.000000001 USD",
                          "~ per_job of b: 0.000000005 USD per 10, 0.02 USD before",
                          "+ per_job of c: 0.000000006 USD"));
  change.removed.clear();
  change.replace = true;
  EXPECT_EQ(Apply(change, kBefore).size(), 2u) << "a is gone, b and c are there";
}

TEST(PriceChangeTest, TheHashIsThatOfThePricesAlone) {
  Prices other = kBefore;
  EXPECT_EQ(ContentHash(kBefore), ContentHash(other));
  other[{"per_job", "a"}].per_units = 2;
  EXPECT_NE(ContentHash(kBefore), ContentHash(other));
  EXPECT_NE(ContentHash({{{"per_job", "a1"}, {1, 1}}}), ContentHash({{{"per_job", "a"}, {11, 1}}}));
  EXPECT_EQ(ContentHash(kBefore).size(), 32u);
}

}  // namespace
}  // namespace gatehouse::billing
