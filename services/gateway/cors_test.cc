#include "services/gateway/cors.h"

#include <gmock/gmock.h>

namespace gatehouse::gateway {
namespace {

using ::testing::HasSubstr;

constexpr char kApp[] = "https://app.example.com";

std::string ValueOf(const http::Response& response, const std::string& name) {
  std::string values;
  for (const http::Header& header : response.headers) {
    if (http::SameName(header.name, name)) values += (values.empty() ? "" : "|") + header.value;
  }
  return values;
}

class CorsTest : public ::testing::Test {
 protected:
  CorsTest() { cors_.origins = {kApp, "http://localhost:3000"}; }

  static void Fill(const std::vector<http::Header>& headers, http::Request* request) {
    request->method = "GET";
    request->headers = headers;
    request->headers.push_back({"Host", "api.example.com"});
  }

  http::Response Answer(const std::vector<http::Header>& headers) const {
    http::Request request;
    Fill(headers, &request);
    http::Response response;
    AddCorsHeaders(cors_, request, &response);
    return response;
  }

  std::optional<http::Response> Preflight(const std::vector<http::Header>& headers,
                                          const std::vector<std::string>& methods = {
                                              "GET", "HEAD", "DELETE"}) const {
    http::Request request;
    Fill(headers, &request);
    request.method = "OPTIONS";
    return AnswerPreflight(cors_, request, methods);
  }

  bool MayConnectWith(const std::vector<http::Header>& headers, bool by_cookie = false) const {
    http::Request request;
    Fill(headers, &request);
    return MayConnect(cors_, request, by_cookie);
  }

  CorsConfig cors_;
};

TEST_F(CorsTest, APreflightOfAKnownOriginIsAnswered) {
  cors_.credentials = true;
  cors_.methods = {"GET", "HEAD", "POST"};
  const auto answer = Preflight({{"Origin", kApp}, {"Access-Control-Request-Method", "GET"}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 204);
  EXPECT_EQ(ValueOf(*answer, "Access-Control-Allow-Origin"), kApp);
  EXPECT_EQ(ValueOf(*answer, "Access-Control-Allow-Credentials"), "true");
  EXPECT_EQ(ValueOf(*answer, "Access-Control-Allow-Methods"), "GET, HEAD")
      << "what both the path and the configuration allow";
  EXPECT_THAT(ValueOf(*answer, "Access-Control-Allow-Headers"), HasSubstr("Authorization"));
  EXPECT_EQ(ValueOf(*answer, "Access-Control-Max-Age"), "600");
  EXPECT_THAT(ValueOf(*answer, "Vary"), HasSubstr("Origin"));
}

TEST_F(CorsTest, WhatIsNoPreflightOrOfNobodyKnownIsNotAnswered) {
  EXPECT_FALSE(Preflight({{"Origin", kApp}}));
  EXPECT_FALSE(Preflight({{"Access-Control-Request-Method", "GET"}}));
  EXPECT_FALSE(
      Preflight({{"Origin", "https://evil.example"}, {"Access-Control-Request-Method", "GET"}}));
  EXPECT_FALSE(Preflight({{"Origin", kApp}, {"Access-Control-Request-Method", "GET"}}, {}));
  EXPECT_FALSE(
      Preflight({{"Origin", kApp}, {"Origin", kApp}, {"Access-Control-Request-Method", "GET"}}));
  cors_.origins.clear();
  EXPECT_FALSE(Preflight({{"Origin", kApp}, {"Access-Control-Request-Method", "GET"}}));
}

TEST_F(CorsTest, AnAnswerMayBeReadByAKnownOriginOnly) {
  cors_.credentials = true;
  http::Response answer = Answer({{"Origin", "http://localhost:3000"}});
  EXPECT_EQ(ValueOf(answer, "Access-Control-Allow-Origin"), "http://localhost:3000");
  EXPECT_EQ(ValueOf(answer, "Access-Control-Allow-Credentials"), "true");
  for (const char* name : {"X-Request-ID", "X-RateLimit-Remaining", "RateLimit", "Retry-After",
                           "X-Total-Count", "X-Next-Cursor", "Location", "Idempotency-Key"}) {
    EXPECT_THAT(ValueOf(answer, "Access-Control-Expose-Headers"), HasSubstr(name));
  }
  EXPECT_EQ(ValueOf(answer, "Vary"), "Origin");

  for (const char* origin : {"https://evil.example", "null", "https://app.example.com.evil.example",
                             "http://app.example.com", "https://app.example.com:8443", ""}) {
    answer = Answer({{"Origin", origin}});
    EXPECT_EQ(ValueOf(answer, "Access-Control-Allow-Origin"), "") << origin;
    EXPECT_EQ(ValueOf(answer, "Vary"), "Origin") << "a cache must not give it to others";
  }
  EXPECT_EQ(ValueOf(Answer({}), "Vary"), "Origin");
}

TEST_F(CorsTest, WithoutOriginsNothingIsSaid) {
  cors_.origins.clear();
  EXPECT_TRUE(Answer({{"Origin", kApp}}).headers.empty());
}

TEST_F(CorsTest, AnybodyMeansAnybodyWithoutCredentials) {
  cors_.origins = {"*"};
  const http::Response answer = Answer({{"Origin", "https://anybody.example"}});
  EXPECT_EQ(ValueOf(answer, "Access-Control-Allow-Origin"), "*");
  EXPECT_EQ(ValueOf(answer, "Access-Control-Allow-Credentials"), "");
  EXPECT_EQ(ValueOf(answer, "Vary"), "");
}

TEST_F(CorsTest, LinesAndHeadersSayTheSame) {
  http::Request request;
  Fill({{"Origin", kApp}}, &request);
  std::string lines;
  AppendCorsLines(cors_, request, &lines);
  std::string headers;
  for (const http::Header& header : Answer({{"Origin", kApp}}).headers) {
    headers += header.name + ": " + header.value + "\r\n";
  }
  EXPECT_EQ(lines, headers);
}

TEST_F(CorsTest, APageMayOpenASocketOnlyFromAKnownOrigin) {
  EXPECT_TRUE(MayConnectWith({})) << "no browser";
  EXPECT_TRUE(MayConnectWith({{"Origin", "https://api.example.com"}})) << "this very host";
  EXPECT_TRUE(MayConnectWith({{"Origin", "https://api.example.com:443"}}));
  EXPECT_TRUE(MayConnectWith({{"Origin", kApp}}));
  for (const char* origin :
       {"https://evil.example", "null", "https://api.example.com:8443",
        "https://api.example.com.evil.example", "api.example.com", "https://"}) {
    EXPECT_FALSE(MayConnectWith({{"Origin", origin}})) << origin;
  }
  EXPECT_FALSE(MayConnectWith({{"Origin", kApp}, {"Origin", kApp}}));
}

TEST_F(CorsTest, TheCookieOpensNoSocketFromAForeignPage) {
  const bool by_cookie = true;
  EXPECT_FALSE(MayConnectWith({{"Origin", kApp}}, by_cookie)) << "credentials are off";
  EXPECT_TRUE(MayConnectWith({{"Origin", "http://api.example.com"}}, by_cookie));
  cors_.credentials = true;
  EXPECT_TRUE(MayConnectWith({{"Origin", kApp}}, by_cookie));
  cors_ = {.origins = {"*"}};
  EXPECT_TRUE(MayConnectWith({{"Origin", "https://anybody.example"}}));
  EXPECT_FALSE(MayConnectWith({{"Origin", "https://anybody.example"}}, by_cookie));
}

TEST_F(CorsTest, KnowsTheFieldsThatAnswerABrowser) {
  EXPECT_TRUE(IsCorsField("access-control-allow-origin"));
  EXPECT_TRUE(IsCorsField("Access-Control-Expose-Headers"));
  EXPECT_FALSE(IsCorsField("Access-Control-"));
  EXPECT_FALSE(IsCorsField("Accept"));
}

}  // namespace
}  // namespace gatehouse::gateway
