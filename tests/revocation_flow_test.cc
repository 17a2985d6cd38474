// Two gateways on one auth: whatever kills or changes rights is felt by every kind of
// credential on both within a second, and a signing key is rotated under load without
// a false refusal.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "tests/harness/stack.h"

namespace gatehouse {
namespace {

using harness::Answer;
using harness::Eventually;
using harness::Quote;
using harness::Stack;

using Headers = std::vector<std::pair<std::string, std::string>>;

// What a client presents, and what it is called.
struct Presented {
  std::string kind;
  Headers headers;
};

class RevocationFlow : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    Stack::Options options;
    options.gateways = 2;
    options.proxied = {{"gateway-2", "auth"}};
    stack_ = new Stack(options);
    ASSERT_EQ(stack_->Start(), "");
  }
  static void TearDownTestSuite() {
    delete stack_;
    stack_ = nullptr;
  }

  static Answer Post(const std::string& path, const std::string& body,
                     const std::string& token = "") {
    return stack_->http().Call("POST", path, body, token);
  }

  static Headers Bearer(const std::string& token) { return {{"Authorization", "Bearer " + token}}; }

  // The value of the cookie that an answer sets.
  static std::string CookieOf(const Answer& answer) {
    const std::string begin = "access_token_cookie=";
    for (const auto& [name, value] : answer.headers) {
      if ((name == "Set-Cookie" || name == "set-cookie") && value.starts_with(begin)) {
        return value.substr(0, value.find(';'));
      }
    }
    return "";
  }

  static std::string Login(const std::string& name, const std::string& password) {
    return R"({"username":)" + Quote(name) + R"(,"password":)" + Quote(password) + "}";
  }

  // One of each kind, fresh, of `name`.
  static std::vector<Presented> LogInEveryWay(const std::string& name,
                                              const std::string& password = harness::kPassword) {
    const std::string body = Login(name, password);
    const std::string token = Post("/api/auth/token/", body).At("/token");
    const std::string jwt = Post("/api/v1/auth/login", body).At("/access_token");
    const Answer platform =
        Post("/platform/authorization",
             R"({"email":)" + Quote(name) + R"(,"password":)" + Quote(password) + "}");
    const std::string api = Post("/api/v1/auth/tokens", R"({"name":"flow"})", token).At("/token");
    const std::string key =
        Post("/admin/keys", R"({"user":)" + Quote(name) + R"(,"scopes":"*"})", stack_->AdminToken())
            .At("/token");
    EXPECT_NE(api, "");
    EXPECT_NE(key, "");
    return {{"Token", {{"Authorization", "Token " + token}}},
            {"access token", Bearer(jwt)},
            {"cookie session", {{"Cookie", CookieOf(Post("/api/auth/login/", body))}}},
            {"platform cookie", {{"Cookie", CookieOf(platform)}}},
            {"platform token", Bearer(platform.At("/access_token"))},
            {"24-hour session", Bearer(Post("/auth/login", body).At("/token"))},
            {"API token", Bearer(api)},
            {"scoped key", Bearer(key)}};
  }

  static int Me(const std::string& gateway, const Presented& presented) {
    return stack_->http(gateway).Call("GET", "/api/me/", "", "", presented.headers).status;
  }

  // Whether all of them get `status` on both gateways within a second.
  static void ExpectSoon(const std::vector<Presented>& all, int status) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    for (const Presented& presented : all) {
      for (const char* gateway : {"gateway", "gateway-2"}) {
        int seen = 0;
        do {
          seen = Me(gateway, presented);
        } while (seen != status && std::chrono::steady_clock::now() < end);
        EXPECT_EQ(seen, status) << presented.kind << " on " << gateway;
      }
    }
  }

  // After this both gateways have every one of them in their caches.
  static void ExpectNow(const std::vector<Presented>& all, int status) {
    for (const Presented& presented : all) {
      for (const char* gateway : {"gateway", "gateway-2"}) {
        EXPECT_EQ(Me(gateway, presented), status) << presented.kind << " on " << gateway;
      }
    }
  }

  static std::string IdOf(const std::string& name) {
    return stack_->Sql("SELECT id FROM auth.users WHERE username = '" + name + "'");
  }

  static Stack* stack_;
};

Stack* RevocationFlow::stack_ = nullptr;

TEST_F(RevocationFlow, RevokingAUserKillsEveryKindAndALaterLoginWorksAtOnce) {
  stack_->SignUp("alice");
  const std::string admin = stack_->AdminToken();
  const std::vector<Presented> before = LogInEveryWay("alice");
  ExpectNow(before, 200);
  const Answer revoked = Post("/platform/authorization/admin/revoke/alice", "", admin);
  ASSERT_EQ(revoked.status, 200) << revoked.body;
  EXPECT_EQ(revoked.At("/message"), "All tokens revoked for alice");
  const std::vector<Presented> after = LogInEveryWay("alice");  // In the same second.
  ExpectSoon(before, 401);
  ExpectNow(after, 200);
  const std::string status = "/platform/authorization/admin/status/alice";
  EXPECT_EQ(stack_->http().Call("GET", status, "", admin).At("/revoked"), "true");
  ASSERT_EQ(Post("/platform/authorization/admin/unrevoke/alice", "", admin).status, 200);
  EXPECT_EQ(stack_->http().Call("GET", status, "", admin).At("/revoked"), "false");
  ExpectSoon(before, 401);
  ExpectNow(after, 200);
}

TEST_F(RevocationFlow, DisablingKillsEveryKindAndEnablingRevivesNothing) {
  stack_->SignUp("bob");
  const std::string admin = stack_->AdminToken();
  const std::vector<Presented> before = LogInEveryWay("bob");
  ExpectNow(before, 200);
  ASSERT_EQ(Post("/platform/authorization/admin/disable/bob", "", admin).status, 200);
  ExpectSoon(before, 401);
  const Answer wrong = Post("/api/auth/token/", Login("bob", "not-the-password"));
  const Answer disabled = Post("/api/auth/token/", Login("bob", harness::kPassword));
  EXPECT_EQ(disabled.status, 401);
  EXPECT_EQ(disabled.At("/message"), wrong.At("/message"));
  ASSERT_EQ(Post("/platform/authorization/admin/enable/bob", "", admin).status, 200);
  ExpectSoon(before, 401);
  ExpectNow(LogInEveryWay("bob"), 200);
}

TEST_F(RevocationFlow, ADemotedAdministratorLosesTheRightAtOnceAndTheLastOneStays) {
  stack_->SignUp("carol");
  const std::string admin = stack_->AdminToken();
  const std::string user = "/api/admin/users/" + IdOf("carol") + "/";
  ASSERT_EQ(stack_->http().Call("PATCH", user, R"({"role":"admin"})", admin).status, 200);
  const std::vector<Presented> before = LogInEveryWay("carol");
  ExpectNow(before, 200);
  for (const Presented& presented : before) {
    EXPECT_EQ(stack_->http("gateway-2")
                  .Call("GET", "/api/admin/users/", "", "", presented.headers)
                  .status,
              200)
        << presented.kind;
  }
  ASSERT_EQ(stack_->http().Call("PATCH", user, R"({"role":"user"})", admin).status, 200);
  ExpectSoon(before, 401);
  const std::vector<Presented> after = LogInEveryWay("carol");
  for (const Presented& presented : after) {
    EXPECT_EQ(stack_->http("gateway-2")
                  .Call("GET", "/api/admin/users/", "", "", presented.headers)
                  .status,
              403)
        << presented.kind;
  }
  const std::string last = "/api/admin/users/" + IdOf("admin") + "/";
  const Answer refused = stack_->http().Call("PATCH", last, R"({"is_active":false})", admin);
  EXPECT_EQ(refused.status, 409) << refused.body;
  EXPECT_EQ(refused.At("/error"), "LAST_ADMIN");
}

TEST_F(RevocationFlow, APermissionGivenToARoleIsFeltWithoutANewLogin) {
  stack_->SignUp("moe");
  const std::string admin = stack_->AdminToken();
  const std::string user = "/api/admin/users/" + IdOf("moe") + "/";
  ASSERT_EQ(stack_->http().Call("PATCH", user, R"({"role":"moderator"})", admin).status, 200);
  const Presented token = LogInEveryWay("moe")[1];
  const auto may_list = [&](const std::string& gateway) {
    return stack_->http(gateway).Call("GET", "/api/admin/users/", "", "", token.headers).status;
  };
  ASSERT_EQ(may_list("gateway-2"), 403);
  const std::string role = "/api/admin/roles/moderator/";
  ASSERT_EQ(stack_->http().Call("PUT", role, R"({"permissions":["manage_users"]})", admin).status,
            200);
  EXPECT_TRUE(Eventually([&] { return may_list("gateway-2") == 200; }, std::chrono::seconds(1)));
  ASSERT_EQ(stack_->http().Call("PUT", role, R"({"permissions":[]})", admin).status, 200);
  EXPECT_TRUE(Eventually([&] { return may_list("gateway-2") == 403; }, std::chrono::seconds(1)));
  EXPECT_EQ(Me("gateway-2", token), 200) << "the credential itself lives on";
}

TEST_F(RevocationFlow, AChangedPasswordLeavesOnlyThePresentedCredential) {
  stack_->SignUp("dave");
  const std::vector<Presented> before = LogInEveryWay("dave");
  ExpectNow(before, 200);
  const Presented presented = before[0];
  const Answer changed = stack_->http().Call(
      "POST", "/api/auth/password/change/",
      R"({"old_password":)" + Quote(harness::kPassword) + R"(,"new_password":"fresh-otter-27"})",
      "", presented.headers);
  ASSERT_EQ(changed.status, 200) << changed.body;
  ExpectSoon({before.begin() + 1, before.end()}, 401);
  ExpectNow({presented}, 200);
  ExpectNow(LogInEveryWay("dave", "fresh-otter-27"), 200);
}

TEST_F(RevocationFlow, AResetPasswordMustBeChangedBeforeAnythingElse) {
  stack_->SignUp("erin");
  const std::string admin = stack_->AdminToken();
  const std::vector<Presented> before = LogInEveryWay("erin");
  ExpectNow(before, 200);
  const std::string reset = "/api/admin/users/" + IdOf("erin") + "/reset-password/";
  ASSERT_EQ(Post(reset, R"({"new_password":"Temporary-heron-5"})", admin).status, 200);
  ExpectSoon(before, 401);
  const Answer login = Post("/api/v1/auth/login", Login("erin", "Temporary-heron-5"));
  const Headers bearer = Bearer(login.At("/access_token"));
  const Answer refused = stack_->http().Call("GET", "/api/me/", "", "", bearer);
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.At("/error"), "PASSWORD_CHANGE_REQUIRED");
  const Answer changed = stack_->http().Call(
      "POST", "/api/auth/password/change/",
      R"({"old_password":"Temporary-heron-5","new_password":"my-own-badger-8"})", "", bearer);
  ASSERT_EQ(changed.status, 200) << changed.body;
  ExpectNow({{"new access token", Bearer(changed.At("/access_token"))}}, 200);
  ExpectSoon({{"old access token", bearer}}, 401);
}

TEST_F(RevocationFlow, ATenantAndEverybodyCanBeRevoked) {
  const std::string token = stack_->SignUp("frank");
  stack_->SignUp("grace");
  const std::string admin = stack_->AdminToken();
  const std::vector<Presented> frank = LogInEveryWay("frank");
  const std::vector<Presented> grace = LogInEveryWay("grace");
  ExpectNow(frank, 200);
  ExpectNow(grace, 200);
  const std::string tenant = stack_->TenantOf(token);
  ASSERT_EQ(Post("/api/admin/tenants/" + tenant + "/revoke/", "", admin).status, 200);
  ExpectSoon(frank, 401);
  ExpectNow(grace, 200);
  ExpectNow(LogInEveryWay("frank"), 200);
  ASSERT_EQ(Post("/api/admin/revoke-all/", R"({"confirm":"everybody"})", admin).status, 200);
  ExpectSoon(grace, 401);
  ExpectSoon({{"the administrator's own", {{"Authorization", "Token " + admin}}}}, 401);
  ExpectNow(LogInEveryWay("grace"), 200);
}

TEST_F(RevocationFlow, OneSessionCanBeEndedAndLogoutKillsWhatWasPresented) {
  stack_->SignUp("heidi");
  const std::vector<Presented> all = LogInEveryWay("heidi");
  ExpectNow(all, 200);
  for (std::size_t i = 0; i < 6; ++i) {
    ASSERT_EQ(stack_->http().Call("POST", "/api/auth/logout/", "", "", all[i].headers).status,
              all[i].kind == "platform token" ? 401 : 200)
        << all[i].kind;  // Of the same session as the platform cookie.
    ExpectSoon({all[i]}, 401);
    ExpectNow({all[6], all[7]}, 200);
  }
  const std::vector<Presented> two = LogInEveryWay("heidi");
  const Answer list = stack_->http().Call("GET", "/api/auth/sessions/", "", "", two[1].headers);
  ASSERT_EQ(list.status, 200) << list.body;
  for (int i = 0; i < std::stoi(list.At("/count")); ++i) {
    const std::string session = "/sessions/" + std::to_string(i);
    if (list.At(session + "/is_current") == "true") continue;
    const std::string path = "/api/auth/sessions/" + list.At(session + "/id") + "/";
    EXPECT_EQ(stack_->http().Call("DELETE", path, "", "", two[1].headers).status, 200);
  }
  ExpectSoon({two[0], two[2], two[3], two[4], two[5]}, 401);
  ExpectNow({two[1], two[6], two[7]}, 200);
}

TEST_F(RevocationFlow, ASeveredGatewayRefusesSignedTokensToo) {
  stack_->SignUp("ivan");
  const std::vector<Presented> all = LogInEveryWay("ivan");
  ExpectNow(all, 200);
  const auto balance = [&](const Presented& presented) {
    return stack_->http("gateway-2")
        .Call("GET", "/api/billing/reserve/balance/", "", "", presented.headers)
        .status;
  };
  stack_->proxy("gateway-2", "auth").Stall(true);
  for (const Presented& presented : all) {
    EXPECT_TRUE(Eventually([&] { return balance(presented) == 503; }, std::chrono::seconds(7)))
        << presented.kind;
  }
  stack_->proxy("gateway-2", "auth").Stall(false);
  for (const Presented& presented : all) {
    EXPECT_TRUE(Eventually([&] { return balance(presented) == 200; })) << presented.kind;
  }
}

TEST_F(RevocationFlow, KeysRotateUnderLoadWithoutAFalseRefusal) {
  stack_->SignUp("judy");
  std::atomic<bool> done = false;
  std::atomic<int> accepted = 0, refused = 0;
  const auto use = [&](const std::string& gateway) {
    std::string kept;
    while (!done) {
      const std::string fresh =
          Post("/api/v1/auth/login", Login("judy", harness::kPassword)).At("/access_token");
      if (kept.empty()) kept = fresh;  // Signed by the first key, good to the end.
      for (const std::string& token : {fresh, kept}) {
        const int status = Me(gateway, {"", Bearer(token)});
        (status == 200 ? accepted : refused) += 1;
      }
    }
  };
  std::thread one(use, "gateway"), two(use, "gateway-2");
  for (int round = 0; round < 3; ++round) {
    harness::Process rotate("auth", stack_->at("auth").environment(),
                            stack_->directory() + "/rotate.log");
    EXPECT_EQ(rotate.Run({"rotate-keys", "--wait-seconds", "1"}), 0) << rotate.Log();
    const std::string active =
        "SELECT count(*) FROM auth.signing_keys WHERE activate_time <= now()";
    const std::string want = std::to_string(round + 2);
    EXPECT_TRUE(Eventually([&] { return stack_->Sql(active) == want; }));
  }
  done = true;
  one.join();
  two.join();
  EXPECT_EQ(refused, 0);
  EXPECT_GT(accepted, 10);
  const Answer keys = stack_->http("gateway-2").Call("GET", "/.well-known/jwks.json");
  EXPECT_EQ(keys.status, 200);
  EXPECT_NE(keys.At("/keys/3/kid"), "") << "old keys are published until their tokens end";
}

}  // namespace
}  // namespace gatehouse
