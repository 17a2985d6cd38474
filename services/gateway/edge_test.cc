// What holds for every route: dispatch, host, authentication, drain, health.
#include <atomic>

#include "libs/base/uuid.h"
#include "libs/token/api_token.h"
#include "services/gateway/gateway_fixture.h"

namespace gatehouse::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class EdgeTest : public GatewayTest {};

TEST_F(EdgeTest, SaysHello) {
  const Answer answer = Get("/", "");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr(R"({"name":"gatehouse","version":")"));
}

TEST_F(EdgeTest, BothSlashFormsAreOneRoute) {
  EXPECT_EQ(Get("/api/healthz", "").body, Get("/api/healthz/", "").body);
  EXPECT_EQ(Get("/health/", "").status, 200);
}

TEST_F(EdgeTest, HeadHasNoBody) {
  const Answer answer = Send("HEAD", "/api/healthz/", "");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "");
  EXPECT_EQ(answer.Get("Content-Length"), "15");
}

TEST_F(EdgeTest, UnknownPathsAndMethodsAreToldApart) {
  EXPECT_EQ(Get("/nowhere", "").status, 404);
  EXPECT_EQ(Code(Get("/nowhere", "")), "NOT_FOUND");
  const Answer wrong = Send("DELETE", "/api/jobs/", user_);
  EXPECT_EQ(Code(wrong), "METHOD_NOT_ALLOWED");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_THAT(wrong.Get("Allow"), HasSubstr("GET"));
  EXPECT_THAT(wrong.Get("Allow"), HasSubstr("POST"));
  EXPECT_THAT(wrong.Get("Allow"), HasSubstr("HEAD"));
}

TEST_F(EdgeTest, OptionsNamesTheMethodsWithoutCredentials) {
  const Answer answer = Send("OPTIONS", "/api/auth/token/", "");
  EXPECT_EQ(answer.status, 204);
  EXPECT_THAT(answer.Get("Allow"), HasSubstr("POST, OPTIONS"));
  EXPECT_EQ(Send("OPTIONS", "/nowhere", "").status, 404);
}

TEST_F(EdgeTest, EchoesAPlainRequestId) {
  EXPECT_EQ(Get("/", "", {{"X-Request-ID", "abc-1"}}).Get("X-Request-ID"), "abc-1");
  EXPECT_TRUE(IsUuid(Get("/", "", {{"X-Request-ID", "a b"}}).Get("X-Request-ID")));
}

TEST_F(EdgeTest, ErrorsOfTheParserAreErrorObjectsToo) {
  const Answer answer =
      FetchRaw(gateway_.address(), "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(Code(answer), "INVALID_REQUEST");
  EXPECT_EQ(answer.Get("X-Frame-Options"), "DENY");
  const Answer large = Fetch(gateway_.address(), "POST", "/api/auth/token/",
                             {{"Content-Type", "application/json"}}, std::string(1100000, ' '));
  EXPECT_EQ(large.status, 413);
  EXPECT_EQ(Code(large), "BODY_TOO_LARGE");
  EXPECT_EQ(Get("/" + std::string(9000, 'a'), "").status, 414);
  EXPECT_EQ(Get("/", "", {{"X-Big", std::string(20000, 'a')}}).status, 431);
}

TEST_F(EdgeTest, ErrorsOfTheParserMayBeReadByPagesThatMay) {
  SetHot([](HotConfig& hot) { hot.cors.origins = {"https://app.example"}; });
  const Answer large =
      Fetch(gateway_.address(), "POST", "/api/auth/token/",
            {{"Content-Type", "application/json"}, {"Origin", "https://app.example"}},
            std::string(1100000, ' '));
  EXPECT_EQ(large.status, 413);
  EXPECT_THAT(large.All("Access-Control-Allow-Origin"), ElementsAre("https://app.example"));
  EXPECT_THAT(large.All("Vary"), ElementsAre("Origin"));
}

TEST_F(EdgeTest, MissingAndBadCredentialsAre401WithBothChallenges) {
  for (const Headers& headers :
       {Headers{}, Headers{{"Authorization", "Bearer garbage"}},
        Headers{{"Authorization", "Token " + token::NewApiToken("ght")}},
        Headers{{"Authorization", "Basic YTpi"}}, Headers{{"Cookie", "access_token_cookie=x"}}}) {
    const Answer answer = Get("/api/me/", "", headers);
    EXPECT_EQ(answer.status, 401);
    EXPECT_THAT(answer.All("WWW-Authenticate"),
                ElementsAre("Bearer realm=\"gatehouse\"", "Token realm=\"gatehouse\""));
  }
  EXPECT_EQ(services_.get_user.calls(), 0u);
}

TEST_F(EdgeTest, GarbageCostsNoLookUpAndAnUnknownTokenOne) {
  Get("/api/me/", "garbage");
  EXPECT_EQ(services_.look_up.calls(), 0u);
  const std::string unknown = token::NewApiToken("ght");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Get("/api/me/", unknown).status, 401);
  EXPECT_EQ(services_.look_up.calls(), 1u);
}

TEST_F(EdgeTest, EveryFormOfCredentialIsTheSameUser) {
  for (const Headers& headers :
       {Headers{{"Authorization", "Bearer " + user_}}, Headers{{"Authorization", "token " + user_}},
        Headers{{"Cookie", "access_token_cookie=" + user_}}}) {
    EXPECT_EQ(Get("/api/me/", "", headers).status, 200);
    EXPECT_EQ(services_.get_user.principal().tenant_id(), 7);
  }
  EXPECT_EQ(services_.look_up.calls(), 1u) << "one look-up for the three";
}

TEST_F(EdgeTest, PassesIdsAndPrincipalOn) {
  const std::string trace(32, 'a');
  Get("/api/me/", user_,
      {{"X-Request-ID", "r-7"}, {"traceparent", "00-" + trace + "-bbbbbbbbbbbbbbbb-01"}});
  EXPECT_EQ(services_.get_user.request_id(), "r-7");
  EXPECT_THAT(services_.get_user.trace_parent(), HasSubstr(trace));
  EXPECT_THAT(services_.get_user.trace_parent(), Not(HasSubstr("bbbbbbbbbbbbbbbb")));
  EXPECT_EQ(services_.get_user.last().id(), services_.get_user.principal().user_id());
  EXPECT_EQ(services_.look_up.principal().user_id(), "") << "the gateway asks for itself";
}

TEST_F(EdgeTest, KnownButNotAllowedIs403) {
  const Answer answer = Get("/api/admin/passkeys/list/", user_);
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(Code(answer), "FORBIDDEN");
  EXPECT_THAT(answer.body, HasSubstr("it needs manage_users"));
  EXPECT_EQ(services_.list_invitations.calls(), 0u);
}

TEST_F(EdgeTest, ARevocationOnTheStreamEndsACachedToken) {
  ASSERT_EQ(Get("/api/me/", user_).status, 200);
  EXPECT_EQ(services_.look_up.last().digest(), token::TokenDigest(user_));
  auth::v1::ControlUpdate update;
  update.mutable_revocation()->set_token_id(services_.TokenId(user_));
  services_.control.Push(update);
  EXPECT_TRUE(Eventually([&] { return Get("/api/me/", user_).status == 401; }))
      << "even though the fake auth still knows it";
}

TEST_F(EdgeTest, ANewEpochMakesTheGatewayAskAgain) {
  ASSERT_EQ(Get("/api/me/", user_).status, 200);
  services_.RemoveToken(user_);
  EXPECT_EQ(Get("/api/me/", user_).status, 200) << "cached until auth says otherwise";
  auth::v1::ControlUpdate update;
  update.mutable_epoch()->set_subject("global");
  update.mutable_epoch()->set_epoch(1);
  services_.control.Push(update);
  EXPECT_TRUE(Eventually([&] { return Get("/api/me/", user_).status == 401; }));
}

TEST_F(EdgeTest, AFlushMakesTheGatewayAskAgain) {
  Get("/api/me/", user_);
  auth::v1::ControlUpdate update;
  update.mutable_flush();
  services_.control.Push(update);
  EXPECT_TRUE(Eventually([&] {
    EXPECT_EQ(Get("/api/me/", user_).status, 200);
    return services_.look_up.calls() >= 2;
  }));
}

TEST_F(EdgeTest, ASilentControlStreamClosesProtectedRoutesOnly) {
  services_.control.Mute(true);
  EXPECT_TRUE(Eventually([&] { return Get("/api/me/", user_).status == 503; }));
  const Answer answer = Get("/api/me/", user_);
  EXPECT_EQ(Code(answer), "CONTROL_STREAM_LOST");
  EXPECT_THAT(answer.body, HasSubstr(R"("service":"auth")"));
  EXPECT_EQ(Get("/", "").status, 200);
  EXPECT_EQ(Get("/health/ready", "").status, 503);
  EXPECT_THAT(Get("/health", "").body, HasSubstr(R"("gateway":{"status":"degraded"})"));
  EXPECT_TRUE(Eventually([&] { return services_.control.streams_opened() >= 2; }))
      << "a silent stream is given up";
  services_.control.Mute(false);
  EXPECT_TRUE(Eventually([&] { return Get("/api/me/", user_).status == 200; }));
}

TEST_F(EdgeTest, ServicesThatAreDownOrLateHaveTheirNamesTold) {
  services_.Stop("billing");
  const Answer down = Get("/api/billing/reserve/balance/", user_);
  EXPECT_EQ(down.status, 503);
  EXPECT_THAT(down.body, HasSubstr(R"("message":"billing is not available")"));
  EXPECT_THAT(down.body, HasSubstr(R"("service":"billing")"));
  EXPECT_THAT(down.body, Not(HasSubstr(".sock")));
  services_.get_job.Fail(absl::DeadlineExceededError("late"));
  const Answer late = Get("/api/jobs/" + UuidV7(), user_);
  EXPECT_EQ(late.status, 504);
  EXPECT_THAT(late.body, HasSubstr(R"("service":"jobs")"));
  services_.get_job.Fail(absl::InternalError("secret inside"));
  const Answer broken = Get("/api/jobs/" + UuidV7(), user_);
  EXPECT_EQ(broken.status, 500);
  EXPECT_THAT(broken.body, Not(HasSubstr("secret inside")));
}

TEST_F(EdgeTest, AClientThatLeavesCancelsTheCall) {
  std::atomic<bool> cancelled{false};
  std::atomic<bool> entered{false};
  services_.get_user.DoWithCall([&](rpc::Call& call, const auth::v1::GetUserRequest&) {
    entered = true;
    cancelled = Eventually([&] { return call.IsCancelled(); });
    return absl::StatusOr<auth::v1::User>(auth::v1::User());
  });
  std::thread client([&] { LeaveEarly(gateway_.address(), "/api/me/", user_, entered); });
  EXPECT_TRUE(Eventually([&] { return cancelled.load(); }));
  client.join();
}

TEST_F(EdgeTest, DrainingFinishesWhatIsInHand) {
  std::atomic<bool> entered{false};
  std::atomic<bool> go_on{false};
  services_.get_user.Do([&](const auth::v1::GetUserRequest&) {
    entered = true;
    Eventually([&] { return go_on.load(); });
    return auth::v1::User();
  });
  Answer answer;
  std::thread client([&] { answer = Get("/api/me/", user_); });
  ASSERT_TRUE(Eventually([&] { return entered.load(); }));
  std::thread drain([&] { gateway_.Drain(std::chrono::seconds(10)); });
  EXPECT_TRUE(Eventually([&] { return !gateway_.Ready().ok(); }));
  go_on = true;
  client.join();
  drain.join();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(Fetch(gateway_.address(), "GET", "/").status, 0) << "refused after the drain";
}

TEST_F(EdgeTest, HealthNamesAllSixProcessesAndWhatIsAbsent) {
  Answer answer;
  EXPECT_TRUE(Eventually([&] {
    answer = Get("/health", "");
    return answer.body.starts_with(R"({"status":"healthy","service":"gatehouse","timestamp":")");
  })) << answer.body;
  EXPECT_EQ(answer.status, 200);
  for (const char* name :
       {"gateway", "auth", "invitations", "billing", "jobs", "orchestrator_monitor"}) {
    EXPECT_THAT(answer.body, HasSubstr("\"" + std::string(name) + R"(":{"status":"healthy")"));
  }
  EXPECT_THAT(answer.body, HasSubstr(R"("redis":{"status":"not_configured"})"));
  EXPECT_THAT(answer.body, HasSubstr(R"("plugins":[])"));
}

TEST_F(EdgeTest, AServiceThatDiesDegradesHealthAndComesBack) {
  services_.Stop("jobs");
  EXPECT_TRUE(Eventually([&] {
    return Get("/health", "").body.find(R"("jobs":{"status":"unhealthy")") != std::string::npos;
  }));
  const Answer degraded = Get("/health", "");
  EXPECT_EQ(degraded.status, 200);
  EXPECT_THAT(degraded.body, HasSubstr(R"({"status":"degraded")"));
  EXPECT_EQ(Get("/health/ready", "").status, 200);
  services_.Start("jobs");
  EXPECT_TRUE(Eventually(
      [&] { return Get("/health", "").body.find(R"({"status":"healthy")") != std::string::npos; }));
}

TEST_F(EdgeTest, WithoutAuthTheWholeIsUnhealthy) {
  services_.SetServing("auth", false);
  EXPECT_TRUE(Eventually([&] { return Get("/health", "").status == 503; }));
  EXPECT_THAT(Get("/health", "").body, HasSubstr(R"({"status":"unhealthy")"));
  for (const char* path : {"/health/ready", "/api/readyz/", "/platform/monitor/readiness"}) {
    EXPECT_EQ(Get(path, "").status, 503) << path;
  }
  for (const char* path : {"/api/health", "/api/healthz/", "/platform/monitor/liveness", "/"}) {
    EXPECT_EQ(Get(path, "").status, 200) << path;
  }
}

TEST_F(EdgeTest, ReadinessRoutesHaveTheirDocumentedShapes) {
  EXPECT_EQ(Get("/health/ready", "").body,
            R"({"status":"ready","database":"healthy","redis":"not_configured"})");
  EXPECT_EQ(Get("/api/readyz/", "").body,
            R"({"status":"ready","checks":{"database":"ok","cache":"not_configured",)"
            R"("storage":"not_configured"}})");
  EXPECT_EQ(Get("/platform/monitor/readiness", "").body, R"({"status":"ready"})");
  EXPECT_EQ(Get("/platform/monitor/liveness", "").body, R"({"status":"alive"})");
  EXPECT_EQ(Get("/api/health", "").body, R"({"status":"online"})");
}

class HttpsOnlyTest : public GatewayTest {
 protected:
  static Options Https() {
    Options options = TestOptions();
    options.https_only = options.session_cookie_secure = options.csrf_cookie_secure = true;
    options.allowed_hosts = AllowedHosts("api.example.com");
    return options;
  }
  HttpsOnlyTest() : GatewayTest(Https()) {}
  const http::Header host_{"Host", "api.example.com"};
};

TEST_F(HttpsOnlyTest, AnotherHostIs400) {
  const Answer answer = Get("/", "", {{"Host", "evil.example"}});
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(Code(answer), "HOST_NOT_ALLOWED");
  EXPECT_EQ(Get("/", "", {host_}).status, 200);
}

TEST_F(HttpsOnlyTest, SendsHsts) {
  EXPECT_EQ(Get("/", "", {host_}).Get("Strict-Transport-Security"), "max-age=31536000");
}

TEST_F(HttpsOnlyTest, UnsafeMethodsByCookieNeedTheCsrfProof) {
  const std::string cookie = "access_token_cookie=" + user_ + "; csrf_token=abc";
  const std::string path = "/api/auth/logout/";
  const Answer refused = Post(path, "", "", {host_, {"Cookie", cookie}});
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(Code(refused), "CSRF_FAILED");
  EXPECT_EQ(Get("/api/me/", "", {host_, {"Cookie", cookie}}).status, 200);
  EXPECT_EQ(Post(path, "", "", {host_, {"Cookie", cookie}, {"X-CSRF-Token", "abc"}}).status, 200);
  EXPECT_EQ(Post(path, admin_, "", {host_}).status, 200) << "a header is proof enough";
}

}  // namespace
}  // namespace gatehouse::gateway
