// /api/v1/users: what an administrator does with users and their tokens.
#include "services/gateway/gateway_fixture.h"
#include "services/gateway/sample_user.h"

namespace gatehouse::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using enum absl::StatusCode;

constexpr char kUsers[] = "/api/v1/users";
constexpr char kAda[] = "/api/v1/users/0190c0de-0000-7000-8000-000000000001";
constexpr char kAdaId[] = "0190c0de-0000-7000-8000-000000000001";
constexpr char kTokenId[] = "0190c0de-0000-7000-8000-00000000000a";
constexpr char kNewUser[] =
    R"({"username":"ada","email":"ada@example.com","password":"long enough"})";
constexpr char kAdaJson[] =
    R"({"id":"0190c0de-0000-7000-8000-000000000001","username":"ada",)"
    R"("email":"ada@example.com","is_active":true,"is_admin":false,"rate_limit_per_second":10,)"
    R"("rate_limit_burst":20,"created_at":"2027-01-15T08:00:00.000000Z","updated_at":null})";

class V1UserRoutesTest : public GatewayTest {
 protected:
  V1UserRoutesTest() {
    services_.get_user.Return(SampleUser());
    services_.create_user.Return(SampleUser());
    services_.update_user.Return(SampleUser());
  }

  Answer Patch(const std::string& body) { return Send("PATCH", kAda, admin_, body); }

  // The one event that was appended.
  auth::v1::AuditEvent Audited() {
    EXPECT_EQ(services_.append_audit.calls(), 1u);
    return services_.append_audit.last().event();
  }

  // That a failure of `script` is answered so, and audited.
  template <typename T>
  void ExpectRefused(T& script, const absl::Status& error, const std::string& method,
                     const std::string& path, const std::string& body, int status,
                     const std::string& message) {
    script.Fail(error);
    const std::size_t before = services_.append_audit.calls();
    const Answer answer = Send(method, path, admin_, body);
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_EQ(Code(answer), Reason(error));
    EXPECT_THAT(answer.body, HasSubstr(R"("message":")" + message + '"'));
    EXPECT_TRUE(Eventually([&] { return services_.append_audit.calls() == before + 2; }));
    EXPECT_FALSE(services_.append_audit.last().event().success());
    EXPECT_EQ(services_.append_audit.last().event().reason(), Reason(error));
  }
};

TEST_F(V1UserRoutesTest, OnlyAdministratorsAreLetIn) {
  struct Row {
    const char* method;
    std::string path;
    const char* body;
  };
  for (const Row& row :
       std::vector<Row>{{"GET", kUsers, ""},
                        {"POST", kUsers, kNewUser},
                        {"GET", kAda, ""},
                        {"PATCH", kAda, "{}"},
                        {"DELETE", kAda, ""},
                        {"GET", std::string(kAda) + "/tokens", ""},
                        {"DELETE", std::string(kAda) + "/tokens/" + kTokenId, ""}}) {
    const Answer answer = Send(row.method, row.path, user_, row.body);
    EXPECT_EQ(answer.status, 403) << row.method << " " << row.path;
    EXPECT_EQ(Code(answer), "FORBIDDEN");
    EXPECT_THAT(answer.body, HasSubstr(R"("detail":"Admin privileges required")"));
    EXPECT_EQ(Send(row.method, row.path, "", row.body).status, 401);
  }
  EXPECT_EQ(services_.get_user.calls(), 0u);
}

TEST_F(V1UserRoutesTest, UsersAreListedWithTheirTotal) {
  auth::v1::ListUsersResponse page;
  *page.add_users() = SampleUser();
  page.set_total(9);
  services_.list_users.Return(page);
  const Answer answer = Get("/api/v1/users?skip=2&limit=1&is_active=true", admin_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"users":[)" + std::string(kAdaJson) + R"(],"total":9})");
  const auth::v1::ListUsersRequest request = services_.list_users.last();
  EXPECT_EQ(request.skip(), 2);
  EXPECT_EQ(request.page_size(), 1);
  EXPECT_TRUE(request.has_is_active());
  EXPECT_TRUE(request.is_active());
  EXPECT_EQ(services_.list_users.principal().user_id(), services_.UserId(admin_));
}

TEST_F(V1UserRoutesTest, ListsHaveDefaultsAndStrictLimits) {
  EXPECT_EQ(Get(kUsers, admin_).status, 200);
  EXPECT_EQ(services_.list_users.last().page_size(), 50);
  EXPECT_EQ(services_.list_users.last().skip(), 0);
  EXPECT_FALSE(services_.list_users.last().has_is_active());
  for (const char* query : {"limit=0", "limit=101", "skip=-1", "limit=ten", "is_active=maybe"}) {
    const Answer answer = Get(std::string(kUsers) + "?" + query, admin_);
    EXPECT_EQ(answer.status, 422) << query;
    EXPECT_EQ(Code(answer), "VALIDATION_FAILED");
  }
  EXPECT_EQ(services_.list_users.calls(), 1u);
}

TEST_F(V1UserRoutesTest, AUserIsCreatedAfterItWasAudited) {
  services_.create_user.Do([&](const auth::v1::CreateUserRequest&) {
    EXPECT_EQ(services_.append_audit.calls(), 1u) << "audited first";
    return SampleUser();
  });
  const Answer answer =
      Post(kUsers, admin_,
           R"({"username":"ada","email":"ada@example.com","password":"long enough",)"
           R"("is_admin":true,"rate_limit_per_second":5,"rate_limit_burst":7})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, kAdaJson);
  const auth::v1::CreateUserRequest request = services_.create_user.last();
  EXPECT_EQ(request.username(), "ada");
  EXPECT_EQ(request.email(), "ada@example.com");
  EXPECT_EQ(request.password(), "long enough");
  EXPECT_EQ(request.role(), "admin");
  EXPECT_EQ(request.rate_limit_per_second(), 5);
  EXPECT_EQ(request.rate_limit_burst(), 7);
  EXPECT_EQ(request.tenant_id(), 0) << "a tenant of one's own";
  const auth::v1::AuditEvent event = Audited();
  EXPECT_EQ(event.type(), "admin_action");
  EXPECT_TRUE(event.success());
  EXPECT_EQ(event.actor_user_id(), services_.UserId(admin_));
  EXPECT_EQ(event.details_json(),
            R"({"action":"user_created","username":"ada","email":"ada@example.com",)"
            R"("role":"admin"})");
}

TEST_F(V1UserRoutesTest, ANewUserFollowsTheRoleUnlessToldOtherwise) {
  EXPECT_EQ(Post(kUsers, admin_, kNewUser).status, 200);
  const auth::v1::CreateUserRequest request = services_.create_user.last();
  EXPECT_EQ(request.role(), "user");
  EXPECT_FALSE(request.has_rate_limit_per_second());
  EXPECT_FALSE(request.has_rate_limit_burst());
}

TEST_F(V1UserRoutesTest, NewUsersAreChecked) {
  for (const char* body :
       {"", R"({"username":"ad","email":"a@b.c","password":"long enough"})",
        R"({"username":"ada","password":"long enough"})",
        R"({"username":"ada","email":"a@b.c","password":"2short7"})",
        R"({"username":"ada","email":"a@b.c","password":"long enough","is_admin":"yes"})",
        R"({"username":"ada","email":"a@b.c","password":"long enough","rate_limit_burst":0})",
        R"({"username":"ada","email":"a@b.c","password":"long enough","rate_limit_burst":10001})",
        R"({"username":"ada","email":"a@b.c","password":"long enough","role":"admin"})"}) {
    const Answer answer = Post(kUsers, admin_, body);
    EXPECT_EQ(answer.status, 422) << body;
    EXPECT_EQ(Code(answer), "VALIDATION_FAILED");
  }
  EXPECT_EQ(services_.append_audit.calls(), 0u);
}

TEST_F(V1UserRoutesTest, DuplicatesAre422) {
  const auto taken = [](const char* reason) { return Error(kAlreadyExists, reason, "inner"); };
  for (const char* reason : {"USERNAME_TAKEN", "EMAIL_TAKEN"}) {
    ExpectRefused(services_.create_user, taken(reason), "POST", kUsers, kNewUser, 422,
                  "Username or email already exists");
  }
  ExpectRefused(services_.update_user, taken("USERNAME_TAKEN"), "PATCH", kAda,
                R"({"username":"bob"})", 422, "Username already exists");
  ExpectRefused(services_.update_user, taken("EMAIL_TAKEN"), "PATCH", kAda, R"({"email":"b@c.d"})",
                422, "Email already exists");
}

TEST_F(V1UserRoutesTest, RefusalsOfTheServicePass) {
  ExpectRefused(services_.create_user, Error(kInvalidArgument, "PASSWORD_TOO_WEAK", "too common"),
                "POST", kUsers, kNewUser, 422, "too common");
  ExpectRefused(services_.create_user, Error(kPermissionDenied, "ADMIN_REQUIRED", "admins only"),
                "POST", kUsers, kNewUser, 403, "admins only");
  const absl::Status last = Error(kFailedPrecondition, "LAST_ADMIN", "the last one");
  ExpectRefused(services_.update_user, last, "PATCH", kAda, R"({"is_active":false})", 409,
                "the last one");
  ExpectRefused(services_.update_user, last, "DELETE", kAda, "", 409, "the last one");
}

TEST_F(V1UserRoutesTest, AUserIsShownByUuidOrNumber) {
  EXPECT_EQ(Get(kAda, admin_).body, kAdaJson);
  EXPECT_EQ(services_.get_user.last().id(), kAdaId);
  EXPECT_EQ(Get("/api/v1/users/41", admin_).body, kAdaJson);
  EXPECT_EQ(services_.get_user.last().id(), "41");
  const Answer malformed = Get("/api/v1/users/ada", admin_);
  EXPECT_EQ(malformed.status, 422);
  EXPECT_EQ(Code(malformed), "ID_INVALID");
}

TEST_F(V1UserRoutesTest, WhoIsNotThereIs404AndNothingIsAudited) {
  services_.get_user.Fail(Error(kNotFound, "USER_NOT_FOUND", "no such user"));
  const std::string tokens = std::string(kAda) + "/tokens";
  struct Row {
    const char* method;
    std::string path;
    const char* body;
  };
  for (const Row& row : std::vector<Row>{{"GET", kAda, ""},
                                         {"PATCH", kAda, R"({"is_active":false})"},
                                         {"DELETE", kAda, ""},
                                         {"GET", tokens, ""},
                                         {"DELETE", tokens + "/" + kTokenId, ""}}) {
    const Answer answer = Send(row.method, row.path, admin_, row.body);
    EXPECT_EQ(answer.status, 404) << row.method << " " << row.path;
    EXPECT_EQ(Code(answer), "USER_NOT_FOUND");
    EXPECT_THAT(answer.body, HasSubstr(R"("detail":"User not found")"));
  }
  EXPECT_EQ(services_.append_audit.calls(), 0u);
  EXPECT_EQ(services_.list_tokens.calls() + services_.revoke_token.calls(), 0u);
}

TEST_F(V1UserRoutesTest, APatchChangesWhatItNames) {
  const Answer answer =
      Patch(R"({"username":"eve","email":"eve@example.com","password":"long enough",)"
            R"("is_active":false,"is_admin":true,"rate_limit_per_second":5,)"
            R"("rate_limit_burst":null})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, kAdaJson);
  const auth::v1::UpdateUserRequest request = services_.update_user.last();
  EXPECT_EQ(request.id(), kAdaId);
  EXPECT_EQ(request.username(), "eve");
  EXPECT_EQ(request.email(), "eve@example.com");
  EXPECT_EQ(request.password(), "long enough");
  EXPECT_TRUE(request.has_is_active());
  EXPECT_FALSE(request.is_active());
  EXPECT_EQ(request.role(), "admin");
  EXPECT_EQ(request.rate_limit_per_second(), 5);
  EXPECT_TRUE(request.has_rate_limit_burst());
  EXPECT_EQ(request.rate_limit_burst(), 0) << "null follows the role again";
  const auth::v1::AuditEvent event = Audited();
  EXPECT_EQ(event.type(), "admin_action");
  EXPECT_EQ(event.target(), std::string("user/") + kAdaId);
  EXPECT_EQ(event.tenant_id(), 7);
  EXPECT_THAT(event.details_json(), HasSubstr(R"("action":"user_updated","username":"ada")"));
  EXPECT_THAT(event.details_json(), HasSubstr(R"("password")"));
  EXPECT_THAT(event.details_json(), HasSubstr(R"("role":"admin")"));
  EXPECT_THAT(event.details_json(), Not(HasSubstr("long enough")));
}

TEST_F(V1UserRoutesTest, APatchLeavesWhatItDoesNotName) {
  EXPECT_EQ(Patch(R"({"email":"eve@example.com"})").status, 200);
  const auth::v1::UpdateUserRequest request = services_.update_user.last();
  EXPECT_FALSE(request.has_username() || request.has_password() || request.has_is_active());
  EXPECT_FALSE(request.has_role() || request.has_rate_limit_per_second());
  EXPECT_EQ(Audited().type(), "admin_action");
}

TEST_F(V1UserRoutesTest, AnEmptyPatchChangesNothing) {
  const Answer answer = Patch("{}");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, kAdaJson);
  EXPECT_EQ(services_.append_audit.calls() + services_.update_user.calls(), 0u);
}

TEST_F(V1UserRoutesTest, OnlyAdministratorsLoseTheirRole) {
  auth::v1::User moderator = SampleUser();
  moderator.set_role("moderator");
  services_.get_user.Return(moderator);
  EXPECT_EQ(Patch(R"({"is_admin":false})").status, 200);
  EXPECT_EQ(services_.update_user.calls(), 0u) << "a moderator stays one";
  auth::v1::User admin = SampleUser();
  admin.set_role("admin");
  services_.get_user.Return(admin);
  EXPECT_EQ(Patch(R"({"is_admin":true})").status, 200);
  EXPECT_EQ(services_.update_user.calls(), 0u);
  EXPECT_EQ(Patch(R"({"is_admin":false})").status, 200);
  EXPECT_EQ(services_.update_user.last().role(), "user");
}

TEST_F(V1UserRoutesTest, PatchesAreChecked) {
  for (const char* body :
       {R"({"username":"ad"})", R"({"password":"2short7"})", R"({"is_active":1})",
        R"({"is_admin":"no"})", R"({"rate_limit_burst":0})", R"({"rate_limit_per_second":10001})",
        R"({"notes":"x"})"}) {
    EXPECT_EQ(Patch(body).status, 422) << body;
  }
  EXPECT_EQ(services_.get_user.calls(), 0u);
}

TEST_F(V1UserRoutesTest, DeletingAUserDeactivates) {
  const Answer answer = Send("DELETE", "/api/v1/users/41", admin_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"status":"success","message":"User deactivated"})");
  const auth::v1::UpdateUserRequest request = services_.update_user.last();
  EXPECT_EQ(request.id(), kAdaId);
  EXPECT_TRUE(request.has_is_active());
  EXPECT_FALSE(request.is_active());
  EXPECT_FALSE(request.has_role());
  EXPECT_EQ(Audited().type(), "admin_action");
}

TEST_F(V1UserRoutesTest, WithoutAnAuditNothingIsDone) {
  services_.append_audit.Fail(absl::InternalError("disk full"));
  struct Row {
    const char* method;
    std::string path;
    const char* body;
  };
  for (const Row& row :
       std::vector<Row>{{"POST", kUsers, kNewUser},
                        {"PATCH", kAda, R"({"is_active":false})"},
                        {"DELETE", kAda, ""},
                        {"DELETE", std::string(kAda) + "/tokens/" + kTokenId, ""}}) {
    const Answer answer = Send(row.method, row.path, admin_, row.body);
    EXPECT_EQ(answer.status, 503) << row.method << " " << row.path;
    EXPECT_EQ(Code(answer), "AUDIT_UNAVAILABLE");
  }
  EXPECT_EQ(services_.create_user.calls() + services_.update_user.calls(), 0u);
  EXPECT_EQ(services_.revoke_token.calls(), 0u);
}

TEST_F(V1UserRoutesTest, TheTokensOfAUserAreListed) {
  auth::v1::ListTokensResponse page;
  page.add_tokens()->set_id(kTokenId);
  page.set_total(1);
  services_.list_tokens.Return(page);
  const Answer answer = Get("/api/v1/users/41/tokens", admin_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr(std::string(R"({"tokens":[{"id":")") + kTokenId));
  EXPECT_THAT(answer.body, HasSubstr(R"("total":1})"));
  EXPECT_EQ(services_.list_tokens.last().user_id(), kAdaId);
  EXPECT_EQ(services_.list_tokens.last().kind(), auth::v1::CREDENTIAL_KIND_API);
}

TEST_F(V1UserRoutesTest, ATokenOfAUserIsRevokedAtOnceAndAudited) {
  const std::string program = services_.AddToken("user", {});
  ASSERT_EQ(Get("/api/v1/auth/me", program).status, 200);
  const std::string id = services_.TokenId(program);
  const Answer answer = Send("DELETE", "/api/v1/users/41/tokens/" + id, admin_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"status":"success","message":"Token revoked"})");
  EXPECT_EQ(services_.revoke_token.last().id(), id);
  EXPECT_EQ(services_.revoke_token.last().user_id(), kAdaId);
  EXPECT_EQ(Get("/api/v1/auth/me", program).status, 401);
  EXPECT_EQ(Audited().target(), std::string("user/") + kAdaId);
  EXPECT_EQ(Audited().details_json(),
            R"({"action":"token_revoked","username":"ada","token_id":")" + id + R"("})");
}

TEST_F(V1UserRoutesTest, ATokenThatIsNotTheUsersIsNotFound) {
  ExpectRefused(services_.revoke_token, Error(kNotFound, "TOKEN_NOT_FOUND", "inner"), "DELETE",
                std::string(kAda) + "/tokens/" + kTokenId, "", 404, "Token not found");
  EXPECT_EQ(Code(Send("DELETE", std::string(kAda) + "/tokens/7", admin_)), "ID_INVALID");
}

}  // namespace
}  // namespace gatehouse::gateway
