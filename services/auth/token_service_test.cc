#include "services/auth/token_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "gatehouse/auth/v1/token.methods.h"
#include "libs/base/uuid.h"
#include "libs/rpc/timestamp.h"
#include "libs/token/api_token.h"
#include "services/auth/auth_testing.h"
#include "services/auth/revocation.h"

namespace gatehouse::auth {
namespace {

using testing::As;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Api = v1::TokenService;

class TokenServiceTest : public ::testing::Test {
 protected:
  using Set = std::function<void(v1::CreateTokenRequest&)>;

  absl::StatusOr<v1::CreateTokenResponse> Create(const std::string& user, const Set& set,
                                                 const rpc::CallOptions& as = {}) {
    v1::CreateTokenRequest request;
    request.set_user(user);
    request.set_kind(v1::CREDENTIAL_KIND_API);
    request.set_name("ci");
    set(request);
    return server_.gateway().Call(Api::kCreateToken, request, as);
  }

  v1::CreateTokenResponse CreateOk(
      const std::string& user, const Set& set = [](auto&) {}, const rpc::CallOptions& as = {}) {
    auto made = Create(user, set, as);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.value_or(v1::CreateTokenResponse());
  }

  // A key of these scopes.
  static Set Key(const std::vector<std::string>& scopes) {
    return [scopes](v1::CreateTokenRequest& request) {
      request.set_kind(v1::CREDENTIAL_KIND_KEY);
      request.clear_name();
      for (const std::string& scope : scopes) request.add_scopes(scope);
    };
  }

  v1::ListTokensResponse List(const std::function<void(v1::ListTokensRequest&)>& set,
                              const rpc::CallOptions& as = {}) {
    v1::ListTokensRequest request;
    set(request);
    auto response = server_.gateway().Call(Api::kListTokens, request, as);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.value_or(v1::ListTokensResponse());
  }

  absl::Status Revoke(const std::string& id, const std::string& user_id = "",
                      const rpc::CallOptions& as = {}) {
    v1::RevokeTokenRequest request;
    request.set_id(id);
    request.set_user_id(user_id);
    return server_.gateway().Call(Api::kRevokeToken, request, as).status();
  }

  void RevokeUser(const std::string& user_id) {
    const absl::Status status = database_.db().InTransaction([&](pg::Tx& tx) -> absl::Status {
      RaiseUserEpoch(tx, user_id);
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  }

  static std::vector<std::string> Names(const v1::ListTokensResponse& response) {
    std::vector<std::string> names;
    for (const v1::Token& token : response.tokens()) names.push_back(token.name());
    return names;
  }

  testing::AuthDatabase database_;
  testing::AuthServer server_{database_};
};

TEST_F(TokenServiceTest, MakesAnApiTokenThatStandsForItsOwner) {
  const std::string id = database_.AddUser("ada", "admin");
  const auto made = CreateOk(
      id, [](auto&) {}, As(id, "ada", "admin"));
  EXPECT_EQ(made.text().rfind("ora_", 0), 0u);
  EXPECT_TRUE(token::LooksLikeApiToken(made.text()));
  EXPECT_EQ(made.token().kind(), v1::CREDENTIAL_KIND_API);
  EXPECT_EQ(made.token().name(), "ci");
  EXPECT_EQ(made.token().user_id(), id);
  EXPECT_EQ(made.token().username(), "ada");
  EXPECT_THAT(made.token().scopes(), IsEmpty());
  EXPECT_EQ(made.token().hint(), made.text().substr(made.text().size() - 4));
  EXPECT_FALSE(made.token().has_expire_time());
  EXPECT_FALSE(made.token().has_last_used_time());
  EXPECT_FALSE(made.token().is_revoked());
  const auto found = server_.Lookup(made.text());
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->token_id(), made.token().id());
  EXPECT_EQ(found->kind(), v1::CREDENTIAL_KIND_API);
  EXPECT_FALSE(found->principal().is_narrowed());
  EXPECT_EQ(database_.Count("auth.credentials k WHERE k::text LIKE '%" + made.text() + "%'"), 0);
  EXPECT_EQ(database_.Count("auth.audit_events k WHERE k::text LIKE '%" + made.text() + "%'"), 0);
}

TEST_F(TokenServiceTest, AKeyIsNarrowedToItsScopes) {
  const std::string id = database_.AddUser("ada", "admin");
  const auto made = CreateOk("ADA", Key({"llm.chat", "view_logs", "llm.chat"}));
  EXPECT_EQ(made.text().rfind("gh_", 0), 0u);
  EXPECT_THAT(made.token().scopes(), ElementsAre("llm.chat", "view_logs"));
  EXPECT_EQ(made.token().name(), "");
  auto found = server_.Lookup(made.text());
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_TRUE(found->principal().is_narrowed());
  EXPECT_THAT(found->principal().scopes(), ElementsAre("llm.chat", "view_logs"));
  database_.Execute("UPDATE auth.users SET role = 'user'");
  found = server_.Lookup(made.text());
  EXPECT_THAT(found->principal().scopes(), ElementsAre("llm.chat"))
      << "only what the owner holds now";
  const auto everything = CreateOk(id, Key({"llm.chat", "*"}));
  EXPECT_THAT(everything.token().scopes(), ElementsAre("*"));
  EXPECT_FALSE(server_.Lookup(everything.text())->principal().is_narrowed());
}

TEST_F(TokenServiceTest, NamesItsOwnerByIdNumberOrName) {
  const std::string id = database_.AddUser("ada");
  const std::string number = database_.Select("SELECT number FROM auth.users");
  for (const std::string& user : {id, number, std::string("Ada")}) {
    EXPECT_EQ(CreateOk(user).token().user_id(), id) << user;
  }
  for (const std::string& user : {std::string("bob"), std::string(), UuidV7()}) {
    EXPECT_EQ(Reason(Create(user, [](auto&) {}).status()), "USER_NOT_FOUND") << user;
  }
  database_.Execute("UPDATE auth.users SET is_active = false");
  EXPECT_EQ(Reason(Create(id, [](auto&) {}).status()), "USER_NOT_FOUND") << "may not log in";
}

TEST_F(TokenServiceTest, RefusesWhatBreaksARule) {
  database_.AddUser("ada");
  const auto reason = [&](const Set& set) { return Reason(Create("ada", set).status()); };
  EXPECT_EQ(reason([](auto& r) { r.clear_name(); }), "NAME_INVALID");
  EXPECT_EQ(reason([](auto& r) { r.set_kind(v1::CREDENTIAL_KIND_TOKEN); }), "KIND_INVALID");
  EXPECT_EQ(reason([](auto& r) { r.clear_kind(); }), "KIND_INVALID");
  EXPECT_EQ(reason(Key({})), "SCOPE_INVALID");
  EXPECT_EQ(reason(Key({"a b"})), "SCOPE_INVALID");
  EXPECT_EQ(reason(Key({"llm.chat", "admin"})), "SCOPE_NOT_HELD");
  EXPECT_EQ(reason([](auto& r) { r.add_scopes("manage_users"); }), "SCOPE_NOT_HELD");
  EXPECT_EQ(reason([](auto& r) { r.mutable_expire_time()->set_nanos(-1); }), "EXPIRE_TIME_INVALID");
  EXPECT_EQ(reason([](auto& r) { r.mutable_expire_time()->set_seconds(INT64_MAX); }),
            "EXPIRE_TIME_INVALID");
  EXPECT_EQ(reason([](auto& r) {
              Key({"llm.chat"})(r);
              r.mutable_expire_time()->set_seconds(1);
            }),
            "EXPIRE_TIME_INVALID");
  EXPECT_EQ(database_.Count("auth.credentials"), 0);
  EXPECT_EQ(database_.Count("auth.audit_events"), 0);
}

TEST_F(TokenServiceTest, TheEndIsKept) {
  database_.AddUser("ada");
  const Time end = SystemClock().Now() + std::chrono::hours(1);
  const auto made =
      CreateOk("ada", [&](auto& r) { *r.mutable_expire_time() = rpc::ToTimestamp(end); });
  EXPECT_EQ(made.token().expire_time().SerializeAsString(),
            rpc::ToTimestamp(end).SerializeAsString());
  EXPECT_EQ(server_.Lookup(made.text())->expire_time().SerializeAsString(),
            rpc::ToTimestamp(end).SerializeAsString());
  const auto dead = CreateOk("ada", [](auto& r) { r.mutable_expire_time()->set_seconds(1); });
  EXPECT_EQ(Reason(server_.Lookup(dead.text()).status()), "TOKEN_NOT_FOUND") << "born dead";
}

TEST_F(TokenServiceTest, OthersMakeTokensForThemselvesOnly) {
  const std::string ada = database_.AddUser("ada");
  const std::string mod = database_.AddUser("mod", "moderator");
  database_.AddUser("root", "admin");
  const rpc::CallOptions as_mod = As(mod, "mod", "moderator");
  const auto reason = [&](const std::string& user) {
    return Reason(Create(
                      user, [](auto&) {}, as_mod)
                      .status());
  };
  EXPECT_EQ(reason(ada), "ADMIN_REQUIRED");
  EXPECT_EQ(reason("root"), "USER_NOT_FOUND");
  EXPECT_EQ(reason(mod), "");
  rpc::CallOptions narrowed = as_mod;
  narrowed.principal.set_is_narrowed(true);
  narrowed.principal.add_scopes("llm.chat");
  EXPECT_TRUE(Create(mod, Key({"llm.chat"}), narrowed).ok());
  EXPECT_EQ(Reason(Create(mod, Key({"llm.embed"}), narrowed).status()), "SCOPE_NOT_HELD");
  EXPECT_EQ(Reason(Create(
                       mod, [](auto&) {}, narrowed)
                       .status()),
            "SCOPE_NOT_HELD");
}

TEST_F(TokenServiceTest, AThousandMayLive) {
  const std::string id = database_.AddUser("ada");
  const auto made = CreateOk(id);
  database_.Execute(
      "INSERT INTO auth.credentials (id, user_id, kind, digest, epoch, expire_time)"
      " SELECT gen_random_uuid(), '" +
      id +
      "', 'key', sha256(n::text::bytea), 0,"
      " CASE WHEN n > 998 THEN now() END FROM generate_series(1, 1200) n");
  CreateOk(id);
  const absl::Status refused = Create(id, [](auto&) {}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Reason(refused), "TOKENS_TOO_MANY");
  ASSERT_TRUE(Revoke(made.token().id()).ok());
  CreateOk(id);
  EXPECT_EQ(Reason(Create(id, Key({"llm.chat"})).status()), "TOKENS_TOO_MANY");
}

TEST_F(TokenServiceTest, ParallelMakersKeepTheLimit) {
  const std::string id = database_.AddUser("ada");
  database_.Execute(
      "INSERT INTO auth.credentials (id, user_id, kind, digest, epoch)"
      " SELECT gen_random_uuid(), '" +
      id + "', 'api', sha256(n::text::bytea), 0 FROM generate_series(1, 997) n");
  std::vector<std::thread> threads;
  std::atomic<int> made = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { made += Create(id, [](auto&) {}).ok() ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made, 3);
}

TEST_F(TokenServiceTest, ListsTheNewestFirstDeadOnesIncluded) {
  const std::string ada = database_.AddUser("ada");
  const std::string bob = database_.AddUser("bob");
  std::string first;
  for (const char* name : {"one", "two", "three"}) {
    const auto made = CreateOk(ada, [&](auto& r) { r.set_name(name); });
    if (first.empty()) first = made.token().id();
  }
  CreateOk(ada, Key({"llm.chat"}));
  CreateOk(bob, [](auto& r) { r.set_name("bobs"); });
  server_.Issue(ada);
  ASSERT_TRUE(Revoke(first).ok());
  EXPECT_THAT(Names(List([](auto&) {})), ElementsAre("bobs", "", "three", "two", "one"));
  v1::ListTokensResponse page = List([&](auto& r) {
    r.set_user_id(ada);
    r.set_page_size(3);
  });
  EXPECT_THAT(Names(page), ElementsAre("", "three", "two"));
  EXPECT_EQ(page.total(), 4);
  EXPECT_FALSE(page.tokens(1).is_revoked());
  page = List([&](auto& r) {
    r.set_user_id(ada);
    r.set_page_token(page.next_page_token());
  });
  EXPECT_THAT(Names(page), ElementsAre("one"));
  EXPECT_TRUE(page.tokens(0).is_revoked());
  EXPECT_EQ(page.next_page_token(), "");
  const auto keys = List([](auto& r) { r.set_kind(v1::CREDENTIAL_KIND_KEY); });
  EXPECT_EQ(keys.total(), 1);
  EXPECT_EQ(keys.tokens(0).username(), "ada");
}

TEST_F(TokenServiceTest, ListsWhatAnEpochHasKilledAsRevoked) {
  const std::string id = database_.AddUser("ada");
  CreateOk(id);
  const auto is_revoked = [&] { return List([](auto&) {}).tokens(0).is_revoked(); };
  EXPECT_FALSE(is_revoked());
  const std::vector<std::function<void(pg::Tx&)>> revocations = {
      [&](pg::Tx& tx) { RaiseUserEpoch(tx, id); },
      [&](pg::Tx& tx) {
        RaiseTenantEpoch(tx, tx.exec("SELECT id FROM auth.tenants")[0][0].as<std::int64_t>());
      },
      [](pg::Tx& tx) { RaiseGlobalEpoch(tx); }};
  for (const auto& revocation : revocations) {
    const std::string text = CreateOk(id).text();
    EXPECT_FALSE(is_revoked());
    ASSERT_TRUE(database_.db()
                    .InTransaction([&](pg::Tx& tx) -> absl::Status {
                      revocation(tx);
                      return absl::OkStatus();
                    })
                    .ok());
    EXPECT_TRUE(is_revoked());
    EXPECT_EQ(server_.Live({text}), 0);
  }
}

TEST_F(TokenServiceTest, ListsRefuseWhatIsNone) {
  const auto reason = [&](const std::function<void(v1::ListTokensRequest&)>& set) {
    v1::ListTokensRequest request;
    set(request);
    return Reason(server_.gateway().Call(Api::kListTokens, request).status());
  };
  EXPECT_EQ(reason([](auto& r) { r.set_page_size(-1); }), "PAGE_SIZE_INVALID");
  EXPECT_EQ(reason([](auto& r) { r.set_page_token("x"); }), "PAGE_TOKEN_INVALID");
  EXPECT_EQ(reason([](auto& r) { r.set_user_id("ada"); }), "USER_ID_INVALID");
  EXPECT_EQ(reason([](auto& r) { r.set_kind(v1::CREDENTIAL_KIND_TOKEN); }), "KIND_INVALID");
}

TEST_F(TokenServiceTest, OthersSeeAndRevokeNoTokensOfAdministrators) {
  const std::string root = database_.AddUser("root", "admin");
  const std::string mod = database_.AddUser("mod", "moderator");
  const auto roots = CreateOk(root);
  const auto mods = CreateOk(mod, [](auto& r) { r.set_name("mods"); });
  const rpc::CallOptions as_mod = As(mod, "mod", "moderator");
  const auto seen = List([](auto&) {}, as_mod);
  EXPECT_THAT(Names(seen), ElementsAre("mods"));
  EXPECT_EQ(seen.total(), 1);
  EXPECT_EQ(Reason(Revoke(roots.token().id(), "", as_mod)), "TOKEN_NOT_FOUND");
  EXPECT_EQ(server_.Live({roots.text()}), 1);
  EXPECT_EQ(database_.Count("auth.control_log WHERE kind <> 'keys'"), 0);
  rpc::CallOptions narrowed = As(root, "root", "admin");
  narrowed.principal.set_is_narrowed(true);
  EXPECT_EQ(List([](auto&) {}, narrowed).total(), 2) << "one's own";
}

TEST_F(TokenServiceTest, RevokesOnceForGood) {
  const std::string id = database_.AddUser("ada");
  const auto made = CreateOk(id, Key({"llm.chat"}));
  const rpc::CallOptions as = As(id, "ada");
  ASSERT_TRUE(Revoke(made.token().id(), id, as).ok());
  EXPECT_EQ(server_.Live({made.text()}), 0);
  EXPECT_TRUE(Revoke(made.token().id(), id, as).ok()) << "again";
  EXPECT_EQ(database_.Count("auth.control_log WHERE kind = 'revocation' AND subject = '" +
                            made.token().id() + "'"),
            1);
  for (const char* type : {"token_created", "token_revoked"}) {
    EXPECT_EQ(database_.Count("auth.audit_events WHERE type = '" + std::string(type) +
                              "' AND target = 'token/" + made.token().id() +
                              "' AND details->'scopes'->>0 = 'llm.chat'"),
              1)
        << type;
  }
}

TEST_F(TokenServiceTest, RevokesNoOthersAndNoLogins) {
  const std::string ada = database_.AddUser("ada");
  const std::string bob = database_.AddUser("bob");
  const auto made = CreateOk(ada);
  const IssuedCredential login = server_.Issue(ada);
  EXPECT_EQ(Reason(Revoke(made.token().id(), bob)), "TOKEN_NOT_FOUND");
  EXPECT_EQ(Reason(Revoke(made.token().id(), "bob")), "TOKEN_NOT_FOUND");
  EXPECT_EQ(Reason(Revoke(login.credential_id, ada)), "TOKEN_NOT_FOUND");
  EXPECT_EQ(Reason(Revoke(UuidV7())), "TOKEN_NOT_FOUND");
  EXPECT_EQ(Reason(Revoke("x")), "TOKEN_NOT_FOUND");
  EXPECT_EQ(server_.Live({made.text(), login.token}), 2);
}

TEST_F(TokenServiceTest, ATokenMadeBeforeARevocationDiesAndOneMadeAfterLives) {
  const std::string id = database_.AddUser("ada");
  const std::string before = CreateOk(id).text();
  RevokeUser(id);
  const std::string after = CreateOk(id).text();
  EXPECT_EQ(server_.Live({before}), 0);
  EXPECT_EQ(server_.Live({after}), 1);
}

// Whoever's credentials are all revoked while a request for a new one is under way
// must not get it: it may be the thief who asks.
TEST_F(TokenServiceTest, ARevocationEndsARequestOfTheOwnerUnderWay) {
  const std::string id = database_.AddUser("ada");
  absl::Status own, admins;
  std::vector<std::thread> makers;
  ASSERT_TRUE(database_.db()
                  .InTransaction([&](pg::Tx& tx) -> absl::Status {
                    RaiseUserEpoch(tx, id);
                    makers.emplace_back([&] {
                      own = Create(
                                id, [](auto& r) { r.set_name("own"); }, As(id, "ada"))
                                .status();
                    });
                    makers.emplace_back([&] {
                      admins = Create(
                                   id, [](auto&) {}, As(UuidV7(), "root", "admin"))
                                   .status();
                    });
                    EXPECT_TRUE(database_.EventuallySomebodyWaits(2));
                    return absl::OkStatus();
                  })
                  .ok());
  for (std::thread& maker : makers) maker.join();
  EXPECT_EQ(Reason(own), "CREDENTIALS_INVALID");
  EXPECT_TRUE(admins.ok()) << admins;
  EXPECT_EQ(database_.Count("auth.credentials WHERE name = 'own'"), 0);
}

TEST_F(TokenServiceTest, NoTokenOutlivesTheRevocationsThatRaceIt) {
  const std::string id = database_.AddUser("ada");
  std::vector<std::string> texts(12);
  std::vector<std::thread> threads;
  for (std::string& text : texts) {
    threads.emplace_back([&] {
      const auto made = Create(id, [](auto&) {});
      if (made.ok()) text = made->text();
    });
    if (threads.size() % 4 == 0) threads.emplace_back([&] { RevokeUser(id); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(database_.Count("auth.credentials k, auth.users u WHERE k.revoke_time IS NULL"
                            " AND k.epoch < u.epoch"),
            0);
  RevokeUser(id);
  EXPECT_EQ(server_.Live(texts), 0);
}

}  // namespace
}  // namespace gatehouse::auth
