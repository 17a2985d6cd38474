#include "services/auth/user_store.h"

#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"
#include "services/auth/control_store.h"

namespace gatehouse::auth {
namespace {

constexpr char kTenantColumns[] = "t.id, t.client_id, t.name, t.tier, ";

Tenant TenantFromRow(const pqxx::row& row, int first) {
  Tenant tenant;
  tenant.id = row[first].as<std::int64_t>();
  tenant.client_id = row[first + 1].as<std::string>();
  tenant.name = row[first + 2].as<std::string>();
  tenant.tier = row[first + 3].as<std::string>();
  tenant.create_time = FromMicros(row[first + 4].as<std::int64_t>());
  return tenant;
}

std::string TenantSelect(const std::string& where) {
  return absl::StrCat("SELECT ", kTenantColumns, pg::MicrosOf("t.create_time"),
                      " FROM auth.tenants t ", where);
}

std::string UserSelect(const std::string& where) {
  return absl::StrCat(
      "SELECT u.id, u.number, u.username, u.email, u.role, u.is_active, u.rate_limit_per_second,"
      " u.rate_limit_burst, u.first_name, u.last_name, u.settings, u.profile_number, u.epoch, ",
      pg::MicrosOf("u.create_time"), ", ", pg::MicrosOf("u.update_time"), ", ", kTenantColumns,
      pg::MicrosOf("t.create_time"),
      " FROM auth.users u JOIN auth.tenants t ON t.id = u.tenant_id ", where);
}

std::optional<User> UserFromRows(const pqxx::result& rows) {
  if (rows.empty()) return std::nullopt;
  const pqxx::row row = rows[0];
  User user;
  user.id = row[0].as<std::string>();
  user.number = row[1].as<std::int64_t>();
  user.username = row[2].as<std::string>();
  user.email = row[3].as<std::string>();
  user.role = row[4].as<std::string>();
  user.is_active = row[5].as<bool>();
  user.rate_limit_per_second = pg::Optional<int>(row[6]).value_or(0);
  user.rate_limit_burst = pg::Optional<int>(row[7]).value_or(0);
  user.first_name = row[8].as<std::string>();
  user.last_name = row[9].as<std::string>();
  user.settings_json = row[10].as<std::string>();
  user.profile_number = row[11].as<std::int64_t>();
  user.epoch = row[12].as<std::int64_t>();
  user.create_time = FromMicros(row[13].as<std::int64_t>());
  user.update_time = FromMicros(row[14].as<std::int64_t>());
  user.tenant = TenantFromRow(row, 15);
  return user;
}

std::optional<Tenant> TenantFromRows(const pqxx::result& rows) {
  if (rows.empty()) return std::nullopt;
  return TenantFromRow(rows[0], 0);
}

std::optional<LoginRow> LoginFromRows(const pqxx::result& rows) {
  if (rows.empty()) return std::nullopt;
  return LoginRow{.user_id = rows[0][0].as<std::string>(),
                  .username = rows[0][1].as<std::string>(),
                  .tenant_id = rows[0][2].as<std::int64_t>(),
                  .password_hash = rows[0][3].as<std::string>(),
                  .is_active = rows[0][4].as<bool>()};
}

}  // namespace

std::optional<LoginRow> FindLogin(pg::Tx& tx, const std::string& username_or_email) {
  // A username has no "@" and an address has one, so at most one row fits.
  static constexpr char kFind[] = R"(
  SELECT id, username, tenant_id, password_hash, is_active FROM auth.users
  WHERE lower(username) = lower($1) OR lower(email) = lower($1))";
  return LoginFromRows(tx.exec_params(kFind, username_or_email));
}

std::optional<User> FindUserById(pg::Tx& tx, const std::string& id) {
  return UserFromRows(tx.exec_params(UserSelect("WHERE u.id = $1"), id));
}

std::optional<User> FindUserByNumber(pg::Tx& tx, std::int64_t number) {
  return UserFromRows(tx.exec_params(UserSelect("WHERE u.number = $1"), number));
}

std::optional<User> FindUserByUsername(pg::Tx& tx, const std::string& username) {
  return UserFromRows(tx.exec_params(UserSelect("WHERE lower(u.username) = lower($1)"), username));
}

std::optional<Tenant> FindTenant(pg::Tx& tx, std::int64_t id) {
  return TenantFromRows(tx.exec_params(TenantSelect("WHERE t.id = $1"), id));
}

std::optional<Tenant> FindTenantByClientId(pg::Tx& tx, const std::string& client_id) {
  return TenantFromRows(tx.exec_params(TenantSelect("WHERE t.client_id = $1"), client_id));
}

std::optional<Tenant> InsertTenant(pg::Tx& tx, const std::string& client_id,
                                   const std::string& name) {
  const std::string insert = absl::StrCat(
      "INSERT INTO auth.tenants AS t (client_id, name) VALUES ($1, $2)"
      " ON CONFLICT (client_id) DO NOTHING RETURNING ",
      kTenantColumns, pg::MicrosOf("t.create_time"));
  return TenantFromRows(tx.exec_params(insert, client_id, name));
}

User InsertUser(pg::Tx& tx, const NewUser& user) {
  static constexpr char kInsert[] = R"(
  INSERT INTO auth.users
    (id, username, email, password_hash, role, tenant_id, passkey_digest)
  VALUES ($1, $2, $3, $4, $5, $6, nullif($7, ''::bytea)))";
  tx.exec_params(kInsert, user.id, user.username, user.email, user.password_hash, user.role,
                 user.tenant_id, pg::ToBytea(user.passkey_digest));
  return *FindUserById(tx, user.id);
}

bool IsUsernameTaken(pg::Tx& tx, const std::string& username) {
  return !tx.exec_params("SELECT 1 FROM auth.users WHERE lower(username) = lower($1)", username)
              .empty();
}

bool IsEmailTaken(pg::Tx& tx, const std::string& email) {
  return !tx.exec_params("SELECT 1 FROM auth.users WHERE lower(email) = lower($1)", email).empty();
}

std::optional<LoginRow> FindSignedUp(pg::Tx& tx, const std::string& username,
                                     const std::string& email, const std::string& passkey_digest) {
  static constexpr char kFind[] = R"(
  SELECT id, username, tenant_id, password_hash, is_active FROM auth.users
  WHERE lower(username) = lower($1) AND lower(email) = lower($2) AND passkey_digest = $3
    AND is_active)";
  return LoginFromRows(tx.exec_params(kFind, username, email, pg::ToBytea(passkey_digest)));
}

std::int64_t RaiseEpoch(pg::Tx& tx, const std::string& user_id) {
  static constexpr char kRaise[] = R"(
  UPDATE auth.users SET epoch = epoch + 1, update_time = now() WHERE id = $1 RETURNING epoch)";
  static constexpr char kRevoke[] = R"(
  UPDATE auth.tokens SET revoke_time = now() WHERE user_id = $1 AND revoke_time IS NULL)";
  const auto epoch = tx.exec_params(kRaise, user_id)[0][0].as<std::int64_t>();
  // Dead by the epoch already; the mark keeps them out of the count of live ones.
  tx.exec_params(kRevoke, user_id);
  AppendEpochChange(tx, "user/" + user_id, epoch);
  return epoch;
}

}  // namespace gatehouse::auth
