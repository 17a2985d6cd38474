// The limit per client address through the whole edge, and the strict envelope.
#include <chrono>

#include "services/gateway/gateway_fixture.h"

namespace gatehouse::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kLogin[] = "/api/auth/token/";
constexpr char kBody[] = R"({"username":"ada","password":"a-passphrase"})";

class AddressLimitTest : public GatewayTest {
 protected:
  static Options Limited() {
    Options options = TestOptions();
    options.auth_rate_limit = 3;
    options.auth_rate_window = std::chrono::hours(1);
    options.trusted_proxies = *TrustedProxies::Parse("127.0.0.1");
    return options;
  }
  AddressLimitTest() : GatewayTest(Limited()) {}

  Answer LogInFrom(const std::string& address, const std::string& path = kLogin) {
    return Post(path, "", kBody, {{"X-Forwarded-For", address}});
  }
};

TEST_F(AddressLimitTest, EveryAnswerSaysWhatIsLeft) {
  const Answer first = LogInFrom("192.0.2.1");
  EXPECT_EQ(first.Get("X-RateLimit-Limit"), "3");
  EXPECT_EQ(first.Get("X-RateLimit-Remaining"), "2");
  EXPECT_EQ(first.Get("RateLimit-Policy"), R"("address";q=3;w=3600)");
  EXPECT_EQ(first.Get("RateLimit"), R"("address";r=2;t=1200)");
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(
      std::chrono::system_clock::now().time_since_epoch());
  EXPECT_NEAR(std::stod(first.Get("X-RateLimit-Reset")), static_cast<double>(now.count() + 1200),
              60);
  services_.log_in.Fail(Error(absl::StatusCode::kUnauthenticated, "CREDENTIALS_INVALID", "no"));
  const Answer refused = LogInFrom("192.0.2.1");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.Get("X-RateLimit-Remaining"), "1") << "a failure is told it, too";
}

TEST_F(AddressLimitTest, TheOneTooManyIsRefusedBeforeAnythingIsReadOrAsked) {
  for (int i = 0; i < 3; ++i) LogInFrom("192.0.2.1");
  ASSERT_EQ(services_.log_in.calls(), 3u);
  const Answer answer =
      Post(kLogin, "", "{not json", {{"X-Forwarded-For", "192.0.2.1"}, {"Content-Type", "a/b"}});
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(Code(answer), "IP_RATE_LIMIT");
  EXPECT_THAT(answer.body, HasSubstr(R"("message":"Too many login attempts")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("retry_after":1)"));
  EXPECT_THAT(answer.Get("Retry-After"), StartsWith("1"));
  EXPECT_EQ(answer.Get("X-RateLimit-Remaining"), "0");
  EXPECT_EQ(answer.Get("X-RateLimit-Limit"), "3");
  EXPECT_THAT(answer.Get("RateLimit"), StartsWith(R"("address";r=0;t=3)"));
  EXPECT_EQ(services_.log_in.calls(), 3u);
}

TEST_F(AddressLimitTest, OneBucketServesAllRoutesThatTakeAPassword) {
  for (const char* path : {kLogin, "/api/auth/login/", "/api/v1/auth/login"}) {
    EXPECT_NE(LogInFrom("192.0.2.1", path).status, 429) << path;
  }
  for (const char* path :
       {kLogin, "/api/auth/login/", "/api/auth/signup/", "/api/auth/password/reset/",
        "/api/auth/password/reset/confirm/", "/api/v1/auth/login", "/api/v1/auth/register",
        "/platform/authorization", "/auth/login"}) {
    EXPECT_EQ(LogInFrom("192.0.2.1", path).status, 429) << path;
  }
  EXPECT_NE(LogInFrom("192.0.2.2").status, 429) << "another address";
}

TEST_F(AddressLimitTest, OtherRoutesAreNotCounted) {
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(Get("/api/me/", user_).status, 200);
    EXPECT_EQ(Get("/health", "").Get("X-RateLimit-Limit"), "");
  }
  EXPECT_EQ(LogInFrom("127.0.0.1").Get("X-RateLimit-Remaining"), "2");
}

TEST_F(AddressLimitTest, WithoutALimitNothingIsSaid) {
  Options open = TestOptions();
  FakeServices services;
  Gateway gateway(open, TestHotConfig(), services.Clients(), clock_);
  ASSERT_TRUE(gateway.Start().ok());
  const Answer answer = Fetch(gateway.address(), "POST", kLogin, {}, "");
  EXPECT_THAT(answer.All("X-RateLimit-Limit"), IsEmpty());
  EXPECT_THAT(answer.All("RateLimit"), IsEmpty());
}

class EnvelopeTest : public GatewayTest {
 protected:
  static Options Strict() {
    Options options = TestOptions();
    options.strict_envelope = true;
    return options;
  }
  EnvelopeTest() : GatewayTest(Strict()) {}
};

TEST_F(EnvelopeTest, SuccessCarriesItsPayloadTwice) {
  const Answer answer = Get("/platform/monitor/liveness", "");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"status_code":200,"response":{"status":"alive"},"status":"alive"})");
  EXPECT_EQ(answer.Get("Content-Type"), "application/json");
}

TEST_F(EnvelopeTest, ErrorsAre200WithTheirStatusWithin) {
  const Answer answer = Get("/platform/authorization/status", "garbage");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, StartsWith(R"({"status_code":401,"error_code":")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("error_message":")"));
  EXPECT_THAT(answer.body, Not(HasSubstr(R"("response")")));
  const Answer problem =
      Get("/platform/authorization/status", "garbage", {{"Accept", "application/problem+json"}});
  EXPECT_EQ(problem.Get("Content-Type"), "application/json");
  EXPECT_THAT(problem.body, StartsWith(R"({"status_code":401,"error_code":")"));
}

TEST_F(EnvelopeTest, AnUnknownPathOfTheSurfaceIsEnclosedToo) {
  const Answer answer = Get("/platform/nowhere", "");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, StartsWith(R"({"status_code":404,"error_code":"NOT_FOUND")"));
}

TEST_F(EnvelopeTest, OtherSurfacesKeepTheirStatuses) {
  EXPECT_EQ(Get("/api/me/", "garbage").status, 401);
  EXPECT_EQ(Get("/api/health", "").body, R"({"status":"online"})");
  EXPECT_EQ(Get("/platformx", "").status, 404);
}

}  // namespace
}  // namespace gatehouse::gateway
