#include "services/auth/tenant_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "gatehouse/auth/v1/tenant.methods.h"
#include "libs/base/uuid.h"
#include "services/auth/auth_testing.h"

namespace gatehouse::auth {
namespace {

using testing::As;
using ::testing::ElementsAre;
using Api = v1::TenantService;

class TenantServiceTest : public ::testing::Test {
 protected:
  absl::StatusOr<v1::Tenant> Create(const std::string& client_id, const std::string& name,
                                    const rpc::CallOptions& as = {}) {
    v1::CreateTenantRequest request;
    request.set_client_id(client_id);
    request.set_name(name);
    return server_.gateway().Call(Api::kCreateTenant, request, as);
  }

  absl::StatusOr<v1::Tenant> Get(std::int64_t id) {
    v1::GetTenantRequest request;
    request.set_id(id);
    return server_.gateway().Call(Api::kGetTenant, request);
  }

  absl::StatusOr<v1::ListTenantsResponse> List(int page_size, const std::string& page_token = "") {
    v1::ListTenantsRequest request;
    request.set_page_size(page_size);
    request.set_page_token(page_token);
    return server_.gateway().Call(Api::kListTenants, request);
  }

  absl::Status SetTier(std::int64_t id, const std::string& tier, std::int64_t version,
                       const std::string& caller = "billing") {
    v1::SetTenantTierRequest request;
    request.set_tenant_id(id);
    request.set_tier(tier);
    request.set_version(version);
    return server_.client(caller).Call(Api::kSetTenantTier, request).status();
  }

  static std::vector<std::string> ClientIds(const v1::ListTenantsResponse& response) {
    std::vector<std::string> ids;
    for (const v1::Tenant& tenant : response.tenants()) ids.push_back(tenant.client_id());
    return ids;
  }

  testing::AuthDatabase database_;
  testing::AuthServer server_{database_};
};

TEST_F(TenantServiceTest, CreatesATenant) {
  const auto made = Create("Acme_1", "Acme, Ltd", As(UuidV7(), "root", "admin"));
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_GT(made->id(), 0);
  EXPECT_EQ(made->client_id(), "Acme_1");
  EXPECT_EQ(made->name(), "Acme, Ltd");
  EXPECT_EQ(made->tier(), "free");
  EXPECT_EQ(Get(made->id())->SerializeAsString(), made->SerializeAsString());
  EXPECT_EQ(database_.Count("auth.audit_events WHERE type = 'tenant_created'"
                            " AND actor_username = 'root' AND target = 'tenant/" +
                            std::to_string(made->id()) + "'"),
            1);
}

TEST_F(TenantServiceTest, RefusesWhatBreaksARule) {
  EXPECT_EQ(Reason(Create("a", "Acme").status()), "CLIENT_ID_INVALID");
  EXPECT_EQ(Reason(Create("a.b", "Acme").status()), "CLIENT_ID_INVALID");
  EXPECT_EQ(Reason(Create("acme", "").status()), "NAME_INVALID");
  ASSERT_TRUE(Create("acme", "Acme").ok());
  const absl::Status taken = Create("acme", "Another").status();
  EXPECT_EQ(taken.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Reason(taken), "CLIENT_ID_TAKEN");
  EXPECT_EQ(database_.Count("auth.audit_events"), 1);
  EXPECT_EQ(Reason(Get(999999).status()), "TENANT_NOT_FOUND");
}

TEST_F(TenantServiceTest, ListsTheNewestFirstPageByPage) {
  for (const char* id : {"one", "two", "three"}) ASSERT_TRUE(Create(id, id).ok());
  EXPECT_THAT(ClientIds(*List(0)), ElementsAre("three", "two", "one"));
  const auto first = List(2);
  EXPECT_THAT(ClientIds(*first), ElementsAre("three", "two"));
  EXPECT_EQ(first->total(), 3);
  const auto second = List(2, first->next_page_token());
  EXPECT_THAT(ClientIds(*second), ElementsAre("one"));
  EXPECT_EQ(second->next_page_token(), "");
  EXPECT_EQ(Reason(List(-1).status()), "PAGE_SIZE_INVALID");
  EXPECT_EQ(Reason(List(0, "x").status()), "PAGE_TOKEN_INVALID");
}

TEST_F(TenantServiceTest, PagesOfTheLargestIdsWork) {
  // Of the identity's numbers the largest that is possible.
  const auto add = [&](const std::string& id, const std::string& client_id) {
    database_.Execute(
        "INSERT INTO auth.tenants (id, client_id, name) OVERRIDING SYSTEM VALUE"
        " VALUES (" +
        id + ", '" + client_id + "', 'x')");
  };
  add("9223372036854775807", "newest");
  add("9223372036854775806", "next");
  const auto first = List(1);
  EXPECT_THAT(ClientIds(*first), ElementsAre("newest"));
  EXPECT_THAT(ClientIds(*List(1, first->next_page_token())), ElementsAre("next"));
}

TEST_F(TenantServiceTest, TheTierOfTheNewestVersionStays) {
  const std::string token = server_.Issue(database_.AddUser("ada")).token;
  const std::int64_t id = server_.Lookup(token)->principal().tenant_id();
  ASSERT_TRUE(SetTier(id, "starter", 2).ok());
  EXPECT_EQ(server_.Lookup(token)->principal().tier(), "starter") << "the credential lives on";
  ASSERT_TRUE(SetTier(id, "starter", 2).ok()) << "again";
  ASSERT_TRUE(SetTier(id, "enterprise", 2).ok()) << "the same version";
  ASSERT_TRUE(SetTier(id, "free", 1).ok()) << "late";
  EXPECT_EQ(Get(id)->tier(), "starter");
  ASSERT_TRUE(SetTier(id, "starter", 3).ok());
  EXPECT_EQ(database_.Count("auth.control_log WHERE kind <> 'keys'"), 1) << "only a change is told";
  EXPECT_EQ(database_.Select("SELECT subject FROM auth.control_log WHERE kind = 'change'"),
            "tenant/" + std::to_string(id));
  ASSERT_TRUE(SetTier(id, "free", 4).ok());
  EXPECT_EQ(Get(id)->tier(), "free");
}

TEST_F(TenantServiceTest, ContactsAreTheActiveUsersOfTheTenantAlone) {
  const auto contacts = [&](std::int64_t id, const std::string& caller = "billing") {
    v1::ListTenantContactsRequest request;
    request.set_tenant_id(id);
    return server_.client(caller).Call(Api::kListTenantContacts, request);
  };
  const std::string token = server_.Issue(database_.AddUser("ada")).token;
  const std::int64_t id = server_.Lookup(token)->principal().tenant_id();
  const std::string tenant = std::to_string(id);
  ASSERT_TRUE(Create("elsewhere", "Elsewhere").ok());
  database_.Execute("UPDATE auth.users SET email = 'ada@example.com', tenant_id = " + tenant);
  for (const char* name : {"bob", "cyd"}) database_.AddUser(name);
  database_.Execute("UPDATE auth.users SET email = username || '@example.com', tenant_id = " +
                    tenant + ", create_time = now() + interval '1 hour' WHERE username <> 'ada'");
  database_.Execute("UPDATE auth.users SET is_active = false WHERE username = 'cyd'");
  const auto found = contacts(id);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(found->emails(), ElementsAre("ada@example.com", "bob@example.com"));
  EXPECT_EQ(found->tenant_name(), Get(id)->name());
  database_.Execute("UPDATE auth.users SET tenant_id = " +
                    std::to_string(List(1)->tenants(0).id()) + " WHERE username = 'bob'");
  EXPECT_THAT(contacts(id)->emails(), ElementsAre("ada@example.com"));
  EXPECT_EQ(Reason(contacts(999999).status()), "TENANT_NOT_FOUND");
  EXPECT_EQ(contacts(id, "gateway").status().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(TenantServiceTest, RefusesTiersThatAreNone) {
  ASSERT_TRUE(Create("acme", "Acme").ok());
  const std::int64_t id = List(1)->tenants(0).id();
  EXPECT_EQ(Reason(SetTier(999999, "free", 1)), "TENANT_NOT_FOUND");
  EXPECT_EQ(Reason(SetTier(id, "", 1)), "TIER_INVALID");
  EXPECT_EQ(Reason(SetTier(id, "Gold Plus", 1)), "TIER_INVALID");
  EXPECT_EQ(Reason(SetTier(id, "free", 0)), "VERSION_INVALID");
}

TEST_F(TenantServiceTest, ParallelTiersEndWithTheNewest) {
  ASSERT_TRUE(Create("acme", "Acme").ok());
  const std::int64_t id = List(1)->tenants(0).id();
  std::vector<std::thread> threads;
  for (int version = 1; version <= 8; ++version) {
    threads.emplace_back([&, version] {
      EXPECT_TRUE(SetTier(id, "tier-" + std::to_string(version), version).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Get(id)->tier(), "tier-8");
}

TEST_F(TenantServiceTest, OnlyTheNamedCallersMayCall) {
  EXPECT_EQ(SetTier(1, "free", 1, "gateway").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(server_.client("billing").Call(Api::kGetTenant, v1::GetTenantRequest()).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(
      server_.client("jobs").Call(Api::kCreateTenant, v1::CreateTenantRequest()).status().code(),
      absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace gatehouse::auth
