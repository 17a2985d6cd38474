#include "services/auth/key_store.h"

#include "libs/base/time_text.h"

namespace gatehouse::auth {
namespace {

// Those of FromRow, in order.
const std::string& Columns() {
  static const auto* const columns =
      new std::string("kid, public_key, sealed_seed, " + pg::MicrosOf("activate_time") + ", " +
                      pg::MicrosOf("retire_time") + ", activate_time <= now()");
  return *columns;
}

KeyRow FromRow(const pqxx::row& row) {
  KeyRow key{.kid = row[0].as<std::string>(),
             .public_key = pg::Bytes(row[1]),
             .sealed_seed = pg::Bytes(row[2]),
             .activate_time = FromMicros(row[3].as<std::int64_t>()),
             .retire_time = std::nullopt,
             .is_active = row[5].as<bool>()};
  if (!row[4].is_null()) key.retire_time = FromMicros(row[4].as<std::int64_t>());
  return key;
}

}  // namespace

void LockKeys(pg::Tx& tx) {
  tx.exec("SELECT pg_advisory_xact_lock(hashtext('auth.signing_keys'))");
}

std::vector<KeyRow> ListKeys(pg::Tx& tx) {
  static const auto* const kList = new std::string("SELECT " + Columns() + R"(
  FROM auth.signing_keys WHERE retire_time IS NULL OR retire_time > now()
  ORDER BY create_time DESC)");
  std::vector<KeyRow> keys;
  for (const pqxx::row& row : tx.exec(*kList)) keys.push_back(FromRow(row));
  return keys;
}

std::optional<KeyRow> FindActiveKey(pg::Tx& tx) {
  // The newest made, not the one last activated: a key whose wait is long must not
  // take over again from one that was made after it with a short wait.
  static const auto* const kFind = new std::string("SELECT " + Columns() + R"(
  FROM auth.signing_keys
  WHERE activate_time <= now() AND (retire_time IS NULL OR retire_time > now())
  ORDER BY create_time DESC LIMIT 1)");
  const pqxx::result rows = pg::ExecPrepared(tx, *kFind);
  if (rows.empty()) return std::nullopt;
  return FromRow(rows[0]);
}

void InsertKey(pg::Tx& tx, const KeyRow& row, std::int64_t wait_seconds) {
  // Not now(): that is the start of the transaction, before it had the lock.
  static constexpr char kInsert[] = R"(
  INSERT INTO auth.signing_keys (kid, public_key, sealed_seed, create_time, activate_time)
  SELECT $1, $2, $3, moment, moment + $4::bigint * interval '1 second'
  FROM (SELECT clock_timestamp() AS moment) m)";
  tx.exec_params0(kInsert, row.kid, pg::ToBytea(row.public_key), pg::ToBytea(row.sealed_seed),
                  wait_seconds);
}

void RetireOtherKeys(pg::Tx& tx, const std::string& kid, std::int64_t after_seconds) {
  static constexpr char kRetire[] = R"(
  UPDATE auth.signing_keys k
  SET retire_time = greatest(k.activate_time, n.activate_time) + $2::bigint * interval '1 second'
  FROM auth.signing_keys n
  WHERE n.kid = $1 AND k.kid <> $1 AND k.retire_time IS NULL)";
  tx.exec_params0(kRetire, kid, after_seconds);
}

void DeleteRetiredKeys(pg::Tx& tx) {
  tx.exec0("DELETE FROM auth.signing_keys WHERE retire_time <= now()");
}

}  // namespace gatehouse::auth
