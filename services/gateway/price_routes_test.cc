// The price book of billing, as administrators see and change it.
#include "services/gateway/gateway_fixture.h"

namespace gatehouse::gateway {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

namespace bill = billing::v1;

bill::PriceBook SomeBook() {
  bill::PriceBook book;
  book.set_version(3);
  book.mutable_effective_time()->set_seconds(1'800'000'000);
  book.set_notes("Spring");
  book.set_in_force(true);
  bill::Price& price = *book.add_prices();
  price.set_line_type("prompt_tokens");
  price.set_resource("openai/gpt-4o-mini");
  price.set_unit_nanos(150'000'000);
  price.set_per_units(1'000'000);
  return book;
}

constexpr char kMembers[] =
    R"("version":3,"effective_time":"2027-01-15T08:00:00.000000Z","create_time":null,)"
    R"("notes":"Spring","in_force":true)";
constexpr char kPrices[] =
    R"(,"prices":[{"line_type":"prompt_tokens","resource":"openai/gpt-4o-mini",)"
    R"("price_dollars":0.15,"price_nanos":150000000,"per_units":1000000}])";

class PriceRoutesTest : public GatewayTest {
 protected:
  static constexpr char kPath[] = "/api/billing/admin/prices/";
};

TEST_F(PriceRoutesTest, ABookIsShownWithExactPrices) {
  services_.get_price_book.Return(SomeBook());
  const Answer answer = Get(std::string(kPath) + "?version=3", admin_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, std::string("{") + kMembers + kPrices + "}");
  EXPECT_EQ(services_.get_price_book.last().version(), 3);
  EXPECT_EQ(Get(kPath, admin_).status, 200);
  EXPECT_EQ(services_.get_price_book.last().version(), 0) << "the one in force";
  EXPECT_EQ(Get(std::string(kPath) + "?version=x", admin_).status, 400);
  EXPECT_EQ(Get(kPath, user_).status, 403);
}

TEST_F(PriceRoutesTest, VersionsAreABareArray) {
  bill::ListPriceBooksResponse page;
  *page.add_books() = SomeBook();
  services_.list_price_books.Return(page);
  const Answer answer = Get("/api/billing/admin/prices/versions/", admin_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.Get("X-Total-Count"), "1");
  EXPECT_EQ(answer.body, std::string("[{") + kMembers + "}]");
}

TEST_F(PriceRoutesTest, PublishingIsAuditedFirstAndKeepsEveryDigit) {
  bill::PublishPricesResponse published;
  *published.mutable_book() = SomeBook();
  published.set_published(true);
  services_.publish_prices.Do([&](const bill::PublishPricesRequest&) {
    EXPECT_EQ(services_.append_audit.calls(), 1u);
    return published;
  });
  const Answer answer = Post(kPath, admin_,
                             R"({"prices":[)"
                             R"({"line_type":"per_job","resource":"a","price_dollars":0.1},)"
                             R"({"line_type":"per_job","resource":"b","price_dollars":"0.15",)"
                             R"("per_units":1000000},)"
                             R"({"line_type":"per_job","resource":"c,\"}","price_nanos":7},)"
                             R"({"line_type":"per_job","resource":"d","price_dollars":1e-9}],)"
                             R"("removed":[{"line_type":"per_job","resource":"e"}],)"
                             R"("effective_time":"2030-01-01T00:00:00Z","notes":"Spring"})");
  EXPECT_EQ(answer.status, 201) << answer.body;
  EXPECT_EQ(answer.body, std::string(R"({"published":true,)") + kMembers + kPrices + "}");
  const bill::PublishPricesRequest request = services_.publish_prices.last();
  ASSERT_EQ(request.prices_size(), 4);
  EXPECT_EQ(request.prices(0).unit_nanos(), 100'000'000);
  EXPECT_EQ(request.prices(0).per_units(), 1);
  EXPECT_EQ(request.prices(1).unit_nanos(), 150'000'000);
  EXPECT_EQ(request.prices(1).per_units(), 1'000'000);
  EXPECT_EQ(request.prices(2).resource(), "c,\"}");
  EXPECT_EQ(request.prices(2).unit_nanos(), 7);
  EXPECT_EQ(request.prices(3).unit_nanos(), 1);
  EXPECT_EQ(request.removed(0).resource(), "e");
  EXPECT_EQ(request.effective_time().seconds(), 1'893'456'000);
  EXPECT_FALSE(request.replace());
  EXPECT_THAT(services_.append_audit.last().event().details_json(),
              AllOf(HasSubstr(R"("action":"prices_published","prices":4,"removed":1)"),
                    HasSubstr(R"("notes":"Spring")")));
}

TEST_F(PriceRoutesTest, WhatAppliesAlreadyIsNotCreated) {
  bill::PublishPricesResponse known;
  *known.mutable_book() = SomeBook();
  services_.publish_prices.Return(known);
  const Answer answer =
      Post(kPath, admin_,
           R"({"prices":[{"line_type":"per_job","resource":"a","price_nanos":1}],"replace":true})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr(R"("published":false)"));
  EXPECT_TRUE(services_.publish_prices.last().replace());
}

TEST_F(PriceRoutesTest, EveryWrongFieldIsNamedAtOnce) {
  const Answer answer =
      Post(kPath, admin_,
           R"({"prices":[{"line_type":"per_job","price_nanos":1},)"
           R"({"line_type":"per_job","resource":"a","price_dollars":1.0000000001},)"
           R"({"line_type":"per_job","resource":"b"},)"
           R"({"line_type":"per_job","resource":"c","price_nanos":1,)"
           R"("price_dollars":1},)"
           R"({"line_type":"per_job","resource":"d","price_nanos":-1,"x":1}],)"
           R"("notes":5})");
  EXPECT_EQ(answer.status, 400);
  for (const char* field :
       {"prices[0].resource", "prices[1].price_dollars", "prices[2].price_dollars",
        "prices[3].price_dollars", "prices[4].price_nanos", "prices[4].x", "notes"}) {
    EXPECT_THAT(answer.body, HasSubstr(std::string(R"("field":")") + field + '"'));
  }
  const std::string no_amount =
      R"({"prices":[{"line_type":"per_job","resource":"a","price_dollars":"a dollar"}]})";
  for (const std::string& body :
       {std::string("{}"), std::string(R"({"prices":{}})"), std::string(R"({"prices":[1]})"),
        std::string(R"({"prices":"x"})"), no_amount}) {
    EXPECT_EQ(Post(kPath, admin_, body).status, 400) << body;
  }
  EXPECT_EQ(services_.publish_prices.calls(), 0u);
  EXPECT_EQ(services_.append_audit.calls(), 0u);
}

TEST_F(PriceRoutesTest, ARefusalOfBillingIsPassedOnAndAudited) {
  services_.publish_prices.Fail(Error(absl::StatusCode::kInvalidArgument, "EFFECTIVE_TIME_PAST",
                                      "the effective time must not be before now"));
  const Answer answer =
      Post(kPath, admin_,
           R"({"prices":[{"line_type":"per_job","resource":"a","price_nanos":1}],)"
           R"("effective_time":"2020-01-01T00:00:00Z"})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("EFFECTIVE_TIME_PAST"));
  EXPECT_TRUE(Eventually([&] { return services_.append_audit.calls() == 2; }));
  EXPECT_EQ(Post(kPath, user_, "{}").status, 403);
}

}  // namespace
}  // namespace gatehouse::gateway
