// The cookies of a login, as a browser gets them.
#include "services/gateway/cookies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "services/gateway/credential.h"

namespace gatehouse::gateway {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::SizeIs;

class CookiesTest : public ::testing::Test {
 protected:
  void Ask(const std::string& host, const std::string& cookies = "") {
    request_.headers = {{"Host", host}};
    if (!cookies.empty()) request_.headers.push_back({"Cookie", cookies});
  }
  std::vector<std::string> Sent() {
    std::vector<std::string> lines;
    for (const http::Header& header : response_.headers) {
      EXPECT_EQ(header.name, "Set-Cookie");
      lines.push_back(header.value);
    }
    return lines;
  }
  std::vector<std::string> LogIn(std::optional<seconds> age) {
    response_ = {};
    AddLoginCookies(options_, request_, "tok", age, &response_);
    return Sent();
  }

  Options options_;
  http::Request request_;
  http::Response response_;
};

TEST_F(CookiesTest, ALoginSendsOneOfEachAndHidesTheSessionFromScripts) {
  EXPECT_THAT(LogIn(seconds(1800)),
              ElementsAre(MatchesRegex("csrf_token=[A-Za-z0-9_-]{32}; Path=/; Max-Age=1800; "
                                       "SameSite=Lax"),
                          "access_token_cookie=tok; Path=/; Max-Age=1800; HttpOnly; SameSite=Lax"));
}

TEST_F(CookiesTest, WithoutAnAgeTheyEndWithTheBrowser) {
  for (const std::string& line : LogIn(std::nullopt)) EXPECT_THAT(line, Not(HasSubstr("Max-Age")));
}

TEST_F(CookiesTest, EachLoginHasItsOwnCsrfToken) {
  EXPECT_NE(LogIn(std::nullopt)[0], LogIn(std::nullopt)[0]);
}

TEST_F(CookiesTest, EachIsSecureAsConfigured) {
  options_.session_cookie_secure = true;
  options_.cookie_same_site = "Strict";
  EXPECT_THAT(LogIn(std::nullopt)[0], HasSubstr("; Path=/; SameSite=Strict"));
  EXPECT_THAT(LogIn(std::nullopt)[1], HasSubstr("; HttpOnly; Secure; SameSite=Strict"));
  options_.csrf_cookie_secure = true;
  EXPECT_THAT(LogIn(std::nullopt)[0], HasSubstr("; Path=/; Secure; SameSite=Strict"));
}

TEST_F(CookiesTest, TheDomainIsSentOnlyToHostsWithinIt) {
  options_.cookie_domain = "example.com";
  for (const char* host : {"example.com", "api.example.com", "API.Example.com:8443"}) {
    Ask(host);
    for (const std::string& line : LogIn(std::nullopt)) {
      EXPECT_THAT(line, HasSubstr("; Domain=example.com")) << host;
    }
  }
  for (const char* host : {"example.org", "badexample.com", "com", "127.0.0.1:8000", "[::1]", ""}) {
    Ask(host);
    for (const std::string& line : LogIn(std::nullopt)) {
      EXPECT_THAT(line, Not(HasSubstr("Domain"))) << host;
    }
  }
}

TEST_F(CookiesTest, ARenewalKeepsBothValues) {
  const std::string csrf(32, 'c');
  Ask("a", "csrf_token=" + csrf + "; access_token_cookie=old");
  RenewLoginCookies(options_, request_, seconds(60), &response_);
  EXPECT_THAT(Sent(), ElementsAre(HasSubstr("csrf_token=" + csrf + "; Path=/; Max-Age=60"),
                                  HasSubstr("access_token_cookie=old; Path=/; Max-Age=60")));
}

TEST_F(CookiesTest, ARenewalReplacesACsrfTokenThatWasNotMadeHere) {
  for (const std::string& odd : {std::string(), std::string("abc"), std::string(31, 'c') + "\t"}) {
    response_ = {};
    Ask("a", "csrf_token=" + odd + "; access_token_cookie=old");
    RenewLoginCookies(options_, request_, seconds(60), &response_);
    EXPECT_THAT(Sent()[0], MatchesRegex("csrf_token=[A-Za-z0-9_-]{32}; Path=/.*"));
  }
}

TEST_F(CookiesTest, ALogoutDeletesBothWhereTheLoginPutThem) {
  options_.cookie_domain = "example.com";
  Ask("api.example.com");
  DeleteLoginCookies(options_, request_, &response_);
  EXPECT_THAT(Sent(),
              ElementsAre("csrf_token=; Path=/; Domain=example.com; Max-Age=0; SameSite=Lax",
                          "access_token_cookie=; Path=/; Domain=example.com; Max-Age=0; "
                          "HttpOnly; SameSite=Lax"));
}

TEST_F(CookiesTest, KnowsAnAnswerThatSetsTheSessionCookie) {
  EXPECT_FALSE(SetsSessionCookie(response_));
  response_.headers.push_back({"Set-Cookie", "csrf_token=x"});
  response_.headers.push_back({"X-Other", "access_token_cookie=x"});
  EXPECT_FALSE(SetsSessionCookie(response_));
  response_.headers.push_back({"set-cookie", "access_token_cookie=x"});
  EXPECT_TRUE(SetsSessionCookie(response_));
}

}  // namespace
}  // namespace gatehouse::gateway
