#include "services/billing/ledger_export.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "libs/base/time_text.h"
#include "libs/rpc/timestamp.h"
#include "services/billing/billing_testing.h"

namespace gatehouse::billing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class LedgerExportTest : public BillingTest {
 protected:
  // The amounts of all pages, in order.
  std::vector<std::int64_t> Export(v1::ExportLedgerRequest request, int page_size = 1000) {
    std::vector<std::int64_t> amounts;
    std::set<std::string> ids;
    request.set_page_size(page_size);
    do {
      const auto page = accounts_.ExportLedger(request);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) break;
      for (const v1::LedgerEntry& entry : page->entries()) {
        EXPECT_TRUE(ids.insert(entry.id()).second) << "an entry came twice";
        amounts.push_back(entry.amount().amount_nanos());
      }
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    return amounts;
  }
  std::vector<std::int64_t> ExportBetween(const std::string& start, const std::string& end,
                                          std::int64_t tenant = 0) {
    v1::ExportLedgerRequest request;
    request.set_tenant_id(tenant);
    if (!start.empty()) *request.mutable_start_time() = rpc::ToTimestamp(*ParseTime(start));
    if (!end.empty()) *request.mutable_end_time() = rpc::ToTimestamp(*ParseTime(end));
    return Export(request, 2);
  }

  // An entry that was booked at that time, under an id of that time.
  void Book(std::int64_t tenant, std::int64_t number, std::int64_t nanos, const std::string& time) {
    const std::string id = UuidV7(*ParseTime(time));
    Execute(absl::StrCat(
        "INSERT INTO billing.accounts (tenant_id) VALUES (", tenant, ") ON CONFLICT DO NOTHING;",
        "INSERT INTO billing.ledger_entries (id, tenant_id, entry_number, debit_account,",
        " credit_account, amount_nanos, entry_type, balance_after_nanos, notes, create_time)",
        " VALUES ('", id, "', ", tenant, ", ", number, ", 'adjustments', 'reserve', ", nanos,
        ", 'adjustment', 0, '', '", time, "');",
        "UPDATE billing.accounts SET entry_count = ", number, " WHERE tenant_id = ", tenant));
  }
};

TEST_F(LedgerExportTest, AllTenantsComeOldestFirstPageByPage) {
  for (int i = 1; i <= 7; ++i) {
    Book(1 + i % 2, (i + 1) / 2, i, absl::StrCat("2026-03-0", i, "T12:00:00Z"));
  }
  EXPECT_THAT(Export({}), ElementsAre(1, 2, 3, 4, 5, 6, 7));
  for (int size = 1; size <= 8; ++size) {
    EXPECT_THAT(Export({}, size), ElementsAre(1, 2, 3, 4, 5, 6, 7)) << size;
  }
}

TEST_F(LedgerExportTest, TimesAreExactAndTheEndIsBehind) {
  for (const std::int64_t tenant : {1, 2}) {
    Book(tenant, 1, 1, "2026-03-01T23:59:59.999999Z");
    Book(tenant, 2, 2, "2026-03-02T00:00:00Z");
    Book(tenant, 3, 3, "2026-03-02T23:59:59.999999Z");
    Book(tenant, 4, 4, "2026-03-03T00:00:00Z");
    Book(tenant, 5, 5, "2026-06-03T00:00:00Z");
  }
  EXPECT_THAT(ExportBetween("2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z", 2), ElementsAre(2, 3));
  EXPECT_THAT(ExportBetween("2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"),
              ::testing::UnorderedElementsAre(2, 3, 2, 3));
  EXPECT_THAT(ExportBetween("2026-03-03T00:00:00Z", "", 1), ElementsAre(4, 5));
  EXPECT_THAT(ExportBetween("", "2026-03-02T00:00:00Z", 1), ElementsAre(1));
  EXPECT_THAT(ExportBetween("2027-01-01T00:00:00Z", ""), IsEmpty());
  EXPECT_THAT(ExportBetween("", "2020-01-01T00:00:00Z", 1), IsEmpty());
}

TEST_F(LedgerExportTest, AnIdThatWasMadeByAnotherClockIsFoundByItsTime) {
  Book(1, 1, 1, "2026-03-02T08:00:00Z");
  Execute("UPDATE billing.ledger_entries SET create_time = '2026-03-02T20:00:00Z'");
  EXPECT_THAT(ExportBetween("2026-03-02T19:00:00Z", "2026-03-02T21:00:00Z"), ElementsAre(1));
  EXPECT_THAT(ExportBetween("2026-03-02T07:00:00Z", "2026-03-02T09:00:00Z"), IsEmpty());
}

TEST_F(LedgerExportTest, OneTenantsEntriesComeByTheirNumbers) {
  for (int i = 0; i < 30; ++i) Credit(7, i % 3 == 0 ? -1000 - i : 100 + i);
  Credit(8, 5);
  v1::ExportLedgerRequest request;
  request.set_tenant_id(7);
  std::vector<std::int64_t> expected;
  expected.reserve(30);
  for (int i = 0; i < 30; ++i) expected.push_back(i % 3 == 0 ? -1000 - i : 100 + i);
  for (const int size : {1, 7, 30, 100}) EXPECT_EQ(Export(request, size), expected) << size;
  EXPECT_EQ(Export({}).size(), 31u) << "without what was lent in debt";
}

TEST_F(LedgerExportTest, APositionOfAnotherTenantIsRefused) {
  Credit(7, 1);
  Credit(8, 2);
  v1::ExportLedgerRequest request;
  request.set_page_size(1);
  const auto page = accounts_.ExportLedger(request);
  ASSERT_TRUE(page.ok()) << page.status();
  request.set_page_token(page->next_page_token());
  request.set_tenant_id(page->entries(0).tenant_id() == 7 ? 8 : 7);
  EXPECT_EQ(Reason(accounts_.ExportLedger(request).status()), "PAGE_TOKEN_INVALID");
  request.set_tenant_id(99);
  request.clear_page_token();
  EXPECT_EQ(accounts_.ExportLedger(request)->entries_size(), 0);
}

}  // namespace
}  // namespace gatehouse::billing
