#include "services/auth/token_store.h"

#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"
#include "libs/base/uuid.h"
#include "services/auth/control_store.h"

namespace gatehouse::auth {
namespace {

// The elements of a text[] column.
std::vector<std::string> TextsOf(const pqxx::field& field) {
  std::vector<std::string> texts;
  auto parser = field.as_array();
  for (auto next = parser.get_next(); next.first != pqxx::array_parser::done;
       next = parser.get_next()) {
    if (next.first == pqxx::array_parser::string_value) texts.push_back(next.second);
  }
  return texts;
}

}  // namespace

std::optional<Issuer> LockIssuer(pg::Tx& tx, const std::string& user_id) {
  static constexpr char kLock[] = R"(
  SELECT epoch, password_hash, is_active FROM auth.users WHERE id = $1 FOR NO KEY UPDATE)";
  const pqxx::result rows = tx.exec_params(kLock, user_id);
  if (rows.empty()) return std::nullopt;
  return Issuer{.epoch = rows[0][0].as<std::int64_t>(),
                .password_hash = rows[0][1].as<std::string>(),
                .is_active = rows[0][2].as<bool>()};
}

bool InsertToken(pg::Tx& tx, const std::string& user_id, std::int64_t epoch,
                 const std::string& digest) {
  static constexpr char kInsert[] = R"(
  INSERT INTO auth.tokens (id, user_id, digest, kind, epoch) VALUES ($1, $2, $3, 'token', $4))";
  // The new one is kept in any case: now() is the time of its transaction's
  // start, so a token of a transaction that waited longer may look younger.
  static constexpr char kRevokeOldest[] = R"(
  UPDATE auth.tokens SET revoke_time = now()
  WHERE id IN (SELECT id FROM auth.tokens
               WHERE user_id = $1 AND kind = 'token' AND revoke_time IS NULL AND id <> $2
               ORDER BY create_time DESC, id DESC OFFSET $3)
  RETURNING id)";
  const std::string id = UuidV7();
  tx.exec_params(kInsert, id, user_id, pg::ToBytea(digest), epoch);
  const pqxx::result oldest = tx.exec_params(kRevokeOldest, user_id, id, kLiveTokensMax - 1);
  for (const pqxx::row& row : oldest) AppendRevocation(tx, row[0].as<std::string>());
  return !oldest.empty();
}

std::optional<TokenRow> LookupToken(pg::Tx& tx, const std::string& digest) {
  static const std::string kLookup = absl::StrCat(R"(
  SELECT k.id, u.id, u.number, u.username, u.email, u.role, r.permissions,
         coalesce(u.rate_limit_per_second, r.rate_limit_per_second),
         coalesce(u.rate_limit_burst, r.rate_limit_burst),
         t.id, t.client_id, t.tier, u.epoch, )",
                                                  pg::MicrosOf("k.expire_time"), R"(,
         coalesce(k.last_used_time <= now() - interval '1 minute', true),
         (SELECT sequence FROM auth.control_head)
  FROM auth.tokens k
  JOIN auth.users u ON u.id = k.user_id
  JOIN auth.roles r ON r.role = u.role
  JOIN auth.tenants t ON t.id = u.tenant_id
  WHERE k.digest = $1 AND k.revoke_time IS NULL AND u.is_active AND k.epoch >= u.epoch
    AND (k.expire_time IS NULL OR k.expire_time > now()))");
  const pqxx::result rows = tx.exec_params(kLookup, pg::ToBytea(digest));
  if (rows.empty()) return std::nullopt;
  const pqxx::row row = rows[0];
  TokenRow token;
  token.token_id = row[0].as<std::string>();
  token.user_id = row[1].as<std::string>();
  token.user_number = row[2].as<std::int64_t>();
  token.username = row[3].as<std::string>();
  token.email = row[4].as<std::string>();
  token.role = row[5].as<std::string>();
  token.permissions = TextsOf(row[6]);
  token.rate_limit_per_second = row[7].as<int>();
  token.rate_limit_burst = row[8].as<int>();
  token.tenant_id = row[9].as<std::int64_t>();
  token.client_id = row[10].as<std::string>();
  token.tier = row[11].as<std::string>();
  token.epoch = row[12].as<std::int64_t>();
  if (const auto micros = pg::Optional<std::int64_t>(row[13])) {
    token.expire_time = FromMicros(*micros);
  }
  token.use_is_stale = row[14].as<bool>();
  token.control_sequence = row[15].as<std::int64_t>();
  return token;
}

void RecordUse(pg::Tx& tx, const std::string& token_id) {
  static constexpr char kRecord[] = R"(
  UPDATE auth.tokens SET last_used_time = now()
  WHERE id = $1 AND coalesce(last_used_time <= now() - interval '1 minute', true))";
  tx.exec_params(kRecord, token_id);
}

std::optional<RevokedToken> RevokeToken(pg::Tx& tx, const std::string& digest) {
  static constexpr char kRevoke[] = R"(
  UPDATE auth.tokens k SET revoke_time = now()
  FROM auth.users u
  WHERE k.digest = $1 AND k.revoke_time IS NULL AND u.id = k.user_id
  RETURNING k.id, u.id, u.username, u.tenant_id)";
  const pqxx::result rows = tx.exec_params(kRevoke, pg::ToBytea(digest));
  if (rows.empty()) return std::nullopt;
  RevokedToken revoked{.token_id = rows[0][0].as<std::string>(),
                       .user_id = rows[0][1].as<std::string>(),
                       .username = rows[0][2].as<std::string>(),
                       .tenant_id = rows[0][3].as<std::int64_t>()};
  AppendRevocation(tx, revoked.token_id);
  return revoked;
}

}  // namespace gatehouse::auth
