// SQL for the signing keys. Every function runs in the caller's transaction. Knows
// nothing of how a seed is sealed (key_ring.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/pg/database.h"

namespace gatehouse::auth {

struct KeyRow {
  std::string kid;
  std::string public_key;   // 32 bytes
  std::string sealed_seed;  // As key_ring.cc seals it.
  Time activate_time;
  std::optional<Time> retire_time;
  bool is_active = false;  // Its activate_time has come; the newest of these signs.
};

// Orders everybody who makes keys, until the transaction ends.
void LockKeys(pg::Tx& tx);

// The keys that are not retired, the newest first.
std::vector<KeyRow> ListKeys(pg::Tx& tx);

// The key that signs at the transaction's time.
std::optional<KeyRow> FindActiveKey(pg::Tx& tx);

// Adds a key that is active `wait_seconds` from now. Of `row` only kid, public_key
// and sealed_seed count.
void InsertKey(pg::Tx& tx, const KeyRow& row, std::int64_t wait_seconds);

// Retires every key but `kid` that has no retire_time yet, `after_seconds` after
// both it and `kid` are active.
void RetireOtherKeys(pg::Tx& tx, const std::string& kid, std::int64_t after_seconds);

// Forgets the keys whose retire_time has passed.
void DeleteRetiredKeys(pg::Tx& tx);

}  // namespace gatehouse::auth
