#include "services/billing/price_service.h"

#include <atomic>
#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "libs/base/time_text.h"
#include "libs/rpc/timestamp.h"
#include "services/billing/billing_testing.h"
#include "services/billing/price_store.h"

namespace gatehouse::billing {
namespace {

using std::chrono::hours;

constexpr std::int64_t kTenant = 7;

class PriceServiceTest : public BillingTest {
 protected:
  static v1::PublishPricesRequest RequestOf(const std::string& resource, std::int64_t nanos) {
    v1::PublishPricesRequest request;
    v1::Price& price = *request.add_prices();
    price.set_line_type("per_job");
    price.set_resource(resource);
    price.set_unit_nanos(nanos);
    return request;
  }
  static void SetTime(Time time, v1::PublishPricesRequest* request) {
    *request->mutable_effective_time() = rpc::ToTimestamp(time);
  }

  v1::PublishPricesResponse Publish(const v1::PublishPricesRequest& request) {
    const auto published = service_.PublishPrices(request);
    EXPECT_TRUE(published.ok()) << published.status();
    return published.ok() ? *published : v1::PublishPricesResponse();
  }
  v1::PriceBook Book(int version = 0) {
    v1::GetPriceBookRequest request;
    request.set_version(version);
    const auto book = service_.GetPriceBook(request);
    EXPECT_TRUE(book.ok()) << book.status();
    return book.ok() ? *book : v1::PriceBook();
  }
  static std::int64_t NanosOf(const v1::PriceBook& book, const std::string& resource) {
    for (const v1::Price& price : book.prices()) {
      if (price.resource() == resource) return price.unit_nanos();
    }
    return -1;
  }
  Time Now() { return std::chrono::system_clock::now(); }

  PriceService service_{db_, books_};
};

TEST_F(PriceServiceTest, APublishedVersionIsTheOldBookWithTheChanges) {
  v1::PublishPricesRequest request = RequestOf("text.stats", 30'000'000);
  v1::Price& removed = *request.add_removed();
  removed.set_line_type("per_job");
  removed.set_resource("sleep");
  request.set_notes("dearer");
  const v1::PublishPricesResponse published = Publish(request);
  EXPECT_TRUE(published.published());
  EXPECT_EQ(published.book().version(), 2);
  EXPECT_TRUE(published.book().in_force());
  EXPECT_EQ(published.book().notes(), "dearer");
  const v1::PriceBook book = Book();
  EXPECT_EQ(book.version(), 2);
  EXPECT_EQ(NanosOf(book, "text.stats"), 30'000'000);
  EXPECT_EQ(NanosOf(book, "sleep"), -1);
  EXPECT_EQ(NanosOf(book, "cpu"), 90'000'000) << "what was not named stays";
  EXPECT_EQ(NanosOf(Book(1), "text.stats"), 20'000'000) << "the old version stays as it was";
}

TEST_F(PriceServiceTest, WhatIsChargedFollowsAtOnceAndNamesTheVersion) {
  Credit(kTenant, 1'000'000'000);
  const std::string before = UuidV7();
  ASSERT_TRUE(Reserve(before, kTenant).ok());
  ASSERT_TRUE(Capture(before, 1, 1).ok());
  Publish(RequestOf("text.stats", 30'000'000));
  const std::string after = UuidV7();
  ASSERT_TRUE(Reserve(after, kTenant).ok());
  const auto capture = Capture(after, 1, 1);
  ASSERT_TRUE(capture.ok()) << capture.status();
  EXPECT_EQ(capture->amount().amount_nanos(), 30'000'000);
  ExpectSql(
      "SELECT array_agg(price_version ORDER BY price_version) = '{1,2}' "
      "FROM billing.captures");
}

TEST_F(PriceServiceTest, PublishingTheSameAgainChangesNothing) {
  EXPECT_TRUE(Publish(RequestOf("text.stats", 30'000'000)).published());
  const v1::PublishPricesResponse again = Publish(RequestOf("text.stats", 30'000'000));
  EXPECT_FALSE(again.published());
  EXPECT_EQ(again.book().version(), 2);
  EXPECT_FALSE(Publish({}).published()) << "no changes are none";
  ExpectSql("SELECT count(*) = 2 FROM billing.price_books");
}

TEST_F(PriceServiceTest, AReplacementIsTheWholeBook) {
  v1::PublishPricesRequest request = RequestOf("only", 1);
  request.set_replace(true);
  EXPECT_EQ(Publish(request).book().prices_size(), 1);
  EXPECT_EQ(Book().prices_size(), 1);
}

TEST_F(PriceServiceTest, AnEmptyBookIsRefused) {
  v1::PublishPricesRequest request;
  request.set_replace(true);
  EXPECT_EQ(Reason(service_.PublishPrices(request).status()), "PRICE_BOOK_EMPTY");
}

TEST_F(PriceServiceTest, ALaterVersionAppliesLaterAndIsTheBaseOfWhatFollowsIt) {
  v1::PublishPricesRequest later = RequestOf("text.stats", 50'000'000);
  SetTime(Now() + hours(24), &later);
  EXPECT_FALSE(Publish(later).book().in_force());
  EXPECT_EQ(Book().version(), 1);
  EXPECT_FALSE(Publish(later).published()) << "a repeat finds it";
  EXPECT_TRUE(Publish(RequestOf("text.stats", 30'000'000)).published());
  EXPECT_EQ(NanosOf(Book(), "text.stats"), 30'000'000) << "version 3 applies now";
  v1::PublishPricesRequest latest = RequestOf("extra", 1);
  SetTime(Now() + hours(48), &latest);
  EXPECT_EQ(NanosOf(Publish(latest).book(), "text.stats"), 50'000'000) << "based on version 2";
  Execute("UPDATE billing.price_books SET effective_time = now() WHERE version = 2");
  EXPECT_EQ(Book().version(), 2) << "its time has come";
}

TEST_F(PriceServiceTest, NothingIsPublishedForThePast) {
  v1::PublishPricesRequest request = RequestOf("text.stats", 1);
  SetTime(Now() - hours(1), &request);
  const absl::Status status = service_.PublishPrices(request).status();
  EXPECT_EQ(Reason(status), "EFFECTIVE_TIME_PAST");
  EXPECT_EQ(FieldViolations(status).count("effective_time"), 1u);
}

TEST_F(PriceServiceTest, VersionsAreListedNewestFirst) {
  Publish(RequestOf("a", 1));
  Publish(RequestOf("b", 1));
  const auto list = service_.ListPriceBooks({});
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->books_size(), 3);
  EXPECT_EQ(list->books(0).version(), 3);
  EXPECT_TRUE(list->books(0).in_force());
  EXPECT_FALSE(list->books(1).in_force());
  EXPECT_EQ(list->books(0).prices_size(), 0);
  v1::GetPriceBookRequest unknown;
  unknown.set_version(99);
  EXPECT_EQ(Reason(service_.GetPriceBook(unknown).status()), "PRICE_BOOK_NOT_FOUND");
}

TEST_F(PriceServiceTest, PublishersAtTheSameMomentLoseNoChange) {
  constexpr int kCount = 8;
  Together(kCount, [&](int i) { Publish(RequestOf(absl::StrCat("at once ", i), i + 1)); });
  const v1::PriceBook book = Book();
  EXPECT_EQ(book.version(), 1 + kCount);
  for (int i = 0; i < kCount; ++i) EXPECT_EQ(NanosOf(book, absl::StrCat("at once ", i)), i + 1);
}

TEST_F(PriceServiceTest, TheSameBookPublishedByManyIsOneVersion) {
  std::atomic<int> published = 0;
  Together(8, [&](int) { published += Publish(RequestOf("same", 1)).published() ? 1 : 0; });
  EXPECT_EQ(published, 1);
  EXPECT_EQ(Book().version(), 2);
}

TEST_F(PriceServiceTest, TheProgramMayNotChangeWhatWasPublished) {
  for (const char* sql : {"UPDATE billing.prices SET unit_nanos = 1", "DELETE FROM billing.prices",
                          "DELETE FROM billing.price_books",
                          "UPDATE billing.price_books SET effective_time = now()"}) {
    const absl::Status status = db_.Statement([&](pg::Tx& tx) {
      tx.exec(sql);
      return absl::OkStatus();
    });
    EXPECT_FALSE(status.ok()) << sql;
  }
}

TEST_F(PriceServiceTest, ABookThatIsNotThereIsNotKept) {
  const auto find = [&](int version) {
    return *db_.Read([&](pg::Tx& tx) -> absl::StatusOr<std::size_t> {
      return books_.Find(tx, version)->prices.size();
    });
  };
  EXPECT_EQ(find(2), 0u);
  Publish(RequestOf("a", 1));
  EXPECT_EQ(find(2), 7u);
}

}  // namespace
}  // namespace gatehouse::billing
