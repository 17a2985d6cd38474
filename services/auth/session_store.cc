#include "services/auth/session_store.h"

#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"
#include "libs/base/uuid.h"

namespace gatehouse::auth {

std::optional<RefreshSeed> FindRefreshSeed(pg::Tx& tx, const std::string& credential_id) {
  static constexpr char kFind[] = R"(
  SELECT user_id, refresh_seed FROM auth.credentials
  WHERE id = $1 AND refresh_seed IS NOT NULL)";
  const pqxx::result rows = pg::ExecPrepared(tx, kFind, credential_id);
  if (rows.empty()) return std::nullopt;
  return RefreshSeed{.user_id = rows[0][0].as<std::string>(), .seed = pg::Bytes(rows[0][1])};
}

std::optional<SignedSession> LockSession(pg::Tx& tx, const std::string& user_id,
                                         const std::string& credential_id) {
  static const std::string kLock =
      absl::StrCat(R"(
  SELECT k.id, k.kind,
         k.revoke_time IS NULL AND k.expire_time > now() AND u.is_active
           AND k.epoch >= greatest(u.epoch, t.epoch, h.global_epoch),
         k.epoch, k.refresh_seed, k.refresh_counter,
         coalesce(k.refresh_time > now() - $3 * interval '1 second', false), )",
                   pg::MicrosOf("now()"), ", ", pg::MicrosOf("k.expire_time"), R"(
  FROM auth.credentials k
  JOIN auth.users u ON u.id = k.user_id
  JOIN auth.tenants t ON t.id = u.tenant_id
  CROSS JOIN auth.control_head h
  WHERE k.id = $1 AND k.user_id = $2 AND k.refresh_seed IS NOT NULL
  FOR NO KEY UPDATE OF k)");
  if (!IsUuid(user_id) || !IsUuid(credential_id)) return std::nullopt;
  const pqxx::result rows =
      pg::ExecPrepared(tx, kLock, credential_id, user_id, std::int64_t{kReplayWindow.count()});
  if (rows.empty()) return std::nullopt;
  const pqxx::row row = rows[0];
  return SignedSession{.credential_id = row[0].as<std::string>(),
                       .kind = KindOf(row[1].as<std::string>()).value(),
                       .is_live = row[2].as<bool>(),
                       .epoch = row[3].as<std::int64_t>(),
                       .seed = pg::Bytes(row[4]),
                       .counter = row[5].as<std::int64_t>(),
                       .in_replay_window = row[6].as<bool>(),
                       .now = FromMicros(row[7].as<std::int64_t>()),
                       .expire_time = FromMicros(row[8].as<std::int64_t>())};
}

SignedSession RotateSession(pg::Tx& tx, const SignedSession& session) {
  static const std::string kRotate = absl::StrCat(R"(
  UPDATE auth.credentials
  SET refresh_counter = refresh_counter + 1, refresh_time = now(), last_used_time = now(),
      expire_time = least(now() + $2 * interval '1 hour', create_time + $3 * interval '1 hour')
  WHERE id = $1
  RETURNING refresh_counter, )",
                                                  pg::MicrosOf("expire_time"));
  const pqxx::result rows =
      pg::ExecPrepared(tx, kRotate, session.credential_id, std::int64_t{kRefreshLife.count()},
                       std::int64_t{kRefreshLifeMax.count()});
  SignedSession rotated = session;
  rotated.counter = rows[0][0].as<std::int64_t>();
  rotated.in_replay_window = true;
  rotated.expire_time = FromMicros(rows[0][1].as<std::int64_t>());
  return rotated;
}

std::optional<KeptCredential> LiftEpoch(pg::Tx& tx, const std::string& user_id,
                                        const std::string& credential_id) {
  // now() is the transaction's: what it has revoked itself may live again, and
  // nothing else.
  static const std::string kLift =
      absl::StrCat(R"(
  UPDATE auth.credentials k
  SET epoch = h.sequence, revoke_time = NULL
  FROM auth.users u, auth.tenants t, auth.control_head h
  WHERE k.id = $1 AND k.user_id = $2 AND u.id = k.user_id AND t.id = u.tenant_id
    AND (k.revoke_time = now() OR k.revoke_time IS NULL AND k.epoch >= u.epoch)
    AND (k.expire_time IS NULL OR k.expire_time > now())
    AND k.epoch >= greatest(t.epoch, h.global_epoch)
  RETURNING k.kind, k.epoch, )",
                   pg::MicrosOf("now()"), ", ", pg::MicrosOf("k.expire_time"));
  if (!IsUuid(user_id) || !IsUuid(credential_id)) return std::nullopt;
  const pqxx::result rows = tx.exec_params(kLift, credential_id, user_id);
  if (rows.empty()) return std::nullopt;
  KeptCredential kept{.kind = KindOf(rows[0][0].as<std::string>()).value(),
                      .epoch = rows[0][1].as<std::int64_t>(),
                      .now = FromMicros(rows[0][2].as<std::int64_t>()),
                      .expire_time = {}};
  if (!rows[0][3].is_null()) kept.expire_time = FromMicros(rows[0][3].as<std::int64_t>());
  return kept;
}

}  // namespace gatehouse::auth
