#include "libs/metrics/metrics.h"
#include "services/gateway/proxy_fixture.h"

namespace gatehouse::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kPath[] = "/api/v1/personas/instances";

class ProxyFailureTest : public ProxyTest {};

TEST_F(ProxyFailureTest, AnUpstreamThatIsDownIsTheDocumentedError) {
  upstream_.Stop();
  const Answer answer = Get(kPath, user_);
  EXPECT_EQ(answer.status, 502);
  EXPECT_EQ(Code(answer), "BAD_GATEWAY");
  EXPECT_THAT(answer.body, HasSubstr(R"("message":"Service temporarily unavailable")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("service":"core-manager")"));
}

TEST_F(ProxyFailureTest, AfterManyFailuresNobodyIsAskedForAWhile) {
  upstream_.Stop();
  Answer answer;
  for (int i = 0; i < 20 && answer.status != 503; ++i) answer = Get(kPath, user_);
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(Code(answer), "UPSTREAM_CIRCUIT_OPEN");
  EXPECT_THAT(answer.body, HasSubstr(R"("message":"Service temporarily unavailable")"));
  const int seconds = std::stoi("0" + answer.Get("Retry-After"));
  EXPECT_GE(seconds, 25);
  EXPECT_LE(seconds, 30);
}

TEST_F(ProxyFailureTest, AnUpstreamThatIsLateIsToldApart) {
  std::atomic<bool> done = false;
  upstream_.Do([&](const SeenRequest&) {
    EXPECT_TRUE(Eventually([&] { return done.load(); }));
    return "";
  });
  const Answer answer = Get(kPath, user_);
  done = true;
  upstream_.Stop();
  EXPECT_EQ(answer.status, 504);
  EXPECT_EQ(Code(answer), "GATEWAY_TIMEOUT");
  EXPECT_THAT(answer.body, HasSubstr(R"("service":"core-manager")"));
}

TEST_F(ProxyFailureTest, AnUpstreamThatTalksNonsenseOrNothingIsBad) {
  for (const char* nonsense :
       {"", "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"}) {
    upstream_.Do([&](const SeenRequest&) { return nonsense; });
    const Answer answer = Send("POST", kPath, user_);
    EXPECT_EQ(answer.status, 502) << nonsense;
    EXPECT_EQ(Code(answer), "BAD_GATEWAY");
  }
}

TEST_F(ProxyFailureTest, IsSeenInTheMetrics) {
  const auto exposer = metrics::Exposer::Start("127.0.0.1:0");
  ASSERT_TRUE(exposer.ok()) << exposer.status();
  const auto metrics = [&] { return Fetch((*exposer)->address(), "GET", "/metrics").body; };
  EXPECT_EQ(Get(kPath, user_).status, 200);
  const std::string up = "gatehouse_upstream_endpoint_up{endpoint=\"" + upstream_.address() +
                         "\",upstream=\"core-manager\"} ";
  EXPECT_TRUE(Eventually([&] { return metrics().find(up + "1") != std::string::npos; }));
  EXPECT_THAT(metrics(), HasSubstr("gatehouse_upstream_head_seconds_count{upstream="));
  upstream_.Stop();
  for (int i = 0; i < 20 && Get(kPath, user_).status != 503; ++i) continue;
  EXPECT_THAT(metrics(), ::testing::ContainsRegex("gatehouse_upstream_failures_total.reason="
                                                  "\"unreachable\",upstream=\"core-manager\". "
                                                  "[1-9]"));
  EXPECT_TRUE(Eventually([&] {
    const std::string text = metrics();
    return text.find(up + "0") != std::string::npos &&
           text.find("gatehouse_upstream_breaker_state{upstream=\"core-manager\"} 2") !=
               std::string::npos;
  }));
}

TEST_F(ProxyFailureTest, AHeadGetsTheStatusOfAFailureOnly) {
  upstream_.Stop();
  const Answer answer = Send("HEAD", kPath, user_);
  EXPECT_EQ(answer.status, 502);
  EXPECT_EQ(answer.body, "");
}

// With limits and a browser's origin.
class ProxyHeadersTest : public ProxyTest {
 protected:
  ProxyHeadersTest() : ProxyTest(Config()) {}

  static HotConfig Config() {
    HotConfig config = TestHotConfig();
    config.rate_limit_enabled = true;
    config.rates[Limit::kProxy] = {100, 200};
    config.cors.origins = {"https://app.example.com"};
    return config;
  }
};

TEST_F(ProxyHeadersTest, OurLimitIsToldWhereTheUpstreamTellsNone) {
  const Answer answer = Get(kPath, user_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.All("X-RateLimit-Limit").size(), 1u);
  EXPECT_THAT(answer.All("X-RateLimit-Remaining"), ElementsAre("199"));
  EXPECT_EQ(answer.All("X-RateLimit-Reset").size(), 1u);
  EXPECT_THAT(answer.Get("RateLimit"), HasSubstr("\"proxy\";r=199"));
}

TEST_F(ProxyHeadersTest, TheUpstreamsLimitIsToldWhereItTellsOne) {
  upstream_.Do([](const SeenRequest&) {
    return RawAnswer("200 OK", "x-ratelimit-limit: 5\r\nX-RateLimit-Remaining: 4\r\n", "{}");
  });
  const Answer answer = Get(kPath, user_);
  EXPECT_THAT(answer.All("X-RateLimit-Limit"), ElementsAre("5"));
  EXPECT_THAT(answer.All("X-RateLimit-Remaining"), ElementsAre("4"));
  EXPECT_THAT(answer.All("X-RateLimit-Reset"), IsEmpty()) << "of another bucket";
  EXPECT_THAT(answer.All("RateLimit"), IsEmpty());
}

TEST_F(ProxyHeadersTest, OurRuleForBrowsersReplacesTheUpstreams) {
  upstream_.Do([](const SeenRequest&) {
    return RawAnswer("200 OK",
                     "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Headers: *\r\n"
                     "Vary: Accept\r\n",
                     "{}");
  });
  Answer answer = Get(kPath, user_, {{"Origin", "https://app.example.com"}});
  EXPECT_THAT(answer.All("Access-Control-Allow-Origin"), ElementsAre("https://app.example.com"));
  EXPECT_THAT(answer.All("Access-Control-Allow-Headers"), IsEmpty());
  EXPECT_THAT(answer.All("Vary"), ElementsAre("Accept", "Origin"));
  answer = Get(kPath, user_, {{"Origin", "https://evil.example"}});
  EXPECT_THAT(answer.All("Access-Control-Allow-Origin"), IsEmpty());
}

TEST_F(ProxyHeadersTest, ErrorsOfOurOwnMayBeReadToo) {
  const Answer answer = Get("/api/v1/templates", "", {{"Origin", "https://app.example.com"}});
  EXPECT_EQ(answer.status, 401);
  EXPECT_THAT(answer.All("Access-Control-Allow-Origin"), ElementsAre("https://app.example.com"));
}

TEST_F(ProxyHeadersTest, APreflightIsAnsweredHere) {
  const Answer answer =
      Fetch(gateway_.address(), "OPTIONS", "/api/v1/templates/abc",
            {{"Origin", "https://app.example.com"}, {"Access-Control-Request-Method", "PUT"}});
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.Get("Access-Control-Allow-Methods"), "DELETE, GET, HEAD, PUT");
  EXPECT_THAT(answer.All("Access-Control-Allow-Origin"), ElementsAre("https://app.example.com"));
  EXPECT_THAT(upstream_.Take(), IsEmpty());
}

class ProxyLogTest : public ProxyTest {
 protected:
  ProxyLogTest() : ProxyTest(Config()) {}

  static HotConfig Config() {
    HotConfig config = TestHotConfig();
    config.access_log = true;
    return config;
  }

  // Everything that is logged of what `body` does.
  template <typename Body>
  std::string Logged(Body body) {
    ::testing::internal::CaptureStderr();
    body();
    gateway_.Drain(std::chrono::seconds(5));
    return ::testing::internal::GetCapturedStderr();
  }
};

TEST_F(ProxyLogTest, TellsWhereARequestWentAndNothingSecret) {
  const std::string text = Logged([&] {
    Get("/api/v1/personas/instances/secret-id?q=secret", user_, {{"X-Request-ID", "r-7"}});
  });
  EXPECT_THAT(text, HasSubstr(R"("request_id":"r-7")"));
  EXPECT_THAT(text, HasSubstr(R"("route":"/api/v1/personas/instances/{id}","status":200)"));
  EXPECT_THAT(text, HasSubstr(R"("upstream":"core-manager","endpoint":")" + upstream_.address()));
  EXPECT_THAT(text, HasSubstr(R"("attempts":1)"));
  EXPECT_THAT(text, HasSubstr(R"("tenant_id":7)"));
  EXPECT_THAT(text, Not(HasSubstr("secret")));
  EXPECT_THAT(text, Not(HasSubstr(user_)));
}

TEST_F(ProxyLogTest, TellsOfFailuresAndRefusals) {
  // The tests before may have used up the lines of this second.
  const auto second = [] {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::steady_clock::now());
  };
  ASSERT_TRUE(Eventually([&, begin = second()] { return second() != begin; }));
  const std::string text = Logged([&] {
    Get("/api/v1/templates", "");
    Get("/api/v1/templates", user_);
    upstream_.Stop();
    Get(kPath, user_);
  });
  EXPECT_THAT(text, HasSubstr(R"("message":"an upstream failed")"));
  EXPECT_THAT(text, HasSubstr(R"("error":"unreachable")"));
  EXPECT_THAT(text, HasSubstr(R"("message":"authentication refused")"));
  EXPECT_THAT(text, HasSubstr(R"("status":401,"reason":"UNAUTHENTICATED")"));
  EXPECT_THAT(text, HasSubstr(R"("status":403,"reason":"FORBIDDEN")"));
}

}  // namespace
}  // namespace gatehouse::gateway
