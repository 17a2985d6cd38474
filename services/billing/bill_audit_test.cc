// A year of bills, computed again.
#include "services/billing/bill_audit.h"

#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "services/billing/billing_testing.h"
#include "services/billing/price_store.h"

namespace gatehouse::billing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::int64_t kTenant = 7;
constexpr int kMonths = 12;
constexpr int kBillsPerMonth = 25;

class BillAuditTest : public BillingTest {
 protected:
  BillAuditTest() { Credit(kTenant, 900'000'000'000'000); }

  // Other prices from now on.
  void Publish(int month) {
    PriceChange change;
    for (const char* type : {"prompt_tokens", "completion_tokens"}) {
      const Price price{.unit_nanos = static_cast<std::int64_t>(random_() % 1'000'000'000),
                        .per_units = month % 2 == 0 ? 1'000'000 : 1'000'003};
      change.prices[{type, "local/llama"}] = price;
    }
    change.prices[{"per_job", "text.stats"}] = {.unit_nanos = 1 + month, .per_units = 3};
    const auto made = PublishPrices(db_, change);
    ASSERT_TRUE(made.ok() && made->published) << made.status();
    books_of_test_[made->book.version] = made->after;
    version_ = made->book.version;
  }

  // One bill of up to three lines; what it must come to.
  std::int64_t Bill() {
    const std::string key = UuidV7();
    v1::CaptureRequest capture;
    capture.set_key(key);
    capture.set_capture_number(1);
    capture.set_final(true);
    std::int64_t expected = 0;
    for (const auto& [name, price] : books_of_test_[version_]) {
      if (name.second != "local/llama" && name.second != "text.stats") continue;
      v1::UsageLine& line = *capture.add_usage();
      line.set_line_type(name.first);
      line.set_resource(name.second);
      line.set_quantity(static_cast<std::int64_t>(random_() % 3'000'000));
      // The least whole number of nanos that is not below the exact price.
      expected += (line.quantity() * price.unit_nanos + price.per_units - 1) / price.per_units;
    }
    EXPECT_TRUE(Reserve(key, kTenant).ok());
    const auto captured = Capture(capture);
    EXPECT_TRUE(captured.ok()) << captured.status();
    EXPECT_EQ(captured->amount().amount_nanos(), expected);
    return expected;
  }

  std::vector<std::string> Differences() {
    const auto differences = BillDifferences(db_);
    EXPECT_TRUE(differences.ok()) << differences.status();
    return differences.ok() ? *differences : std::vector<std::string>();
  }

  std::mt19937_64 random_{2026};
  std::map<int, Prices> books_of_test_;
  int version_ = 0;
};

TEST_F(BillAuditTest, AYearOfBillsAtManyPricesIsComputedAgainToTheNano) {
  std::int64_t year = 0;
  for (int month = 0; month < kMonths; ++month) {
    Publish(month);
    for (int bill = 0; bill < kBillsPerMonth; ++bill) year += Bill();
    Execute(absl::StrCat("UPDATE billing.captures SET create_time = now() - interval '",
                         kMonths - month, " months' WHERE price_version = ", version_));
  }
  EXPECT_THAT(Differences(), IsEmpty());
  ExpectSql(absl::StrCat("SELECT sum(amount_nanos) = ", year, " FROM billing.captures"));
  ExpectSql(absl::StrCat("SELECT sum(amount_nanos) = ", year,
                         " FROM billing.ledger_entries WHERE entry_type = 'usage'"));
  ExpectSql(
      absl::StrCat("SELECT count(DISTINCT price_version) = ", kMonths, " FROM billing.captures"));
  ExpectBooksRight();
}

TEST_F(BillAuditTest, ALineThatDoesNotCostWhatWasBookedIsNamed) {
  Publish(0);
  Bill();
  Bill();
  Execute(
      "UPDATE billing.captures SET usage_lines = jsonb_set(usage_lines, '{0,quantity}', '0') "
      "WHERE hold_key = (SELECT min(hold_key::text)::uuid FROM billing.captures)");
  EXPECT_THAT(Differences(), ElementsAre(HasSubstr(": 0 completion_tokens of local/llama costs 0 "
                                                   "by version 2, ")));
}

TEST_F(BillAuditTest, ASumThatIsNotThatOfItsLinesIsNamed) {
  Publish(0);
  Bill();
  Execute("UPDATE billing.captures SET amount_nanos = amount_nanos + 1");
  EXPECT_THAT(Differences(), ElementsAre(HasSubstr("its lines add up to")));
}

TEST_F(BillAuditTest, APriceThatWasChangedAfterwardsIsFound) {
  Publish(0);
  Bill();
  Execute("UPDATE billing.prices SET unit_nanos = 0 WHERE version = 2 AND line_type = 'per_job'");
  EXPECT_THAT(Differences(), ElementsAre(HasSubstr("per_job of text.stats costs 0 by version 2")));
  Execute("DELETE FROM billing.prices WHERE version = 2");
  EXPECT_THAT(Differences(), ::testing::SizeIs(3)) << "no price at all";
}

TEST_F(BillAuditTest, CapturesOfBeforeVersionsStoodOnThemHaveThatOfTheirEntry) {
  Publish(0);
  Bill();
  Publish(1);
  Bill();
  Execute("UPDATE billing.captures SET price_version = NULL");
  EXPECT_THAT(Differences(), IsEmpty());
  const std::string free = UuidV7();
  ASSERT_TRUE(Reserve(free, kTenant).ok());
  ASSERT_TRUE(Capture(free, 1, 0).ok());
  EXPECT_THAT(Differences(), IsEmpty()) << "nothing costs nothing";
}

}  // namespace
}  // namespace gatehouse::billing
