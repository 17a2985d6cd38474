#include "services/gateway/proxy_pass.h"

#include <thread>

#include "services/gateway/live_sockets.h"
#include "services/gateway/proxy_fixture.h"

namespace gatehouse::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ProxyPassTest : public ProxyTest {};

TEST_F(ProxyPassTest, PassesTheRequestOnAsItIs) {
  const Answer answer =
      Send("PUT", "/api/v1/templates/abc?b=%2F&a=1&a", admin_, R"({"name": "x" })",
           {{"X-Custom", "1"}, {"X-Custom", "2"}, {"Accept-Language", "de"}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"ok":true})");
  const SeenRequest seen = TakeOne();
  EXPECT_EQ(seen.RequestLine(), "PUT /api/v1/templates/abc?b=%2F&a=1&a HTTP/1.1");
  EXPECT_EQ(seen.body, R"({"name": "x" })");
  EXPECT_THAT(seen.All("X-Custom"), ElementsAre("1", "2"));
  EXPECT_THAT(seen.All("Accept-Language"), ElementsAre("de"));
  EXPECT_THAT(seen.All("Content-Length"), ElementsAre("14"));
  EXPECT_THAT(seen.All("Host"), ElementsAre(upstream_.address()));
}

TEST_F(ProxyPassTest, SaysWhoAsksAndWhichRequestItIs) {
  services_.EditToken(user_, [](auth::v1::LookupTokenResponse& answer) {
    answer.mutable_principal()->set_client_id("acme");
    answer.mutable_principal()->set_tier("pro");
    answer.mutable_principal()->set_email("ada@example.com");
  });
  const Answer answer = Get("/api/v1/personas/instances", user_, {{"X-Request-ID", "r-42"}});
  EXPECT_EQ(answer.Get("X-Request-ID"), "r-42");
  const SeenRequest seen = TakeOne();
  EXPECT_THAT(seen.All("X-User-ID"), ElementsAre(services_.UserId(user_)));
  EXPECT_THAT(seen.All("X-Client-ID"), ElementsAre("acme"));
  EXPECT_THAT(seen.All("X-User-Role"), ElementsAre("user"));
  EXPECT_THAT(seen.All("X-User-Tier"), ElementsAre("pro"));
  EXPECT_THAT(seen.All("X-User-Email"), ElementsAre("ada@example.com"));
  EXPECT_THAT(seen.All("X-User-Permissions"), ElementsAre(""));
  EXPECT_THAT(seen.All("X-Request-ID"), ElementsAre("r-42"));
  EXPECT_THAT(seen.All("X-Forwarded-For"), ElementsAre("127.0.0.1"));
  EXPECT_EQ(seen.All("traceparent").size(), 1u);
  EXPECT_THAT(seen.All("Authorization"), IsEmpty()) << "an opaque token";
}

TEST_F(ProxyPassTest, ASignedTokenGoesOnAsItIs) {
  const std::string token = services_.AddSignedToken("user", {});
  EXPECT_EQ(Get("/api/v1/personas/instances", token).status, 200);
  EXPECT_THAT(TakeOne().All("Authorization"), ElementsAre("Bearer " + token));
}

TEST_F(ProxyPassTest, PassesTheAnswerBackAsItIs) {
  upstream_.Do([](const SeenRequest&) {
    return RawAnswer("418 I'm a teapot",
                     "Server: core/1\r\nSet-Cookie: a=1\r\nX-Thing: b\r\nSet-Cookie: c=2\r\n"
                     "Content-Type: text/plain\r\nX-Frame-Options: SAMEORIGIN\r\n"
                     "Access-Control-Allow-Origin: https://their.example\r\n"
                     "X-Request-ID: theirs\r\nConnection: X-Hop\r\nX-Hop: 1\r\n",
                     "short and stout");
  });
  const Answer answer = Fetch(gateway_.address(), "GET", "/api/v1/personas/instances",
                              {{"Authorization", "Bearer " + user_}, {"X-Request-ID", "ours"}});
  EXPECT_EQ(answer.status, 418);
  EXPECT_EQ(answer.body, "short and stout");
  EXPECT_EQ(answer.Get("Server"), "core/1");
  EXPECT_THAT(answer.All("Set-Cookie"), ElementsAre("a=1", "c=2"));
  EXPECT_THAT(answer.All("X-Frame-Options"), ElementsAre("SAMEORIGIN")) << "the upstream's stays";
  EXPECT_THAT(answer.All("X-Content-Type-Options"), ElementsAre("nosniff")) << "ours is added";
  EXPECT_THAT(answer.All("X-Request-ID"), ElementsAre("ours"));
  EXPECT_THAT(answer.All("X-Hop"), IsEmpty());
  EXPECT_THAT(answer.All("Cache-Control"), IsEmpty());
  EXPECT_THAT(answer.All("Access-Control-Allow-Origin"), ElementsAre("https://their.example"))
      << "this gateway has no origins of its own";
}

TEST_F(ProxyPassTest, TheLoginCookiesAreNobodysToSetButOurs) {
  upstream_.Do([](const SeenRequest&) {
    return RawAnswer("200 OK",
                     "Set-Cookie: access_token_cookie=evil; Path=/\r\nset-cookie: a=1\r\n"
                     "Set-Cookie: csrf_token=evil\r\nSet-Cookie: =csrf_token=evil\r\n",
                     "{}");
  });
  const Answer answer = Get("/api/v1/personas/instances", user_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.All("Set-Cookie"), ElementsAre("a=1"));
}

TEST_F(ProxyPassTest, NobodyStoresAnAnswerWithLoginCookies) {
  services_.EditToken(user_, [this](auth::v1::LookupTokenResponse& answer) {
    answer.set_was_extended(true);
    answer.mutable_expire_time()->set_seconds(
        std::chrono::system_clock::to_time_t(clock_.Now() + std::chrono::hours(1)));
  });
  upstream_.Do([](const SeenRequest&) {
    return RawAnswer(
        "200 OK", "Cache-Control: public, max-age=60\r\nCDN-Cache-Control: max-age=60\r\n", "{}");
  });
  const auto ask = [&] {
    return Fetch(gateway_.address(), "GET", "/api/v1/personas/instances",
                 {{"Cookie", "access_token_cookie=" + user_}});
  };
  const Answer renewed = ask();
  EXPECT_THAT(renewed.All("Set-Cookie"), ::testing::Contains(HasSubstr(user_)));
  EXPECT_THAT(renewed.All("Cache-Control"), ElementsAre("no-store"));
  EXPECT_THAT(renewed.All("CDN-Cache-Control"), IsEmpty());
  const Answer plain = ask();
  EXPECT_THAT(plain.All("Set-Cookie"), IsEmpty());
  EXPECT_THAT(plain.All("Cache-Control"), ElementsAre("public, max-age=60"));
  EXPECT_THAT(plain.All("CDN-Cache-Control"), ElementsAre("max-age=60"));
}

constexpr char kEvents[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n";

TEST_F(ProxyPassTest, EventsEndWithTheCredentialOfWhoReadsThem) {
  upstream_.Do([](const SeenRequest&) { return kEvents; });
  Answer answer;
  std::thread client([&] {
    answer = Fetch(gateway_.address(), "GET", "/api/v1/personas/instances",
                   {{"Authorization", "Bearer " + user_}});
  });
  EXPECT_TRUE(Eventually([&] { return !upstream_.Take().empty(); }));
  auth::v1::ControlUpdate update;
  update.mutable_revocation()->set_token_id(services_.TokenId(user_));
  services_.control.Push(update);
  client.join();
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr("data: 1\n\n"));
}

TEST_F(ProxyPassTest, EventsCountAmongTheSocketsOfAUser) {
  upstream_.Do([](const SeenRequest&) { return kEvents; });
  SetHot([](HotConfig& hot) { hot.sockets_per_user_max = 1; });
  const auto place = gateway_.sockets().TakePlace(services_.UserId(user_), 1);
  ASSERT_TRUE(place);
  const Answer answer = Get("/api/v1/personas/instances", user_);
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(Code(answer), "TOO_MANY_SOCKETS");
  EXPECT_NE(answer.Get("Retry-After"), "");
}

TEST_F(ProxyPassTest, RedirectsAndErrorsAreTheClientsToSee) {
  for (const std::string status : {"302 Found", "404 Not Found", "500 Internal Server Error",
                                   "503 Service Unavailable", "429 Too Many Requests"}) {
    upstream_.Do([&](const SeenRequest&) {
      return RawAnswer(status, "Location: /elsewhere\r\nRetry-After: 7\r\n", R"({"error":"x"})");
    });
    const Answer answer = Get("/api/v1/personas/instances", user_);
    EXPECT_EQ(answer.status, std::stoi(status));
    EXPECT_EQ(answer.body, R"({"error":"x"})");
    EXPECT_EQ(answer.Get("Location"), "/elsewhere");
    EXPECT_THAT(answer.All("Retry-After"), ElementsAre("7"));
  }
}

TEST_F(ProxyPassTest, APageMayLoadWhatIsItsOwn) {
  upstream_.Do([](const SeenRequest&) {
    return RawAnswer("200 OK", "Content-Type: text/html; charset=utf-8\r\n", "<p>hello</p>");
  });
  const Answer answer = Fetch(gateway_.address(), "GET", "/api/v1/personas/instances",
                              {{"Authorization", "Bearer " + user_}});
  EXPECT_THAT(answer.All("Content-Security-Policy").size(), 1u);
  EXPECT_THAT(answer.Get("Content-Security-Policy"), HasSubstr("default-src 'self'"));
}

TEST_F(ProxyPassTest, HeadAndPatchReachTheUpstreamAsTheyAre) {
  upstream_.Do([](const SeenRequest&) {
    return std::string("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nETag: \"x\"\r\n\r\n");
  });
  const Answer answer = Send("HEAD", "/api/v1/personas/instances/abc/", user_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.Get("Content-Length"), "5000");
  EXPECT_EQ(answer.Get("ETag"), "\"x\"");
  EXPECT_EQ(TakeOne().RequestLine(), "HEAD /api/v1/personas/instances/abc/ HTTP/1.1");
  upstream_.Do([](const SeenRequest&) { return RawAnswer("200 OK", "", "{}"); });
  EXPECT_EQ(Send("PATCH", "/api/v1/personas/instances/abc", user_, "{}").status, 200);
  EXPECT_EQ(TakeOne().RequestLine(), "PATCH /api/v1/personas/instances/abc HTTP/1.1");
}

TEST_F(ProxyPassTest, ABodyMustBeJson) {
  const std::string path = "/api/v1/personas/instances";
  EXPECT_EQ(Code(Post(path, user_, "{\"a\":}")), "JSON_MALFORMED");
  EXPECT_EQ(Code(Post(path, user_, "{\"a\":\"\xff\"}")), "JSON_MALFORMED");
  EXPECT_EQ(Code(Post(path, user_, std::string(40, '[') + std::string(40, ']'))), "JSON_TOO_DEEP");
  const Answer wrong =
      Post(path, user_, "a=1", {{"Content-Type", "application/x-www-form-urlencoded"}});
  EXPECT_EQ(wrong.status, 415);
  EXPECT_EQ(Code(wrong), "UNSUPPORTED_MEDIA_TYPE");
  EXPECT_EQ(
      Post(path, user_, "{}", {{"Content-Type", "application/json"}, {"Content-Encoding", "gzip"}})
          .status,
      415);
  EXPECT_THAT(upstream_.Take(), IsEmpty()) << "none of them came through whole";
  EXPECT_EQ(Post(path, user_, "[1, 2] ").status, 200);
  EXPECT_EQ(Send("POST", path, user_).status, 200) << "no body at all";
}

TEST_F(ProxyPassTest, JsonMayHaveAnotherNameAndParameters) {
  const auto status = [&](const std::string& type, const std::string& body = "{}") {
    return Post("/api/v1/personas/instances", user_, body, {{"Content-Type", type}}).status;
  };
  for (const char* type :
       {"application/merge-patch+json", "application/vnd.api+json; profile=\"https://x.example\"",
        "application/json; version=2; charset=utf-8", "Application/JSON;Charset=\"UTF-8\""}) {
    EXPECT_EQ(status(type), 200) << type;
    EXPECT_EQ(status(type, "{]"), 400) << type;
  }
  for (const char* type : {"application/+json", "text/x+json", "application/json+x",
                           "application/merge-patch+json; charset=utf-16",
                           "application/json; version=2; charset=latin1", "application/jsonx"}) {
    EXPECT_EQ(status(type), 415) << type;
  }
}

TEST_F(ProxyPassTest, ABodyInChunksIsCheckedOnItsWay) {
  EXPECT_EQ(Chunked("3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n").status, 200);
  EXPECT_EQ(Code(Chunked("3\r\n{\"a\r\n4\r\n\":1]\r\n0\r\n\r\n")), "JSON_MALFORMED");
  EXPECT_EQ(Code(Chunked("1\r\n{\r\n0\r\n\r\n")), "JSON_MALFORMED") << "it ends too early";
  EXPECT_EQ(Code(Chunked("2\r\n{}\r\n0\r\n\r\n", "text/plain")), "UNSUPPORTED_MEDIA_TYPE");
  EXPECT_EQ(Chunked("0\r\n\r\n", "text/plain").status, 200) << "nothing is no JSON, and allowed";
  EXPECT_EQ(upstream_.Take().size(), 2u);
}

TEST_F(ProxyPassTest, ABodyThatIsTooLargeIsRefused) {
  const std::string body = "\"" + std::string(kBodyMax, 'x') + "\"";
  const Answer answer = Post("/api/v1/personas/instances", user_, body);
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(Code(answer), "BODY_TOO_LARGE");
  EXPECT_EQ(Post("/api/v1/personas/instances", user_, body.substr(2)).status, 400);
  EXPECT_EQ(Post("/api/v1/personas/instances", user_, body.substr(3)).status, 400);
}

TEST_F(ProxyPassTest, AConfiguredRouteIsOpenToWhomItSays) {
  const Answer answer = Fetch(gateway_.address(), "GET", "/files/a.txt",
                              {{"X-User-ID", "forged"}, {"Cookie", "access_token_cookie=x; y=1"}});
  EXPECT_EQ(answer.status, 200);
  const SeenRequest seen = TakeOne();
  for (const std::string& name : seen.Names()) EXPECT_FALSE(IsContextHeader(name)) << name;
  EXPECT_THAT(seen.All("Cookie"), ElementsAre("y=1"));
}

TEST_F(ProxyPassTest, AConfiguredRouteMayTakeAnyBody) {
  EXPECT_EQ(
      Fetch(gateway_.address(), "POST", "/files/a.txt", {{"Content-Type", "image/png"}}, "\x89PNG")
          .status,
      200);
  EXPECT_EQ(TakeOne().body, "\x89PNG");
}

TEST_F(ProxyPassTest, NoPathMeansAnotherOneUpstream) {
  for (const char* name : {"..", ".", "%2e%2e", "%2E.", "a%2fb", "a%5cb", "..;x=1", "%2e%2e%3bx"}) {
    const Answer answer = Fetch(gateway_.address(), "GET", std::string("/files/") + name);
    EXPECT_EQ(answer.status, 400) << name;
  }
  EXPECT_THAT(upstream_.Take(), IsEmpty());
  for (const char* name : {"...", "a.b", "a..b", "%41", "a;x=..", ".hidden"}) {
    const Answer answer = Fetch(gateway_.address(), "GET", std::string("/files/") + name);
    EXPECT_EQ(answer.status, 200) << name;
  }
}

}  // namespace
}  // namespace gatehouse::gateway
