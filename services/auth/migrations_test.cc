#include "services/auth/migrations.h"

#include <gtest/gtest.h>

#include "libs/base/secret.h"
#include "libs/pg/testing.h"
#include "services/auth/credential_store.h"

namespace gatehouse::auth {
namespace {

constexpr char kUser[] = "0198c0de-0000-7000-8000-00000000ada0";

// An installation from before all credentials were rows of one table.
TEST(MigrationsTest, TokensOfBeforeLiveOnAndTheDeadStayDead) {
  const std::vector<pg::Migration> all = Migrations();
  ASSERT_EQ(all[3].name, "0004_create_credentials");
  pg::testing::TestDatabase database("auth", {all.begin(), all.begin() + 3});
  const auto token = [](const std::string& text, int epoch, const std::string& revoke_time) {
    return "INSERT INTO auth.tokens (id, user_id, digest, kind, epoch, revoke_time) VALUES"
           " (gen_random_uuid(), '" +
           std::string(kUser) + "', sha256('" + text + "'), 'token', " + std::to_string(epoch) +
           ", " + revoke_time + ");";
  };
  pg::testing::Cluster::Get().Execute(
      database.name(),
      "INSERT INTO auth.tenants (client_id, name) VALUES ('ada', 'Ada');"
      "INSERT INTO auth.users (id, username, email, password_hash, role, tenant_id, epoch)"
      " SELECT '" +
          std::string(kUser) +
          "', 'ada', 'ada@example.com', 'x', 'user', id, 2 FROM auth.tenants;"
          "UPDATE auth.control_head SET sequence = 5;" +
          token("live", 2, "NULL") + token("outdated", 1, "NULL") + token("revoked", 2, "now()"));

  const auto applied = pg::Migrate(database.Url("gatehouse_auth_owner"), "auth", all);
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_EQ(applied->size(), all.size() - 3);

  const auto lives = [&](const std::string& text) {
    const auto found = database.db().Read([&](pg::Tx& tx) -> absl::StatusOr<bool> {
      return LookupCredential(tx, Sha256(text)).has_value();
    });
    return found.ok() && *found;
  };
  EXPECT_TRUE(lives("live"));
  EXPECT_FALSE(lives("outdated"));
  EXPECT_FALSE(lives("revoked"));
}

}  // namespace
}  // namespace gatehouse::auth
