#include "services/auth/user_store.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"
#include "libs/base/uuid.h"
#include "services/auth/tenant_store.h"

namespace gatehouse::auth {
namespace {

std::string UserSelect(const std::string& where) {
  return absl::StrCat(
      "SELECT u.id, u.number, u.username, u.email, u.role, r.permissions, u.is_active,"
      " u.is_revoked, u.password_change_required,"
      " coalesce(u.rate_limit_per_second, r.rate_limit_per_second),"
      " coalesce(u.rate_limit_burst, r.rate_limit_burst), u.first_name, u.last_name, u.settings,"
      " u.profile_number, u.notes, u.disable_reason, u.stripe_customer_id, u.epoch, ",
      pg::MicrosOf("u.create_time"), ", ", pg::MicrosOf("u.update_time"), ", ", TenantColumns(),
      " FROM auth.users u JOIN auth.tenants t ON t.id = u.tenant_id"
      " JOIN auth.roles r ON r.role = u.role ",
      where);
}

User UserFromRow(const pqxx::row& row) {
  User user;
  user.id = row[0].as<std::string>();
  user.number = row[1].as<std::int64_t>();
  user.username = row[2].as<std::string>();
  user.email = row[3].as<std::string>();
  user.role = row[4].as<std::string>();
  user.permissions = pg::Texts(row[5]);
  std::sort(user.permissions.begin(), user.permissions.end());
  user.is_active = row[6].as<bool>();
  user.is_revoked = row[7].as<bool>();
  user.password_change_required = row[8].as<bool>();
  user.rate_limit_per_second = row[9].as<int>();
  user.rate_limit_burst = row[10].as<int>();
  user.first_name = row[11].as<std::string>();
  user.last_name = row[12].as<std::string>();
  user.settings_json = row[13].as<std::string>();
  user.profile_number = row[14].as<std::int64_t>();
  user.notes = row[15].as<std::string>();
  user.disable_reason = row[16].as<std::string>();
  user.stripe_customer_id = row[17].as<std::string>();
  user.epoch = row[18].as<std::int64_t>();
  user.create_time = FromMicros(row[19].as<std::int64_t>());
  user.update_time = FromMicros(row[20].as<std::int64_t>());
  user.tenant = TenantFromRow(row, 21);
  return user;
}

std::optional<User> UserFromRows(const pqxx::result& rows) {
  if (rows.empty()) return std::nullopt;
  return UserFromRow(rows[0]);
}

constexpr char kLoginColumns[] =
    "SELECT id, username, email, tenant_id, password_hash, is_active FROM auth.users ";

std::optional<LoginRow> LoginFromRows(const pqxx::result& rows) {
  if (rows.empty()) return std::nullopt;
  return LoginRow{.user_id = rows[0][0].as<std::string>(),
                  .username = rows[0][1].as<std::string>(),
                  .email = rows[0][2].as<std::string>(),
                  .tenant_id = rows[0][3].as<std::int64_t>(),
                  .password_hash = rows[0][4].as<std::string>(),
                  .is_active = rows[0][5].as<bool>()};
}

std::optional<User> FindUserByNumber(pg::Tx& tx, std::int64_t number) {
  static const std::string kFind = UserSelect("WHERE u.number = $1");
  return UserFromRows(pg::ExecPrepared(tx, kFind, number));
}

// Digits only; nullopt for what no user's number can be.
std::optional<std::int64_t> NumberOf(const std::string& text) {
  std::int64_t number = 0;
  const bool is_digits = std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
  if (!is_digits || !absl::SimpleAtoi(text, &number)) return std::nullopt;
  return number;
}

// Of a UserFilter: $1 search, $2 is_active, $3 hides_admins. No pattern, so nothing
// in `search` needs escaping.
constexpr char kFilter[] = R"(
  WHERE ($1 = '' OR strpos(lower(u.username), lower($1)) > 0
                 OR strpos(lower(u.email), lower($1)) > 0)
    AND ($2::boolean IS NULL OR u.is_active = $2)
    AND (NOT $3::boolean OR u.role <> 'admin'))";

}  // namespace

std::optional<LoginRow> FindLogin(pg::Tx& tx, const std::string& username_or_email) {
  // A username has no "@" and an address has one, so at most one row fits.
  static const std::string kFind =
      absl::StrCat(kLoginColumns, "WHERE lower(username) = lower($1) OR lower(email) = lower($1)");
  return LoginFromRows(pg::ExecPrepared(tx, kFind, username_or_email));
}

std::optional<LoginRow> FindLoginById(pg::Tx& tx, const std::string& user_id) {
  static const std::string kFind = absl::StrCat(kLoginColumns, "WHERE id = $1");
  return LoginFromRows(pg::ExecPrepared(tx, kFind, user_id));
}

std::optional<User> FindUserById(pg::Tx& tx, const std::string& id) {
  static const std::string kFind = UserSelect("WHERE u.id = $1");
  return UserFromRows(pg::ExecPrepared(tx, kFind, id));
}

std::optional<User> FindUserByUsername(pg::Tx& tx, const std::string& username) {
  static const std::string kFind = UserSelect("WHERE lower(u.username) = lower($1)");
  return UserFromRows(pg::ExecPrepared(tx, kFind, username));
}

std::optional<User> FindUser(pg::Tx& tx, const std::string& text, UserKey forms) {
  const bool may_be_number = forms == UserKey::kIdOrNumber || forms == UserKey::kAny;
  if (forms != UserKey::kUsername && IsUuid(text)) {
    if (std::optional<User> user = FindUserById(tx, text)) return user;
  }
  if (const auto number = may_be_number ? NumberOf(text) : std::nullopt) {
    if (std::optional<User> user = FindUserByNumber(tx, *number)) return user;
  }
  // The database would read no further than a NUL.
  if (forms == UserKey::kIdOrNumber || text.find('\0') != std::string::npos) return std::nullopt;
  return FindUserByUsername(tx, text);
}

std::vector<User> ListUsers(pg::Tx& tx, const UserFilter& filter,
                            const std::optional<rpc::PagePosition>& after, int skip, int limit) {
  static const std::string kList = UserSelect(absl::StrCat(kFilter, R"(
    AND ($4::bigint IS NULL
         OR (u.create_time, u.id) < (to_timestamp($4::bigint / 1000000.0), $5::uuid))
  ORDER BY u.create_time DESC, u.id DESC OFFSET $6 LIMIT $7)"));
  std::optional<std::int64_t> micros;
  std::optional<std::string> id;
  if (after) {
    micros = ToMicros(after->time);
    id = after->id;
  }
  std::vector<User> users;
  for (const pqxx::row& row : tx.exec_params(kList, filter.search, filter.is_active,
                                             filter.hides_admins, micros, id, skip, limit)) {
    users.push_back(UserFromRow(row));
  }
  return users;
}

std::int64_t CountUsers(pg::Tx& tx, const UserFilter& filter) {
  static const std::string kCount = absl::StrCat("SELECT count(*) FROM auth.users u ", kFilter);
  return tx.exec_params(kCount, filter.search, filter.is_active, filter.hides_admins)[0][0]
      .as<std::int64_t>();
}

User InsertUser(pg::Tx& tx, const NewUser& user) {
  static constexpr char kInsert[] = R"(
  INSERT INTO auth.users
    (id, username, email, password_hash, role, tenant_id, passkey_digest, first_name, last_name,
     rate_limit_per_second, rate_limit_burst)
  VALUES ($1, $2, $3, $4, $5, $6, nullif($7, ''::bytea), $8, $9, $10, $11))";
  tx.exec_params(kInsert, user.id, user.username, user.email, user.password_hash, user.role,
                 user.tenant_id, pg::ToBytea(user.passkey_digest), user.first_name, user.last_name,
                 user.rate_limit_per_second, user.rate_limit_burst);
  return *FindUserById(tx, user.id);
}

void SaveChange(pg::Tx& tx, const std::string& user_id, const UserChange& change) {
  static constexpr char kSave[] = R"(
  UPDATE auth.users SET
    username = coalesce($2, username),
    email = coalesce($3, email),
    role = coalesce($4, role),
    is_active = coalesce($5, is_active),
    disable_reason = coalesce($6, disable_reason),
    tenant_id = coalesce($7, tenant_id),
    rate_limit_per_second = CASE WHEN $8::int IS NULL THEN rate_limit_per_second
                                 ELSE nullif($8::int, 0) END,
    rate_limit_burst = CASE WHEN $9::int IS NULL THEN rate_limit_burst
                            ELSE nullif($9::int, 0) END,
    first_name = coalesce($10, first_name),
    last_name = coalesce($11, last_name),
    settings = coalesce($12::jsonb, settings),
    notes = coalesce($13, notes),
    stripe_customer_id = coalesce($14, stripe_customer_id),
    update_time = now()
  WHERE id = $1)";
  tx.exec_params(kSave, user_id, change.username, change.email, change.role, change.is_active,
                 change.disable_reason, change.tenant_id, change.rate_limit_per_second,
                 change.rate_limit_burst, change.first_name, change.last_name, change.settings_json,
                 change.notes, change.stripe_customer_id);
}

void SetPassword(pg::Tx& tx, const std::string& user_id, const std::string& password_hash,
                 bool must_change) {
  static constexpr char kSet[] = R"(
  UPDATE auth.users
  SET password_hash = $2, password_change_required = $3, update_time = now() WHERE id = $1)";
  tx.exec_params(kSet, user_id, password_hash, must_change);
}

void SetRevoked(pg::Tx& tx, const std::string& user_id, bool is_revoked) {
  static constexpr char kSet[] = R"(
  UPDATE auth.users SET is_revoked = $2, update_time = now()
  WHERE id = $1 AND is_revoked <> $2)";
  tx.exec_params(kSet, user_id, is_revoked);
}

std::vector<std::string> LockActiveAdmins(pg::Tx& tx) {
  static constexpr char kLock[] = R"(
  SELECT id FROM auth.users WHERE role = 'admin' AND is_active ORDER BY id FOR NO KEY UPDATE)";
  std::vector<std::string> ids;
  for (const pqxx::row& row : tx.exec(kLock)) ids.push_back(row[0].as<std::string>());
  return ids;
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
  static const std::string kFind = absl::StrCat(
      kLoginColumns,
      "WHERE lower(username) = lower($1) AND lower(email) = lower($2) AND passkey_digest = $3"
      " AND is_active");
  return LoginFromRows(tx.exec_params(kFind, username, email, pg::ToBytea(passkey_digest)));
}

}  // namespace gatehouse::auth
