// Who is let in, through the whole edge: signed tokens, narrowed keys, passwords
// that must be changed, cookies that live on, optional credentials.
#include "libs/rpc/timestamp.h"
#include "libs/token/api_token.h"
#include "services/gateway/gateway_fixture.h"

namespace gatehouse::gateway {
namespace {

using auth::v1::LookupTokenResponse;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr char kMe[] = "/api/me/";
constexpr char kReadiness[] = "/platform/monitor/readiness";

class AdmissionTest : public GatewayTest {
 protected:
  Answer ByCookie(const std::string& method, const std::string& path, const std::string& token) {
    return Send(method, path, "", "", {{"Cookie", "access_token_cookie=" + token}});
  }

  const std::string signed_ = services_.AddSignedToken("user", {});
};

TEST_F(AdmissionTest, ASignedTokenIsVerifiedHereAndLookedUpOnce) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Get(kMe, signed_).status, 200);
  EXPECT_EQ(ByCookie("GET", kMe, signed_).status, 200);
  EXPECT_EQ(services_.look_up.calls(), 1u);
  EXPECT_EQ(services_.look_up.last().session_id(), services_.TokenId(signed_));
  EXPECT_EQ(services_.look_up.last().digest(), "");
  EXPECT_EQ(services_.get_user.principal().user_id(), services_.UserId(signed_));
}

TEST_F(AdmissionTest, ASignedTokenThatIsNotOursCostsNoCall) {
  const token::SigningKey other = token::SigningKey::Generate("access");
  const token::Claims claims = services_.ClaimsFor("admin");
  for (const std::string& forged :
       {token::SignJwt(other, claims), signed_ + "A", "e30." + signed_.substr(4)}) {
    const Answer answer = Get(kMe, forged);
    EXPECT_EQ(answer.status, 401);
    EXPECT_EQ(Code(answer), "CREDENTIALS_INVALID");
    EXPECT_THAT(answer.body, Not(HasSubstr("signature"))) << "the cause is nobody's business";
  }
  EXPECT_EQ(services_.look_up.calls(), 0u);
}

TEST_F(AdmissionTest, ARoleInASignedTokenGivesNoRights) {
  token::Claims claims = services_.ClaimsFor("admin");
  claims.session_id = services_.TokenId(signed_);
  EXPECT_EQ(Get("/api/admin/passkeys/list/", services_.Sign(claims)).status, 403)
      << "what counts is what auth says now";
}

TEST_F(AdmissionTest, ARevocationOfTheUserEndsASignedTokenAndNotALaterOne) {
  ASSERT_EQ(Get(kMe, signed_).status, 200);
  auth::v1::ControlUpdate update;
  update.mutable_epoch()->set_subject("user/" + services_.UserId(signed_));
  update.mutable_epoch()->set_epoch(services_.control.sequence() + 1);
  services_.control.Push(update);
  EXPECT_TRUE(Eventually([&] { return Get(kMe, signed_).status == 401; }))
      << "even though the fake auth still knows its session";
  token::Claims later = services_.ClaimsFor("user");
  later.subject = services_.UserId(signed_);
  later.session_id = services_.TokenId(signed_);
  EXPECT_EQ(Get(kMe, services_.Sign(later)).status, 200);
}

TEST_F(AdmissionTest, AChangeOfRightsIsAskedForAtOnce) {
  const std::string path = "/api/admin/passkeys/list/";
  ASSERT_EQ(Get(path, signed_).status, 403);
  services_.EditToken(signed_, [](LookupTokenResponse& answer) {
    answer.mutable_principal()->add_permissions("manage_users");
  });
  auth::v1::ControlUpdate update;
  update.mutable_subject_change()->set_subject("role/user");
  services_.control.Push(update);
  EXPECT_TRUE(Eventually([&] { return Get(path, signed_).status == 200; }));
}

TEST_F(AdmissionTest, WithdrawnKeysEndWhatTheySigned) {
  ASSERT_EQ(Get(kMe, signed_).status, 200);
  token::KeySet others;
  others.Add("new", token::SigningKey::Generate("new").public_key());
  services_.control.SetKeys(others.ToJson());
  EXPECT_TRUE(Eventually([&] { return Get(kMe, signed_).status == 401; }));
  services_.control.SetKeys(services_.AccessKeys().ToJson());
  EXPECT_TRUE(Eventually([&] { return Get(kMe, signed_).status == 200; }));
}

TEST_F(AdmissionTest, ARefreshTokenOpensNothing) {
  EXPECT_EQ(Get(kMe, "ghr_" + std::string(75, 'a')).status, 401);
  EXPECT_EQ(services_.look_up.calls(), 0u);
}

TEST_F(AdmissionTest, ANarrowedKeyOpensWhatItsScopesName) {
  services_.EditToken(admin_, [](LookupTokenResponse& answer) {
    answer.mutable_principal()->set_is_narrowed(true);
    answer.mutable_principal()->add_scopes("manage_users");
  });
  EXPECT_EQ(Get("/api/admin/passkeys/list/", admin_).status, 200);
  EXPECT_EQ(Post("/api/billing/admin/reserve/adjust/", admin_, "{}").status, 403);
  EXPECT_EQ(Get(kMe, admin_).status, 403);
}

TEST_F(AdmissionTest, WhoMustChangeThePasswordCanDoNothingElse) {
  services_.EditToken(
      admin_, [](LookupTokenResponse& answer) { answer.set_password_change_required(true); });
  for (const char* path : {kMe, "/api/admin/passkeys/list/"}) {
    const Answer answer = Get(path, admin_);
    EXPECT_EQ(answer.status, 403) << path;
    EXPECT_EQ(Code(answer), "PASSWORD_CHANGE_REQUIRED") << path;
    EXPECT_THAT(answer.body, HasSubstr("change your password first"));
  }
  EXPECT_EQ(services_.get_user.calls(), 0u);
  const Answer change = Post("/api/auth/password/change/", admin_,
                             R"({"old_password":"a-passphrase","new_password":"b-passphrase"})");
  EXPECT_EQ(change.status, 200) << change.body;
  EXPECT_EQ(services_.change_password.calls(), 1u);
}

class CookieLifeTest : public AdmissionTest {
 protected:
  CookieLifeTest() {
    services_.EditToken(user_, [this](LookupTokenResponse& answer) {
      *answer.mutable_expire_time() = rpc::ToTimestamp(clock_.Now() + minutes(60));
      answer.set_was_extended(true);
    });
  }
};

TEST_F(CookieLifeTest, AnExtendedSessionSendsItsCookiesAgain) {
  const std::vector<std::string> sent = ByCookie("GET", kMe, user_).All("Set-Cookie");
  ASSERT_THAT(sent, SizeIs(2));
  EXPECT_THAT(sent[0], StartsWith("csrf_token="));
  EXPECT_THAT(sent[1], StartsWith("access_token_cookie=" + user_ + "; Path=/; Max-Age=35"));
  EXPECT_THAT(ByCookie("GET", kMe, user_).All("Set-Cookie"), IsEmpty()) << "cached: no news";
}

TEST_F(CookieLifeTest, AHeaderNeedsNoCookies) {
  EXPECT_THAT(Get(kMe, user_).All("Set-Cookie"), IsEmpty());
}

TEST_F(CookieLifeTest, ARefusedRequestRenewsAllTheSame) {
  const Answer answer = ByCookie("GET", "/api/admin/passkeys/list/", user_);
  EXPECT_EQ(answer.status, 403);
  EXPECT_THAT(answer.All("Set-Cookie"), SizeIs(2));
}

TEST_F(CookieLifeTest, ALogoutIsNotUndoneByTheRenewal) {
  const Answer answer = ByCookie("POST", "/api/auth/logout/", user_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.All("Set-Cookie"), SizeIs(2));
  EXPECT_THAT(answer.All("Set-Cookie"), Each(HasSubstr("Max-Age=0")));
}

TEST_F(AdmissionTest, ReadinessTellsMoreToWhoManagesTheGateway) {
  constexpr char kPlain[] = R"({"status":"ready"})";
  const std::string manager = services_.AddToken("moderator", {"manage_gateway"});
  EXPECT_EQ(Get(kReadiness, manager).body,
            R"({"status":"ready","database":true,"redis":null,"mode":"postgresql",)"
            R"("cache_backend":"memory"})");
  EXPECT_EQ(Get(kReadiness, "").body, kPlain);
  EXPECT_EQ(Get(kReadiness, "garbage").body, kPlain);
  EXPECT_EQ(Get(kReadiness, user_).body, kPlain) << "without the permission";
  services_.RemoveToken(user_);
  EXPECT_EQ(Get(kReadiness, token::NewApiToken("ght")).body, kPlain) << "unknown";
  services_.look_up.Fail(absl::UnavailableError("down"));
  EXPECT_EQ(Get(kReadiness, token::NewApiToken("ght")).body, kPlain) << "cannot be known";
}

TEST_F(AdmissionTest, ReadinessIsPlainForWhoMustChangeThePassword) {
  const std::string manager = services_.AddToken("moderator", {"manage_gateway"});
  services_.EditToken(
      manager, [](LookupTokenResponse& answer) { answer.set_password_change_required(true); });
  EXPECT_EQ(Get(kReadiness, manager).body, R"({"status":"ready"})");
}

TEST_F(AdmissionTest, AnAddressThatGuessesIsCutOffFromLookUps) {
  ASSERT_EQ(Get("/api/me/", user_).status, 200);
  // A slow machine earns a guess back in 200 ms.
  Answer refused;
  std::size_t calls = 0;
  for (int i = 0; i < 1000 && refused.status != 429; ++i) {
    const std::string body = R"({"token":")" + token::NewApiToken("gh") + R"("})";
    services_.validate_token.Fail(
        Error(absl::StatusCode::kUnauthenticated, "CREDENTIALS_INVALID", "invalid"));
    const int validated = Post("/auth/validate", "", body).status;
    ASSERT_TRUE(validated == 401 || i >= 149) << i;
    calls = services_.look_up.calls() + services_.validate_token.calls();
    refused = Get("/api/me/", token::NewApiToken("ora"));
    ASSERT_TRUE(refused.status == 401 || (refused.status == 429 && i >= 149)) << i;
  }
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(Code(refused), "IP_RATE_LIMIT");
  EXPECT_NE(refused.Get("Retry-After"), "");
  const std::string body = R"({"token":")" + token::NewApiToken("gh") + R"("})";
  EXPECT_EQ(services_.look_up.calls() + services_.validate_token.calls(), calls);
  EXPECT_EQ(Post("/auth/validate", "", body).status, 429);
  EXPECT_EQ(Post("/api/v1/auth/validate", "", body).status, 429);
  EXPECT_EQ(Get("/api/me/", user_).status, 200) << "what is known needs no look-up";
  EXPECT_EQ(Get("/api/me/", "garbage").status, 401) << "and garbage neither";
}

}  // namespace
}  // namespace gatehouse::gateway
