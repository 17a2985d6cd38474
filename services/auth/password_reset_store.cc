#include "services/auth/password_reset_store.h"

namespace gatehouse::auth {

void InsertReset(pg::Tx& tx, const std::string& id, const std::optional<std::string>& user_id,
                 const std::string& digest) {
  static constexpr char kInsert[] = R"(
  INSERT INTO auth.password_resets (id, user_id, digest, expire_time)
  VALUES ($1, nullif($2::text, '')::uuid, $3, now() + $4::bigint * interval '1 minute'))";
  tx.exec_params(kInsert, id, user_id.value_or(""), pg::ToBytea(digest),
                 static_cast<std::int64_t>(kResetLife.count()));
}

std::optional<ResetMail> FindResetMail(pg::Tx& tx, const std::string& id) {
  static constexpr char kFind[] = R"(
  SELECT u.username, u.email,
         (SELECT count(*) FROM auth.password_resets o
          WHERE o.user_id = r.user_id AND o.used_time IS NULL
            AND (o.create_time, o.id) < (r.create_time, r.id)
            AND o.create_time > r.create_time - interval '1 hour')
  FROM auth.password_resets r JOIN auth.users u ON u.id = r.user_id
  WHERE r.id = $1 AND r.used_time IS NULL AND r.expire_time > now() AND u.is_active)";
  const pqxx::result rows = tx.exec_params(kFind, id);
  if (rows.empty()) return std::nullopt;
  return ResetMail{.username = rows[0][0].as<std::string>(),
                   .email = rows[0][1].as<std::string>(),
                   .open_before = rows[0][2].as<int>()};
}

std::optional<std::string> FindOpenReset(pg::Tx& tx, const std::string& digest) {
  static constexpr char kFind[] = R"(
  SELECT user_id FROM auth.password_resets
  WHERE digest = $1 AND used_time IS NULL AND expire_time > now() AND user_id IS NOT NULL)";
  const pqxx::result rows = tx.exec_params(kFind, pg::ToBytea(digest));
  if (rows.empty()) return std::nullopt;
  return rows[0][0].as<std::string>();
}

bool UseReset(pg::Tx& tx, const std::string& digest) {
  static constexpr char kUse[] = R"(
  UPDATE auth.password_resets SET used_time = now()
  WHERE digest = $1 AND used_time IS NULL AND expire_time > now())";
  return tx.exec_params(kUse, pg::ToBytea(digest)).affected_rows() == 1;
}

void DropReset(pg::Tx& tx, const std::string& id) {
  static constexpr char kDrop[] = R"(
  UPDATE auth.password_resets SET used_time = now() WHERE id = $1 AND used_time IS NULL)";
  tx.exec_params(kDrop, id);
}

void DropResets(pg::Tx& tx, const std::string& user_id) {
  static constexpr char kDrop[] = R"(
  UPDATE auth.password_resets SET used_time = now() WHERE user_id = $1 AND used_time IS NULL)";
  tx.exec_params(kDrop, user_id);
}

}  // namespace gatehouse::auth
