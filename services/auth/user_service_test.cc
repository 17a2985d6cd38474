#include "services/auth/user_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "gatehouse/auth/v1/session.methods.h"
#include "gatehouse/auth/v1/user.methods.h"
#include "libs/base/uuid.h"
#include "services/auth/auth_testing.h"

namespace gatehouse::auth {
namespace {

using testing::As;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::kPassword;
using Api = v1::UserService;

v1::CreateUserRequest NewUserRequest(const std::string& username) {
  v1::CreateUserRequest request;
  request.set_username(username);
  request.set_email(username + "@example.com");
  request.set_password(kPassword);
  return request;
}

class UserServiceTest : public ::testing::Test {
 protected:
  absl::StatusOr<v1::User> Create(const v1::CreateUserRequest& request,
                                  const rpc::CallOptions& as = {}) {
    return server_.gateway().Call(Api::kCreateUser, request, as);
  }

  absl::StatusOr<v1::User> Get(const std::string& id, const rpc::CallOptions& as = {}) {
    v1::GetUserRequest request;
    request.set_id(id);
    return server_.gateway().Call(Api::kGetUser, request, as);
  }

  absl::StatusOr<v1::User> GetByName(const std::string& username, const rpc::CallOptions& as = {}) {
    v1::GetUserRequest request;
    request.set_username(username);
    return server_.gateway().Call(Api::kGetUser, request, as);
  }

  v1::ListUsersResponse List(const v1::ListUsersRequest& request, const rpc::CallOptions& as = {}) {
    auto response = server_.gateway().Call(Api::kListUsers, request, as);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.value_or(v1::ListUsersResponse());
  }

  static std::vector<std::string> Names(const v1::ListUsersResponse& response) {
    std::vector<std::string> names;
    for (const v1::User& user : response.users()) names.push_back(user.username());
    return names;
  }

  bool CanLogIn(const std::string& username) {
    v1::LogInRequest request;
    request.set_username(username);
    request.set_password(kPassword);
    request.set_kind(v1::CREDENTIAL_KIND_TOKEN);
    request.mutable_origin()->set_client_address("192.0.2.1");
    return server_.gateway().Call(v1::SessionService::kLogIn, request).ok();
  }

  testing::AuthDatabase database_;
  testing::AuthServer server_{database_};
};

TEST_F(UserServiceTest, CreatesAUserInATenantOfOnesOwn) {
  const auto made = Create(NewUserRequest("Ada"), As(UuidV7(), "root", "admin"));
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->username(), "Ada");
  EXPECT_EQ(made->email(), "Ada@example.com");
  EXPECT_EQ(made->role(), "user");
  EXPECT_TRUE(made->is_active());
  EXPECT_FALSE(made->is_revoked());
  EXPECT_FALSE(made->password_change_required());
  EXPECT_EQ(made->tenant().client_id(), "ada");
  EXPECT_EQ(made->tenant().name(), "Ada's Organization");
  EXPECT_EQ(made->rate_limit_per_second(), 10) << "the role's";
  EXPECT_EQ(made->rate_limit_burst(), 20);
  EXPECT_EQ(made->settings_json(), "{}");
  EXPECT_TRUE(CanLogIn("ada"));
  EXPECT_EQ(database_.Count("auth.audit_events WHERE type = 'user_created' AND success"
                            " AND actor_username = 'root' AND target = 'user/" +
                            made->id() + "'"),
            1);
  EXPECT_EQ(database_.Count("auth.signups"), 0) << "the names are held no longer";
  EXPECT_EQ(
      database_.Count("auth.users WHERE password_hash LIKE '%" + std::string(kPassword) + "%'"), 0);
}

TEST_F(UserServiceTest, CreatesAnAdministratorWithFiguresOfOnesOwnInATenant) {
  database_.AddUser("ada");
  v1::CreateUserRequest request = NewUserRequest("bob");
  request.set_role("admin");
  request.set_tenant_id(GetByName("ada")->tenant().id());
  request.set_rate_limit_per_second(3);
  request.set_rate_limit_burst(10000);
  request.set_first_name("Bob");
  request.set_last_name("Builder");
  const auto made = Create(request);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->tenant().client_id(), "ada");
  EXPECT_EQ(made->role(), "admin");
  EXPECT_THAT(made->permissions(), Contains("manage_users"));
  EXPECT_EQ(made->rate_limit_per_second(), 3);
  EXPECT_EQ(made->rate_limit_burst(), 10000);
  EXPECT_EQ(made->first_name() + " " + made->last_name(), "Bob Builder");
}

TEST_F(UserServiceTest, RefusesWhatBreaksARule) {
  const auto reason = [&](const std::function<void(v1::CreateUserRequest&)>& spoil) {
    v1::CreateUserRequest request = NewUserRequest("ada");
    spoil(request);
    const absl::Status status = Create(request).status();
    EXPECT_EQ(FieldViolations(status).size(), Reason(status) == "TENANT_NOT_FOUND" ? 0u : 1u);
    return Reason(status);
  };
  EXPECT_EQ(reason([](auto& r) { r.set_username("a"); }), "USERNAME_INVALID");
  EXPECT_EQ(reason([](auto& r) { r.set_email("ada"); }), "EMAIL_INVALID");
  EXPECT_EQ(reason([](auto& r) { r.set_password("password1"); }), "PASSWORD_TOO_WEAK");
  EXPECT_EQ(reason([](auto& r) { r.set_role("root"); }), "ROLE_UNKNOWN");
  EXPECT_EQ(reason([](auto& r) { r.set_rate_limit_per_second(0); }), "RATE_OUT_OF_RANGE");
  EXPECT_EQ(reason([](auto& r) { r.set_rate_limit_burst(10001); }), "RATE_OUT_OF_RANGE");
  EXPECT_EQ(reason([](auto& r) { r.set_first_name(std::string(151, 'a')); }), "NAME_INVALID");
  EXPECT_EQ(reason([](auto& r) { r.set_tenant_id(999999); }), "TENANT_NOT_FOUND");
  EXPECT_EQ(reason([](auto& r) { r.set_tenant_id(-1); }), "TENANT_NOT_FOUND");
  EXPECT_EQ(database_.Count("auth.users"), 0);
  EXPECT_EQ(database_.Count("auth.signups"), 0);
}

TEST_F(UserServiceTest, NamesAreTakenRegardlessOfCase) {
  database_.AddUser("ada");
  v1::CreateUserRequest request = NewUserRequest("ADA");
  request.set_email("other@example.com");
  EXPECT_EQ(Reason(Create(request).status()), "USERNAME_TAKEN");
  request = NewUserRequest("bob");
  request.set_email("ADA@example.com");
  EXPECT_EQ(Reason(Create(request).status()), "EMAIL_TAKEN");
}

TEST_F(UserServiceTest, ASignupUnderWayHoldsItsNames) {
  database_.Execute(
      "INSERT INTO auth.signups (id, username, email, password_hash, passkey_digest,"
      " client_address, user_agent, request_id) VALUES (gen_random_uuid(), 'ada',"
      " 'ada@example.com', '', sha256('p'), '', '', '')");
  EXPECT_EQ(Reason(Create(NewUserRequest("Ada")).status()), "USERNAME_TAKEN");
  EXPECT_EQ(database_.Count("auth.users"), 0);
}

TEST_F(UserServiceTest, OfParallelCreationsOfANameOneWins) {
  std::vector<std::thread> threads;
  std::vector<absl::Status> results(4);
  for (absl::Status& result : results) {
    threads.emplace_back([&] { result = Create(NewUserRequest("ada")).status(); });
  }
  for (std::thread& thread : threads) thread.join();
  int made = 0;
  for (const absl::Status& result : results) {
    made += result.ok() ? 1 : 0;
    EXPECT_TRUE(result.ok() || Reason(result) == "USERNAME_TAKEN") << result;
  }
  EXPECT_EQ(made, 1);
  EXPECT_EQ(database_.Count("auth.users"), 1);
}

TEST_F(UserServiceTest, GetsUsersByEitherIdOrName) {
  const std::string id = database_.AddUser("ada");
  const auto by_id = Get(id);
  ASSERT_TRUE(by_id.ok()) << by_id.status();
  EXPECT_GT(by_id->number(), 0);
  EXPECT_GT(by_id->profile_number(), 0);
  EXPECT_EQ(Get(std::to_string(by_id->number()))->id(), id);
  EXPECT_EQ(GetByName("ADA")->id(), id);
  for (const std::string& unknown :
       {std::string("0"), std::string("ada"), UuidV7(), " " + std::to_string(by_id->number()),
        std::string("99999999999999999999")}) {
    EXPECT_EQ(Reason(Get(unknown).status()), "USER_NOT_FOUND") << unknown;
  }
  for (const std::string& unknown :
       {std::string("bob"), std::string(), id, std::string("ada\0x", 5)}) {
    EXPECT_EQ(Reason(GetByName(unknown).status()), "USER_NOT_FOUND") << unknown;
  }
}

TEST_F(UserServiceTest, NobodyCanTakeTheIdOfAnotherForAName) {
  const std::string ada = database_.AddUser("ada");
  const std::string number = std::to_string(Get(ada)->number());
  database_.AddUser(std::string(3, '0') + number);
  const std::string imitation = database_.AddUser("imitation");
  database_.Execute("UPDATE auth.users SET username = '" + ada + "' WHERE id = '" + imitation +
                    "'");
  EXPECT_EQ(Get(ada)->username(), "ada");
  EXPECT_EQ(GetByName(ada)->id(), imitation) << "asked for by name";
}

TEST_F(UserServiceTest, ListsTheNewestFirstPageByPage) {
  for (const char* name : {"ada", "bob", "cyd", "dan", "eve"}) database_.AddUser(name);
  v1::ListUsersRequest request;
  EXPECT_THAT(Names(List(request)), ElementsAre("eve", "dan", "cyd", "bob", "ada"));
  request.set_page_size(2);
  v1::ListUsersResponse page = List(request);
  EXPECT_THAT(Names(page), ElementsAre("eve", "dan"));
  EXPECT_EQ(page.total(), 5);
  request.set_page_token(page.next_page_token());
  page = List(request);
  EXPECT_THAT(Names(page), ElementsAre("cyd", "bob"));
  request.set_page_token(page.next_page_token());
  page = List(request);
  EXPECT_THAT(Names(page), ElementsAre("ada"));
  EXPECT_EQ(page.next_page_token(), "");
  request.clear_page_token();
  request.set_skip(3);
  EXPECT_THAT(Names(List(request)), ElementsAre("bob", "ada"));
  request.set_skip(100000);
  page = List(request);
  EXPECT_THAT(Names(page), IsEmpty());
  EXPECT_EQ(page.total(), 5);
}

TEST_F(UserServiceTest, FiltersByTextAndActivity) {
  for (const char* name : {"ada_l", "adaxl", "bob"}) database_.AddUser(name);
  database_.Execute("UPDATE auth.users SET is_active = false WHERE username = 'bob'");
  const auto search = [&](const std::string& text) {
    v1::ListUsersRequest request;
    request.set_search(text);
    return Names(List(request));
  };
  EXPECT_THAT(search("ADA"), ElementsAre("adaxl", "ada_l"));
  EXPECT_THAT(search("a_l"), ElementsAre("ada_l")) << "no wildcard";
  EXPECT_THAT(search("%"), IsEmpty());
  EXPECT_THAT(search("bob@EXAMPLE"), ElementsAre("bob"));
  v1::ListUsersRequest request;
  request.set_is_active(false);
  const v1::ListUsersResponse blocked = List(request);
  EXPECT_THAT(Names(blocked), ElementsAre("bob"));
  EXPECT_EQ(blocked.total(), 1);
  request.set_is_active(true);
  EXPECT_EQ(List(request).total(), 2);
}

TEST_F(UserServiceTest, RefusesWhatIsNoPageNorText) {
  const auto reason = [&](const std::function<void(v1::ListUsersRequest&)>& spoil) {
    v1::ListUsersRequest request;
    spoil(request);
    return Reason(server_.gateway().Call(Api::kListUsers, request).status());
  };
  EXPECT_EQ(reason([](auto& r) { r.set_page_size(-1); }), "PAGE_SIZE_INVALID");
  EXPECT_EQ(reason([](auto& r) { r.set_skip(-1); }), "PAGE_SIZE_INVALID");
  EXPECT_EQ(reason([](auto& r) { r.set_skip(100001); }), "PAGE_SIZE_INVALID");
  EXPECT_EQ(reason([](auto& r) { r.set_page_token("x"); }), "PAGE_TOKEN_INVALID");
  EXPECT_EQ(reason([](auto& r) { r.set_search(std::string(255, 'a')); }), "SEARCH_INVALID");
  EXPECT_EQ(reason([](auto& r) { r.set_search(std::string("a\0", 2)); }), "SEARCH_INVALID");
}

TEST_F(UserServiceTest, OthersDoNotSeeAdministrators) {
  const std::string root = database_.AddUser("root", "admin");
  const std::string mod = database_.AddUser("mod", "moderator");
  const rpc::CallOptions as_mod = As(mod, "mod", "moderator");
  EXPECT_EQ(Reason(Get(root, as_mod).status()), "USER_NOT_FOUND");
  EXPECT_EQ(Reason(GetByName("root", as_mod).status()), "USER_NOT_FOUND");
  EXPECT_TRUE(Get(mod, as_mod).ok());
  const v1::ListUsersResponse seen = List({}, as_mod);
  EXPECT_THAT(Names(seen), ElementsAre("mod"));
  EXPECT_EQ(seen.total(), 1);
  EXPECT_EQ(List({}, As(root, "root", "admin")).total(), 2);
  v1::CreateUserRequest request = NewUserRequest("ada");
  request.set_role("admin");
  const absl::Status refused = Create(request, as_mod).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Reason(refused), "ADMIN_REQUIRED");
  request.set_role("moderator");
  EXPECT_TRUE(Create(request, as_mod).ok());
}

TEST_F(UserServiceTest, ANarrowedCredentialSpeaksAsAdministratorByItsScopeOnly) {
  const std::string root = database_.AddUser("root", "admin");
  database_.AddUser("other", "admin");
  rpc::CallOptions as_root = As(root, "root", "admin");
  as_root.principal.set_is_narrowed(true);
  as_root.principal.add_scopes("manage_users");
  EXPECT_THAT(Names(List({}, as_root)), IsEmpty());
  EXPECT_TRUE(Get(root, as_root).ok()) << "oneself";
  as_root.principal.add_scopes("admin");
  EXPECT_EQ(List({}, as_root).total(), 2);
}

TEST_F(UserServiceTest, OnlyTheGatewayMayCall) {
  for (const char* caller : {"jobs", "billing", "invitations"}) {
    EXPECT_EQ(server_.client(caller).Call(Api::kGetUser, v1::GetUserRequest()).status().code(),
              absl::StatusCode::kPermissionDenied)
        << caller;
    EXPECT_EQ(server_.client(caller)
                  .Call(Api::kRevokeCredentials, v1::RevokeCredentialsRequest())
                  .status()
                  .code(),
              absl::StatusCode::kPermissionDenied)
        << caller;
  }
}

}  // namespace
}  // namespace gatehouse::auth
