#include "services/gateway/context_headers.h"

#include <gmock/gmock.h>

#include "services/gateway/fake_upstream.h"

namespace gatehouse::gateway {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kTrace[] = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";

class ContextHeadersTest : public ::testing::Test {
 protected:
  ContextHeadersTest() {
    principal_.set_user_id("0198c0de-0000-7000-8000-000000000001");
    principal_.set_client_id("acme");
    principal_.set_role("moderator");
    principal_.set_tier("pro");
    principal_.set_email("ada@example.com");
    principal_.add_permissions("manage_users");
    principal_.add_permissions("manage_billing");
    options_.trusted_proxies = *TrustedProxies::Parse("10.0.0.0/8");
  }

  // What an upstream would see of a request with these fields.
  SeenRequest Written(const std::vector<http::Header>& headers, bool with_user = true,
                      const std::string& peer = "192.0.2.7") {
    http::Request request;
    request.method = "GET";
    request.target = "/api/v1/templates?a=%20b";
    request.headers = headers;
    request.peer_address = peer;
    SeenRequest seen;
    seen.head = WriteUpstreamHead({.request = request,
                                   .options = options_,
                                   .authority = "core-manager:8080",
                                   .principal = with_user ? &principal_ : nullptr,
                                   .request_id = "r-1",
                                   .trace_parent = kTrace});
    return seen;
  }

  Options options_;
  type::v1::Principal principal_;
};

TEST_F(ContextHeadersTest, TheRequestLineIsTheClientsAndTheHostTheUpstreams) {
  const SeenRequest seen = Written({{"Host", "api.example.com"}});
  EXPECT_EQ(seen.RequestLine(), "GET /api/v1/templates?a=%20b HTTP/1.1");
  EXPECT_THAT(seen.All("Host"), ElementsAre("core-manager:8080"));
  EXPECT_THAT(seen.All("X-Forwarded-Host"), ElementsAre("api.example.com"));
}

TEST_F(ContextHeadersTest, SaysWhoAsks) {
  const SeenRequest seen = Written({});
  EXPECT_THAT(seen.All("X-User-ID"), ElementsAre("0198c0de-0000-7000-8000-000000000001"));
  EXPECT_THAT(seen.All("X-Client-ID"), ElementsAre("acme"));
  EXPECT_THAT(seen.All("X-User-Role"), ElementsAre("moderator"));
  EXPECT_THAT(seen.All("X-User-Tier"), ElementsAre("pro"));
  EXPECT_THAT(seen.All("X-User-Email"), ElementsAre("ada@example.com"));
  EXPECT_THAT(seen.All("X-User-Permissions"), ElementsAre("manage_users,manage_billing"));
  EXPECT_THAT(seen.All("X-Request-ID"), ElementsAre("r-1"));
  EXPECT_THAT(seen.All("traceparent"), ElementsAre(kTrace));
}

TEST_F(ContextHeadersTest, WhatIsEmptyIsSetAllTheSame) {
  principal_.clear_permissions();
  principal_.clear_client_id();
  const SeenRequest seen = Written({});
  EXPECT_THAT(seen.All("X-User-Permissions"), ElementsAre(""));
  EXPECT_THAT(seen.All("X-Client-ID"), ElementsAre(""));
}

TEST_F(ContextHeadersTest, ANarrowedCredentialSaysNoMoreThanItsScopes) {
  principal_.set_role("admin");
  principal_.set_is_narrowed(true);
  principal_.add_scopes("manage_users");
  principal_.add_scopes("llm.chat");
  SeenRequest seen = Written({});
  EXPECT_THAT(seen.All("X-User-Role"), ElementsAre("user"));
  EXPECT_THAT(seen.All("X-User-Permissions"), ElementsAre("manage_users"));
  principal_.add_scopes("admin");
  seen = Written({});
  EXPECT_THAT(seen.All("X-User-Role"), ElementsAre("admin"));
  EXPECT_THAT(seen.All("X-User-Permissions"), ElementsAre("manage_users,manage_billing"));
}

TEST_F(ContextHeadersTest, NoValueCanMakeALineOfItsOwn) {
  principal_.set_email("ada@example.com\r\nX-User-Role: admin");
  principal_.set_tier("caf\xc3\xa9 100%\x7f");
  const SeenRequest seen = Written({});
  EXPECT_THAT(seen.All("X-User-Email"), ElementsAre("ada@example.com%0D%0AX-User-Role: admin"));
  EXPECT_THAT(seen.All("X-User-Tier"), ElementsAre("caf%C3%A9 100%25%7F"));
  EXPECT_THAT(seen.All("X-User-Role"), ElementsAre("moderator"));
}

TEST_F(ContextHeadersTest, NothingThatAClientSaysOfItselfPasses) {
  for (const char* name : {"X-User-ID",          "x-user-id",
                           "X-USER-ID",          "X_User_ID",
                           "x_user-id",          "X-User_Id",
                           "X-Client-ID",        "X_CLIENT_ID",
                           "X-User-Role",        "x_user_role",
                           "X-User-Tier",        "X-User-Email",
                           "X-User-Permissions", "X-User-Whatever-Comes-To-Mind-And-Is-Very-Long",
                           "X-Client-Cert",      "x_client_",
                           "X.User.ID",          "x.user.id",
                           "X-User.ID",          "X~Client!ID",
                           "X'User`Role",        "x+client_id"}) {
    EXPECT_TRUE(IsContextHeader(name)) << name;
    const SeenRequest seen = Written({{name, "forged"}, {"X-Other", "kept"}, {name, "forged"}});
    EXPECT_EQ(seen.head.find("forged"), std::string::npos) << name;
    EXPECT_THAT(seen.All("X-Other"), ElementsAre("kept"));
    EXPECT_THAT(seen.All("X-User-ID").size(), 1u);
    EXPECT_EQ(Written({{name, "forged"}}, false).head.find("forged"), std::string::npos) << name;
  }
  for (const char* name : {"X-Use", "X-User", "X-Clientele", "User-ID", "X-Usered", ""}) {
    EXPECT_FALSE(IsContextHeader(name)) << name;
  }
}

TEST_F(ContextHeadersTest, WhereNobodyIsKnownNothingIsSaid) {
  const SeenRequest seen = Written({{"X-User-ID", "forged"}}, false);
  for (const std::string& name : seen.Names()) EXPECT_FALSE(IsContextHeader(name)) << name;
  EXPECT_THAT(seen.All("X-Request-ID"), ElementsAre("r-1"));
}

TEST_F(ContextHeadersTest, WhatBelongsToTheConnectionStays) {
  const SeenRequest seen = Written({{"Connection", "keep-alive, X-Hop, x-user-id"},
                                    {"Connection", "Close"},
                                    {"X-Hop", "a"},
                                    {"x-hop", "b"},
                                    {"Keep-Alive", "timeout=5"},
                                    {"Proxy-Connection", "keep-alive"},
                                    {"Proxy-Authorization", "Basic eDp5"},
                                    {"TE", "trailers"},
                                    {"Trailer", "X-User-ID"},
                                    {"Transfer-Encoding", "chunked"},
                                    {"Transfer_Encoding", "chunked"},
                                    {"Content-Length", "5"},
                                    {"Upgrade", "h2c"},
                                    {"HTTP2-Settings", "AAA"},
                                    {"Expect", "100-continue"},
                                    {"Proxy", "http://evil"},
                                    {"Accept", "*/*"}});
  EXPECT_THAT(seen.Names(), ElementsAre("Host", "Accept", "X-Forwarded-For", "X-Forwarded-Proto",
                                        "X-Forwarded-Host", "X-Request-ID", "traceparent",
                                        "X-User-ID", "X-Client-ID", "X-User-Role", "X-User-Tier",
                                        "X-User-Email", "X-User-Permissions"));
}

TEST_F(ContextHeadersTest, OtherFieldsKeepOrderRepeatsAndSpelling) {
  const SeenRequest seen = Written({{"x-B", "1"}, {"X-A", "2"}, {"X-b", "3"}, {"X-A", ""}});
  std::vector<std::string> names = seen.Names();
  names.resize(5);
  EXPECT_THAT(names, ElementsAre("Host", "x-B", "X-A", "X-b", "X-A"));
  EXPECT_THAT(seen.All("x-b"), ElementsAre("1", "3"));
  EXPECT_THAT(seen.All("x-a"), ElementsAre("2", ""));
}

TEST_F(ContextHeadersTest, OnlyATrustedProxySpeaksForTheClient) {
  const std::vector<http::Header> told = {{"X-Forwarded-For", "198.51.100.1"},
                                          {"X-Forwarded-For", "198.51.100.2, 10.0.0.9"},
                                          {"X-Forwarded-Proto", "https"},
                                          {"X-Forwarded-Host", "shop.example.com"},
                                          {"X-Forwarded-User", "root"},
                                          {"Forwarded", "for=1.2.3.4"},
                                          {"X-Real-IP", "1.2.3.4"},
                                          {"CF-Connecting-IP", "1.2.3.4"},
                                          {"Host", "api.example.com"}};
  SeenRequest seen = Written(told);
  EXPECT_THAT(seen.All("X-Forwarded-For"), ElementsAre("192.0.2.7"));
  EXPECT_THAT(seen.All("X-Forwarded-Proto"), ElementsAre("http"));
  EXPECT_THAT(seen.All("X-Forwarded-Host"), ElementsAre("api.example.com"));
  EXPECT_THAT(seen.Names(), Not(Contains("X-Forwarded-User")));
  EXPECT_EQ(seen.head.find("1.2.3.4"), std::string::npos);

  seen = Written(told, true, "10.0.0.8");
  EXPECT_THAT(seen.All("X-Forwarded-For"),
              ElementsAre("198.51.100.1, 198.51.100.2, 10.0.0.9, 10.0.0.8"));
  EXPECT_THAT(seen.All("X-Forwarded-Proto"), ElementsAre("https"));
  EXPECT_THAT(seen.All("X-Forwarded-Host"), ElementsAre("shop.example.com"));
  EXPECT_THAT(seen.Names(), Not(Contains("X-Forwarded-User")));

  options_.https_only = true;
  EXPECT_THAT(Written(told).All("X-Forwarded-Proto"), ElementsAre("https"));
}

TEST_F(ContextHeadersTest, NothingMakesItAnotherRequest) {
  for (const char* name :
       {"X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "x_http_method_override",
        "x.http.method.override", "X-HTTP-Method", "X-Method-Override"}) {
    EXPECT_THAT(Written({{name, "DELETE"}}).All(name), IsEmpty()) << name;
  }
}

TEST_F(ContextHeadersTest, OurCookiesStayAndOthersPass) {
  EXPECT_THAT(
      Written({{"Cookie", "a=1; access_token_cookie=secret; b=2;csrf_token=x"}, {"Cookie", "c=3"}})
          .All("Cookie"),
      ElementsAre("a=1; b=2", "c=3"));
  EXPECT_THAT(Written({{"Cookie", " access_token_cookie =secret"}}).All("Cookie"), IsEmpty());
  EXPECT_THAT(Written({{"Cookie", "my_csrf_token=1; flag"}}).All("Cookie"),
              ElementsAre("my_csrf_token=1; flag"));
}

TEST_F(ContextHeadersTest, TheProofOfAPageIsTheGatewaysBusiness) {
  EXPECT_THAT(Written({{"X-CSRF-Token", "secret"}}).All("X-CSRF-Token"), IsEmpty());
  EXPECT_THAT(Written({{"x_csrf_token", "secret"}}).All("x_csrf_token"), IsEmpty());
}

TEST_F(ContextHeadersTest, KnowsTheGatewaysCookiesInAnySpellingThatBrowsersTake) {
  for (const char* ours : {"access_token_cookie=x; Path=/", "csrf_token=", " csrf_token =x",
                           "=access_token_cookie=x", "= csrf_token=x; Secure", "csrf_token; a=b"}) {
    EXPECT_TRUE(IsOurCookie(ours)) << ours;
  }
  for (const char* other : {"a=csrf_token", "my_csrf_token=1", "Csrf_token=1", "a; csrf_token=1"}) {
    EXPECT_FALSE(IsOurCookie(other)) << other;
  }
}

TEST_F(ContextHeadersTest, OnlyAJwtGoesUpstreamAsAuthorization) {
  const auto sent = [&](const std::string& value) {
    return Written({{"Authorization", value}}).All("Authorization");
  };
  EXPECT_THAT(sent("Bearer eyJh.eyJz.c2ln"), ElementsAre("Bearer eyJh.eyJz.c2ln"));
  for (const char* opaque : {"Bearer ora_abc", "Token gh_abc", "Bearer a..c", "Bearer a.b",
                             "Bearer a.b.c.d", "Bearer .b.c", "Basic dTpw", "Bearer a b.c.d", ""}) {
    EXPECT_THAT(sent(opaque), IsEmpty()) << opaque;
  }
}

TEST_F(ContextHeadersTest, ATokenAmongTheSubprotocolsStays) {
  const auto sent = [&](const std::vector<std::string>& values) {
    std::vector<http::Header> headers;
    for (const std::string& value : values) headers.push_back({"Sec-WebSocket-Protocol", value});
    return Written(headers).All("Sec-WebSocket-Protocol");
  };
  EXPECT_THAT(sent({"chat, bearer, ora_secret, log"}), ElementsAre("chat, log"));
  EXPECT_THAT(sent({"bearer", "ora_secret", "chat"}), ElementsAre("chat"));
  EXPECT_THAT(sent({"Bearer,ora_secret"}), IsEmpty());
  EXPECT_THAT(sent({"chat, authorization.bearer.ora_secret, log"}), ElementsAre("chat, log"));
  EXPECT_THAT(sent({"Authorization.Bearer.ora_secret"}), IsEmpty());
  EXPECT_THAT(sent({"chat", "log"}), ElementsAre("chat, log"));
}

TEST_F(ContextHeadersTest, TheStateOfATraceBelongsToItsTrace) {
  const std::string same = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  EXPECT_THAT(Written({{"traceparent", same}, {"tracestate", "a=1"}}).All("tracestate"),
              ElementsAre("a=1"));
  EXPECT_THAT(Written({{"traceparent", "nonsense"}, {"tracestate", "a=1"}}).All("tracestate"),
              IsEmpty());
  EXPECT_THAT(Written({{"tracestate", "a=1"}}).All("tracestate"), IsEmpty());
}

}  // namespace
}  // namespace gatehouse::gateway
