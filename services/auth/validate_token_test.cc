// TokenService.ValidateToken: a whole credential, judged for a request.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "gatehouse/auth/v1/token.methods.h"
#include "libs/base/uuid.h"
#include "libs/rpc/timestamp.h"
#include "libs/token/api_token.h"
#include "services/auth/auth_testing.h"
#include "services/auth/token_service.h"

namespace gatehouse::auth {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using Api = v1::TokenService;

constexpr char kChat[] = "/v1/chat/completions";
constexpr char kEmbed[] = "/v1/embeddings";
constexpr char kAdmin[] = "/admin/plugins";

class ValidateTokenTest : public ::testing::Test {
 protected:
  absl::StatusOr<v1::ValidateTokenResponse> Validate(const std::string& token,
                                                     const std::string& path = "/api/plugins",
                                                     const std::string& caller = "gateway") {
    v1::ValidateTokenRequest request;
    request.set_token(token);
    request.set_method("POST");
    request.set_path(path);
    return server_.client(caller).Call(Api::kValidateToken, request);
  }

  std::string ReasonOf(const std::string& token, const std::string& path = "/api/plugins") {
    return Reason(Validate(token, path).status());
  }

  std::string Make(const std::string& user, const std::vector<std::string>& scopes) {
    v1::CreateTokenRequest request;
    request.set_user(user);
    request.set_kind(scopes.empty() ? v1::CREDENTIAL_KIND_API : v1::CREDENTIAL_KIND_KEY);
    request.set_name("ci");
    for (const std::string& scope : scopes) request.add_scopes(scope);
    const auto made = server_.gateway().Call(Api::kCreateToken, request);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? made->text() : "";
  }

  // An access token as auth would sign it, but for what `spoil` does.
  std::string Sign(const std::function<void(token::Claims&)>& spoil, const std::string& user_id) {
    const IssuedCredential session = server_.Issue(user_id, CredentialKind::kAccess);
    const Time now = SystemClock().Now();
    token::Claims claims;
    claims.subject = user_id;
    claims.id = UuidV7();
    claims.session_id = session.credential_id;
    claims.tenant_id = session.user.tenant.id;
    claims.epoch = std::stoll(database_.Select("SELECT sequence FROM auth.control_head"));
    claims.role = "user";
    claims.issue_time = now;
    claims.expire_time = now + std::chrono::minutes(15);
    spoil(claims);
    const auto signed_token =
        database_.db().InTransaction([&](pg::Tx& tx) { return server_.keys().Sign(tx, claims); });
    EXPECT_TRUE(signed_token.ok()) << signed_token.status();
    return signed_token.value_or("");
  }

  testing::AuthDatabase database_;
  testing::AuthServer server_{database_};
};

TEST_F(ValidateTokenTest, ACredentialOfAnyKindAllowsWhatItsOwnerHolds) {
  const std::string user = database_.AddUser("ada");
  const std::string admin = database_.AddUser("root", "admin");
  for (const CredentialKind kind :
       {CredentialKind::kToken, CredentialKind::kSession, CredentialKind::kLogin,
        CredentialKind::kAccess, CredentialKind::kPlatform}) {
    const std::string users = server_.Issue(user, kind).token;
    const auto valid = Validate(users, kChat);
    ASSERT_TRUE(valid.ok()) << Name(kind) << valid.status();
    EXPECT_EQ(valid->principal().user_id(), user);
    EXPECT_FALSE(valid->principal().is_narrowed());
    EXPECT_THAT(valid->scopes(),
                ElementsAre("llm.chat", "llm.embed", "repo.analyze", "repo.patch"));
    EXPECT_EQ(ReasonOf(users, kAdmin), "SCOPE_INSUFFICIENT");
    const auto admins = Validate(server_.Issue(admin, kind).token, kAdmin);
    ASSERT_TRUE(admins.ok()) << Name(kind) << admins.status();
    EXPECT_THAT(admins->scopes(), Contains("admin"));
    EXPECT_THAT(admins->scopes(), Contains("manage_users")) << "permissions, too";
  }
  EXPECT_TRUE(Validate(Make("root", {}), kAdmin).ok());
}

TEST_F(ValidateTokenTest, AKeyAllowsItsScopesOnly) {
  database_.AddUser("root", "admin");
  const std::string chat = Make("root", {"llm.chat"});
  const auto valid = Validate(chat, kChat);
  ASSERT_TRUE(valid.ok()) << valid.status();
  EXPECT_TRUE(valid->principal().is_narrowed());
  EXPECT_THAT(valid->scopes(), ElementsAre("llm.chat"));
  EXPECT_THAT(valid->principal().scopes(), ElementsAre("llm.chat"));
  EXPECT_TRUE(Validate(chat, "/api/plugins").ok()) << "any scope will do";
  const absl::Status refused = Validate(chat, kEmbed).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Reason(refused), "SCOPE_INSUFFICIENT");
  EXPECT_EQ(ReasonOf(chat, kAdmin), "SCOPE_INSUFFICIENT");
  EXPECT_EQ(ReasonOf(Make("root", {"*"}), kAdmin), "");
}

TEST_F(ValidateTokenTest, AKeyLosesWhatItsOwnerLoses) {
  database_.AddUser("root", "admin");
  const std::string key = Make("root", {"admin", "view_logs"});
  EXPECT_EQ(ReasonOf(key, kAdmin), "");
  database_.Execute("UPDATE auth.users SET role = 'user'");
  EXPECT_EQ(ReasonOf(key, kAdmin), "SCOPE_INSUFFICIENT");
  EXPECT_EQ(ReasonOf(key), "SCOPE_INSUFFICIENT") << "nothing is left of it";
}

TEST_F(ValidateTokenTest, WhatDoesNotLiveIsRefused) {
  const std::string id = database_.AddUser("ada");
  for (const std::string& token :
       {server_.Issue(id).token, server_.Issue(id, CredentialKind::kAccess).token, Make("ada", {}),
        Make("ada", {"llm.chat"})}) {
    for (const char* end : {"UPDATE auth.credentials SET revoke_time = now()",
                            "UPDATE auth.users SET is_active = false",
                            "UPDATE auth.credentials SET expire_time = now()",
                            "UPDATE auth.tenants SET epoch = 1000000"}) {
      ASSERT_EQ(ReasonOf(token), "") << "before " << end;
      database_.Execute(end);
      const absl::Status refused = Validate(token).status();
      EXPECT_EQ(refused.code(), absl::StatusCode::kUnauthenticated) << "after " << end;
      EXPECT_EQ(Reason(refused), "CREDENTIALS_INVALID") << "after " << end;
      database_.Execute(
          "UPDATE auth.credentials SET revoke_time = NULL, expire_time = now() + interval '1 hour';"
          "UPDATE auth.users SET is_active = true; UPDATE auth.tenants SET epoch = 0");
    }
  }
}

TEST_F(ValidateTokenTest, WhatIsNoCredentialIsRefusedWithOneText) {
  const std::string id = database_.AddUser("ada");
  const IssuedCredential session = server_.Issue(id, CredentialKind::kAccess);
  std::string tampered = server_.Issue(id).token;
  tampered.back() = tampered.back() == 'a' ? 'b' : 'a';
  const std::string text(Validate("").status().message());
  for (const std::string& token :
       {std::string(), std::string("x"), std::string("a.b.c"), tampered, token::NewApiToken("ora"),
        session.refresh_token, session.token + "x", std::string(8193, 'x'),
        std::string("ora_\0", 5)}) {
    const absl::Status refused = Validate(token).status();
    EXPECT_EQ(Reason(refused), "CREDENTIALS_INVALID") << token.substr(0, 40);
    EXPECT_EQ(std::string(refused.message()), text);
  }
}

TEST_F(ValidateTokenTest, ASignedTokenMustFitItsSession) {
  const std::string ada = database_.AddUser("ada");
  const std::string bob = database_.AddUser("bob");
  const auto reason = [&](const std::function<void(token::Claims&)>& spoil) {
    return ReasonOf(Sign(spoil, ada));
  };
  EXPECT_EQ(reason([](auto&) {}), "");
  EXPECT_EQ(reason([&](auto& claims) { claims.subject = bob; }), "CREDENTIALS_INVALID");
  EXPECT_EQ(reason([](auto& claims) { claims.session_id = UuidV7(); }), "CREDENTIALS_INVALID");
  EXPECT_EQ(reason([](auto& claims) { claims.epoch = -1; }), "CREDENTIALS_INVALID");
  EXPECT_EQ(reason([](auto& claims) {
              claims.issue_time -= std::chrono::hours(1);
              claims.expire_time -= std::chrono::hours(1);
            }),
            "CREDENTIALS_INVALID");
}

TEST_F(ValidateTokenTest, ASignedTokenEndsBeforeItsSession) {
  const std::string id = database_.AddUser("ada");
  const IssuedCredential issued = server_.Issue(id, CredentialKind::kAccess);
  const auto valid = Validate(issued.token);
  ASSERT_TRUE(valid.ok()) << valid.status();
  EXPECT_EQ(valid->expire_time().seconds(), rpc::ToTimestamp(*issued.expire_time).seconds());
  EXPECT_FALSE(Validate(server_.Issue(id).token)->has_expire_time());
}

TEST_F(ValidateTokenTest, AKeyThatWasRotatedOutStillVerifies) {
  const std::string token = server_.Issue(database_.AddUser("ada"), CredentialKind::kAccess).token;
  ASSERT_TRUE(database_.db()
                  .InTransaction([&](pg::Tx& tx) -> absl::Status {
                    return server_.keys().Rotate(tx, std::chrono::seconds(0)).status();
                  })
                  .ok());
  EXPECT_EQ(ReasonOf(token), "");
  database_.Execute("DELETE FROM auth.signing_keys");
  EXPECT_EQ(ReasonOf(token), "CREDENTIALS_INVALID") << "no key, no token";
}

TEST_F(ValidateTokenTest, APasswordThatMustBeChangedComesFirst) {
  const std::string token = server_.Issue(database_.AddUser("ada")).token;
  database_.Execute("UPDATE auth.users SET password_change_required = true");
  const absl::Status refused = Validate(token, kChat).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Reason(refused), "PASSWORD_CHANGE_REQUIRED");
}

TEST_F(ValidateTokenTest, RecordsTheUse) {
  const std::string token = server_.Issue(database_.AddUser("ada")).token;
  EXPECT_EQ(ReasonOf(token, kAdmin), "SCOPE_INSUFFICIENT");
  EXPECT_EQ(database_.Count("auth.credentials WHERE last_used_time IS NOT NULL"), 0);
  EXPECT_EQ(ReasonOf(token), "");
  EXPECT_EQ(database_.Count("auth.credentials WHERE last_used_time IS NOT NULL"), 1);
}

TEST_F(ValidateTokenTest, OnlyTheNamedCallersMayCall) {
  const std::string token = server_.Issue(database_.AddUser("ada")).token;
  EXPECT_TRUE(Validate(token, kChat, "jobs").ok());
  EXPECT_EQ(Validate(token, kChat, "billing").status().code(), absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace gatehouse::auth
