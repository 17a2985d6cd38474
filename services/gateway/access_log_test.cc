#include "services/gateway/access_log.h"

#include <gmock/gmock.h>

#include <boost/json/parse.hpp>
#include <functional>

#include "libs/log/log.h"
#include "services/gateway/line_budget.h"

namespace gatehouse::gateway {
namespace {

using std::chrono::steady_clock;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Captured(const std::function<void()>& body) {
  ::testing::internal::CaptureStderr();
  body();
  return ::testing::internal::GetCapturedStderr();
}

class AccessLogTest : public ::testing::Test {
 protected:
  AccessLogTest() {
    log::Init("gateway", log::Level::kInfo);
    request_.method = "POST";
    request_.target = "/api/v1/templates/secret-id?token=secret-query";
    request_.headers = {{"Authorization", "Bearer secret-token"}};
  }

  boost::json::object Line(const AccessEntry& entry) {
    text_ = Captured([&] { WriteAccessLog(entry); });
    boost::json::error_code error;
    const boost::json::value value = boost::json::parse(text_, error);
    EXPECT_FALSE(error) << text_;
    return error ? boost::json::object() : value.as_object();
  }

  AccessEntry Entry() {
    return {.request = request_,
            .request_id = request_id_,
            .trace_parent = trace_parent_,
            .route = route_,
            .status = 200,
            .bytes = 1234,
            .begin = steady_clock::now() - std::chrono::milliseconds(5),
            .client_address = "192.0.2.7"};
  }

  http::Request request_;
  const std::string request_id_ = "r-1";
  const std::string trace_parent_ = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
  const std::string route_ = "/api/v1/templates/{id}";
  std::string text_;
};

TEST_F(AccessLogTest, TellsWhatWasAskedAndHowItEnded) {
  const auto line = Line(Entry());
  EXPECT_EQ(line.at("message"), "request");
  EXPECT_EQ(line.at("request_id"), "r-1");
  EXPECT_EQ(line.at("trace_id"), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(line.at("method"), "POST");
  EXPECT_EQ(line.at("route"), "/api/v1/templates/{id}");
  EXPECT_EQ(line.at("status"), 200);
  EXPECT_EQ(line.at("bytes"), 1234);
  EXPECT_GE(line.at("duration_us").as_int64(), 5000);
  EXPECT_EQ(line.at("client"), "192.0.2.7");
  for (const char* name : {"user_id", "tenant_id", "limit", "upstream", "attempts", "error"}) {
    EXPECT_FALSE(line.contains(name)) << name << " of nothing";
  }
}

TEST_F(AccessLogTest, NeverTellsPathsQueriesAndCredentials) {
  Line(Entry());
  EXPECT_THAT(text_, Not(HasSubstr("secret")));
}

TEST_F(AccessLogTest, TellsWhoAskedAndWhatTheLimitSaid) {
  AccessEntry entry = Entry();
  entry.user_id = "u-1";
  entry.tenant_id = 7;
  entry.limit_name = "proxy";
  entry.limit.limit = 20;
  entry.limit.remaining = 19;
  const auto line = Line(entry);
  EXPECT_EQ(line.at("user_id"), "u-1");
  EXPECT_EQ(line.at("tenant_id"), 7);
  EXPECT_EQ(line.at("limit"), "proxy");
  EXPECT_EQ(line.at("limit_remaining"), 19);
}

TEST_F(AccessLogTest, TellsWhereItWentAndHowLongEachPartTook) {
  http::ForwardReport report;
  report.endpoint = "10.0.0.7:8080";
  report.connect = std::chrono::microseconds(300);
  report.head = std::chrono::microseconds(4000);
  report.attempts = 2;
  AccessEntry entry = Entry();
  entry.upstream = "core-manager";
  entry.report = &report;
  auto line = Line(entry);
  EXPECT_EQ(line.at("upstream"), "core-manager");
  EXPECT_EQ(line.at("endpoint"), "10.0.0.7:8080");
  EXPECT_EQ(line.at("connect_us"), 300);
  EXPECT_EQ(line.at("head_us"), 4000);
  EXPECT_EQ(line.at("attempts"), 2);
  EXPECT_FALSE(line.contains("error"));
  report.error = http::ForwardError::kUnreachable;
  line = Line(entry);
  EXPECT_EQ(line.at("error"), "unreachable");
  report.error = http::ForwardError::kNone;
  report.is_truncated = true;
  EXPECT_EQ(Line(entry).at("error"), "truncated");
}

TEST_F(AccessLogTest, ARefusalIsSeenWithItsReason) {
  const std::string text = Captured([&] {
    WriteRefusal({.request_id = "r-2",
                  .route = route_,
                  .status = 401,
                  .code = "CREDENTIALS_INVALID",
                  .client_address = "192.0.2.7"});
  });
  EXPECT_THAT(text, HasSubstr(R"("message":"authentication refused")"));
  EXPECT_THAT(text, HasSubstr(R"("request_id":"r-2")"));
  EXPECT_THAT(text, HasSubstr(R"("status":401,"reason":"CREDENTIALS_INVALID")"));
  EXPECT_THAT(text, HasSubstr(R"("client":"192.0.2.7")"));
}

TEST(LineBudget, LetsSoManyThroughInASecondAndCountsTheRest) {
  LineBudget budget(2);
  const SteadyTime begin(std::chrono::seconds(100));
  std::int64_t suppressed = -1;
  EXPECT_TRUE(budget.Take(begin, &suppressed));
  EXPECT_TRUE(budget.Take(begin, &suppressed));
  EXPECT_FALSE(budget.Take(begin, &suppressed));
  EXPECT_FALSE(budget.Take(begin + std::chrono::milliseconds(999), &suppressed));
  EXPECT_EQ(suppressed, 0);
  EXPECT_TRUE(budget.Take(begin + std::chrono::seconds(1), &suppressed));
  EXPECT_EQ(suppressed, 2);
  EXPECT_TRUE(budget.Take(begin + std::chrono::seconds(1), &suppressed));
  EXPECT_EQ(suppressed, 0) << "told once";
}

}  // namespace
}  // namespace gatehouse::gateway
