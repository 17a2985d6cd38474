#include "services/auth/credential_store.h"

#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"
#include "libs/base/uuid.h"
#include "services/auth/control_store.h"

namespace gatehouse::auth {
namespace {

// What the conditions of life are said of.
constexpr char kWithOwner[] = R"(
  FROM auth.credentials k
  JOIN auth.users u ON u.id = k.user_id
  JOIN auth.tenants t ON t.id = u.tenant_id
  CROSS JOIN auth.control_head h )";

constexpr char kIsLive[] = R"( k.revoke_time IS NULL
  AND (k.expire_time IS NULL OR k.expire_time > now())
  AND u.is_active AND k.epoch >= greatest(u.epoch, t.epoch, h.global_epoch) )";

std::optional<Time> TimeOf(const pqxx::field& micros) {
  if (micros.is_null()) return std::nullopt;
  return FromMicros(micros.as<std::int64_t>());
}

CredentialKind KindIn(const pqxx::field& field) {
  // The column's check constraint knows the same names.
  return KindOf(field.as<std::string>()).value();
}

std::string LookupSelect(const std::string& where) {
  return absl::StrCat(R"(
  SELECT k.id, k.kind, k.scopes, k.is_persistent, k.epoch, )",
                      pg::MicrosOf("k.expire_time"), R"(,
         coalesce(k.last_used_time <= now() - interval '1 minute', true),
         u.id, u.number, u.username, u.email, u.password_change_required,
         r.role, r.permissions, r.scopes,
         coalesce(u.rate_limit_per_second, r.rate_limit_per_second),
         coalesce(u.rate_limit_burst, r.rate_limit_burst),
         t.id, t.client_id, t.tier, h.sequence)",
                      kWithOwner, " JOIN auth.roles r ON r.role = u.role WHERE ", where, " AND ",
                      kIsLive);
}

std::optional<CredentialRow> CredentialFromRows(const pqxx::result& rows) {
  if (rows.empty()) return std::nullopt;
  const pqxx::row row = rows[0];
  CredentialRow credential;
  credential.credential_id = row[0].as<std::string>();
  credential.kind = KindIn(row[1]);
  if (!row[2].is_null()) credential.scopes = pg::Texts(row[2]);
  credential.is_persistent = row[3].as<bool>();
  credential.epoch = row[4].as<std::int64_t>();
  credential.expire_time = TimeOf(row[5]);
  credential.use_is_stale = row[6].as<bool>();
  credential.user_id = row[7].as<std::string>();
  credential.user_number = row[8].as<std::int64_t>();
  credential.username = row[9].as<std::string>();
  credential.email = row[10].as<std::string>();
  credential.password_change_required = row[11].as<bool>();
  credential.role = row[12].as<std::string>();
  credential.permissions = pg::Texts(row[13]);
  credential.role_scopes = pg::Texts(row[14]);
  credential.rate_limit_per_second = row[15].as<int>();
  credential.rate_limit_burst = row[16].as<int>();
  credential.tenant_id = row[17].as<std::int64_t>();
  credential.client_id = row[18].as<std::string>();
  credential.tier = row[19].as<std::string>();
  credential.control_sequence = row[20].as<std::int64_t>();
  return credential;
}

}  // namespace

Issue InsertCredential(pg::Tx& tx, const NewCredential& credential) {
  static const std::string kInsert =
      absl::StrCat(R"(
  INSERT INTO auth.credentials
    (id, user_id, kind, digest, refresh_seed, name, scopes, hint, is_persistent,
     client_address, user_agent, expire_time, epoch)
  VALUES ($1, $2, $3, nullif($4, ''::bytea), nullif($5, ''::bytea), $6,
          CASE WHEN $7 THEN $8::text[] END, $9, $10, $11, $12,
          coalesce(to_timestamp(nullif($13, '')::bigint / 1000000.0),
                   now() + nullif($14, '')::bigint * interval '1 second'),
          (SELECT sequence FROM auth.control_head))
  RETURNING epoch, )",
                   pg::MicrosOf("create_time"), ", ", pg::MicrosOf("expire_time"));
  const std::string expire_micros =
      credential.expire_time ? std::to_string(ToMicros(*credential.expire_time)) : "";
  const std::string life_seconds = credential.life ? std::to_string(credential.life->count()) : "";
  const pqxx::result rows =
      pg::ExecPrepared(tx, kInsert, credential.id, credential.user_id, Name(credential.kind),
                       pg::ToBytea(credential.digest), pg::ToBytea(credential.refresh_seed),
                       credential.name, credential.scopes.has_value(),
                       pg::TextArray(credential.scopes.value_or(std::vector<std::string>())),
                       credential.hint, credential.is_persistent, credential.origin.client_address,
                       credential.origin.user_agent, expire_micros, life_seconds);
  return {.epoch = rows[0][0].as<std::int64_t>(),
          .create_time = FromMicros(rows[0][1].as<std::int64_t>()),
          .expire_time = TimeOf(rows[0][2])};
}

std::optional<CredentialRow> LookupCredential(pg::Tx& tx, const std::string& digest) {
  static const std::string kLookup = LookupSelect("k.digest = $1");
  return CredentialFromRows(pg::ExecPrepared(tx, kLookup, pg::ToBytea(digest)));
}

bool IsLive(pg::Tx& tx, const std::string& credential_id) {
  static const std::string kFind =
      absl::StrCat("SELECT 1 ", kWithOwner, " WHERE k.id = $1 AND ", kIsLive);
  return IsUuid(credential_id) && !tx.exec_params(kFind, credential_id).empty();
}

std::optional<CredentialRow> LookupSession(pg::Tx& tx, const std::string& session_id,
                                           std::int64_t epoch) {
  // A session that was kept through a revocation has a later epoch than its older
  // tokens, which are dead.
  static const std::string kLookup = LookupSelect(
      "k.id = $1 AND k.digest IS NULL AND $2::bigint >= greatest(u.epoch, t.epoch, "
      "h.global_epoch)");
  if (!IsUuid(session_id)) return std::nullopt;
  return CredentialFromRows(pg::ExecPrepared(tx, kLookup, session_id, epoch));
}

std::optional<RecordedUse> RecordUse(pg::Tx& tx, const std::string& credential_id) {
  // The life of a session is what it had ahead at its last use, or at its issue.
  static const std::string kRecord = absl::StrCat(R"(
  UPDATE auth.credentials
  SET last_used_time = now(),
      expire_time = CASE WHEN kind = 'session'
                         THEN expire_time + (now() - coalesce(last_used_time, create_time))
                         ELSE expire_time END
  WHERE id = $1 AND revoke_time IS NULL AND (expire_time IS NULL OR expire_time > now())
    AND coalesce(last_used_time <= now() - interval '1 minute', true)
  RETURNING kind = 'session', is_persistent, )",
                                                  pg::MicrosOf("expire_time"));
  const pqxx::result rows = pg::ExecPrepared(tx, kRecord, credential_id);
  if (rows.empty()) return std::nullopt;
  return RecordedUse{.was_extended = rows[0][0].as<bool>(),
                     .is_persistent = rows[0][1].as<bool>(),
                     .expire_time = TimeOf(rows[0][2])};
}

std::vector<LoginSession> ListLogins(pg::Tx& tx, const std::string& user_id) {
  static const std::string kList = absl::StrCat(
      "SELECT k.id, k.kind, k.client_address, k.user_agent, ", pg::MicrosOf("k.create_time"), ", ",
      pg::MicrosOf("k.expire_time"), ", ", pg::MicrosOf("k.last_used_time"), kWithOwner,
      "WHERE k.user_id = $1 AND k.kind NOT IN ('api', 'key') AND ", kIsLive,
      "ORDER BY k.create_time DESC, k.id DESC LIMIT 1000");
  std::vector<LoginSession> sessions;
  if (!IsUuid(user_id)) return sessions;
  for (const pqxx::row& row : tx.exec_params(kList, user_id)) {
    sessions.push_back({.id = row[0].as<std::string>(),
                        .kind = KindIn(row[1]),
                        .client_address = row[2].as<std::string>(),
                        .user_agent = row[3].as<std::string>(),
                        .create_time = FromMicros(row[4].as<std::int64_t>()),
                        .expire_time = TimeOf(row[5]),
                        .last_used_time = TimeOf(row[6])});
  }
  return sessions;
}

std::optional<RevokedCredential> RevokeCredential(pg::Tx& tx, const std::string& credential_id,
                                                  const CredentialFilter& filter) {
  static constexpr char kLock[] = R"(
  SELECT k.id, k.kind, k.user_id, u.username, u.tenant_id, k.revoke_time IS NULL
  FROM auth.credentials k JOIN auth.users u ON u.id = k.user_id
  WHERE k.id = $1 AND ($2 = '' OR k.user_id::text = lower($2))
    AND (cardinality($3::text[]) = 0 OR k.kind = ANY ($3::text[]))
  FOR NO KEY UPDATE OF k)";
  static constexpr char kRevoke[] = R"(
  UPDATE auth.credentials SET revoke_time = now() WHERE id = $1)";
  if (!IsUuid(credential_id)) return std::nullopt;
  std::vector<std::string> kinds;
  for (const CredentialKind kind : filter.kinds) kinds.emplace_back(Name(kind));
  const pqxx::result rows =
      tx.exec_params(kLock, credential_id, filter.user_id, pg::TextArray(kinds));
  if (rows.empty()) return std::nullopt;
  RevokedCredential revoked{.credential_id = rows[0][0].as<std::string>(),
                            .kind = KindIn(rows[0][1]),
                            .user_id = rows[0][2].as<std::string>(),
                            .username = rows[0][3].as<std::string>(),
                            .tenant_id = rows[0][4].as<std::int64_t>(),
                            .is_new = rows[0][5].as<bool>()};
  if (revoked.is_new) {
    tx.exec_params(kRevoke, revoked.credential_id);
    AppendRevocation(tx, revoked.credential_id);
  }
  return revoked;
}

bool EndOldest(pg::Tx& tx, const std::string& user_id, const std::string& newest_id) {
  // The new one is kept in any case: now() is the time of its transaction's
  // start, so a token of a transaction that waited longer may look younger.
  static constexpr char kRevokeOldest[] = R"(
  UPDATE auth.credentials SET revoke_time = now()
  WHERE id IN (SELECT id FROM auth.credentials
               WHERE user_id = $1 AND kind = 'token' AND revoke_time IS NULL AND id <> $2
               ORDER BY create_time DESC, id DESC OFFSET $3)
  RETURNING id)";
  const pqxx::result oldest =
      pg::ExecPrepared(tx, kRevokeOldest, user_id, newest_id, kLiveTokensMax - 1);
  for (const pqxx::row& row : oldest) AppendRevocation(tx, row[0].as<std::string>());
  return !oldest.empty();
}

}  // namespace gatehouse::auth
