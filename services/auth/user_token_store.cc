#include "services/auth/user_token_store.h"

#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"

namespace gatehouse::auth {
namespace {

constexpr char kFromOwner[] = R"(
  FROM auth.credentials k
  JOIN auth.users u ON u.id = k.user_id
  JOIN auth.tenants t ON t.id = u.tenant_id
  CROSS JOIN auth.control_head h
  WHERE k.kind IN ('api', 'key'))";

constexpr char kIsRevoked[] =
    "(k.revoke_time IS NOT NULL OR k.epoch < greatest(u.epoch, t.epoch, h.global_epoch))";

// Of a UserTokenFilter: $1 user_id, $2 kind, $3 hides_admins, $4 viewer_id. NULL: any.
constexpr char kFilter[] = R"(
    AND ($1::uuid IS NULL OR k.user_id = $1::uuid)
    AND ($2::text IS NULL OR k.kind = $2)
    AND (NOT $3::boolean OR u.role <> 'admin' OR k.user_id = nullif($4, '')::uuid))";

std::string TokenSelect(const std::string& condition) {
  return absl::StrCat("SELECT k.id, u.id, u.username, k.kind, k.name, k.scopes, k.hint, ",
                      pg::MicrosOf("k.create_time"), ", ", pg::MicrosOf("k.expire_time"), ", ",
                      pg::MicrosOf("k.last_used_time"), ", ", kIsRevoked, kFromOwner, condition);
}

std::optional<Time> TimeOf(const pqxx::field& micros) {
  if (micros.is_null()) return std::nullopt;
  return FromMicros(micros.as<std::int64_t>());
}

UserToken FromRow(const pqxx::row& row) {
  return {.id = row[0].as<std::string>(),
          .user_id = row[1].as<std::string>(),
          .username = row[2].as<std::string>(),
          .kind = KindOf(row[3].as<std::string>()).value(),
          .name = row[4].as<std::string>(),
          .scopes = pg::Texts(row[5]),
          .hint = row[6].as<std::string>(),
          .create_time = FromMicros(row[7].as<std::int64_t>()),
          .expire_time = TimeOf(row[8]),
          .last_used_time = TimeOf(row[9]),
          .is_revoked = row[10].as<bool>()};
}

std::optional<std::string> OrNull(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

std::optional<std::string> NameOrNull(const std::optional<CredentialKind>& kind) {
  return kind ? std::optional<std::string>(Name(*kind)) : std::nullopt;
}

}  // namespace

std::vector<UserToken> ListUserTokens(pg::Tx& tx, const UserTokenFilter& filter,
                                      const std::optional<rpc::PagePosition>& after, int limit) {
  static const std::string kList = TokenSelect(absl::StrCat(kFilter, R"(
    AND ($5::bigint IS NULL
         OR (k.create_time, k.id) < (to_timestamp($5::bigint / 1000000.0), $6::uuid))
  ORDER BY k.create_time DESC, k.id DESC LIMIT $7)"));
  std::optional<std::int64_t> micros;
  std::optional<std::string> id;
  if (after) {
    micros = ToMicros(after->time);
    id = after->id;
  }
  std::vector<UserToken> tokens;
  for (const pqxx::row& row :
       tx.exec_params(kList, OrNull(filter.user_id), NameOrNull(filter.kind), filter.hides_admins,
                      filter.viewer_id, micros, id, limit)) {
    tokens.push_back(FromRow(row));
  }
  return tokens;
}

std::int64_t CountUserTokens(pg::Tx& tx, const UserTokenFilter& filter) {
  static const std::string kCount = absl::StrCat("SELECT count(*)", kFromOwner, kFilter);
  return tx
      .exec_params(kCount, OrNull(filter.user_id), NameOrNull(filter.kind), filter.hides_admins,
                   filter.viewer_id)[0][0]
      .as<std::int64_t>();
}

std::optional<UserToken> FindUserToken(pg::Tx& tx, const std::string& id) {
  static const std::string kFind = TokenSelect(" AND k.id = $1");
  const pqxx::result rows = tx.exec_params(kFind, id);
  if (rows.empty()) return std::nullopt;
  return FromRow(rows[0]);
}

int CountLiveUserTokens(pg::Tx& tx, const std::string& user_id) {
  // The first condition again, so that the index of live ones fits.
  static const std::string kCount = absl::StrCat("SELECT count(*)", kFromOwner, R"(
    AND k.user_id = $1 AND k.revoke_time IS NULL
    AND (k.expire_time IS NULL OR k.expire_time > now()) AND NOT )",
                                                 kIsRevoked);
  return tx.exec_params(kCount, user_id)[0][0].as<int>();
}

}  // namespace gatehouse::auth
