// A hash chain over an append-only table, numbered by one sealer under an
// advisory lock, in its own table and in sealing order, never in the writer's
// transaction. Shows that nothing between two heads was changed or removed; that
// the end was not cut shows only a head kept elsewhere, so the head is logged.
//
// The table: CREATE TABLE <schema>.<chain> (
//     position bigint PRIMARY KEY, row_id uuid NOT NULL UNIQUE, hash bytea NOT NULL,
//     seal_time timestamptz NOT NULL DEFAULT now());
#pragma once

#include <functional>
#include <string>

#include "libs/pg/database.h"

namespace gatehouse::pg {

struct Chain {
  std::string table;  // "auth.audit_chain"
  // SQL that yields (id uuid text, canonical text) of up to $1 rows that are not
  // in the chain yet, oldest first.
  std::string unsealed_sql;
  // SQL that yields (position, row id, canonical text or NULL, hash) of the whole
  // chain in order of position.
  std::string sealed_sql;
};

// hash = SHA-256(previous hash || canonical text); the first previous hash is 32
// zero bytes. Seals up to `rows_max` rows; returns how many. Safe to run in
// several processes: the others seal nothing meanwhile.
absl::StatusOr<int> Seal(Database& db, const Chain& chain, int rows_max);

// Recomputes the whole chain. OK with the number of rows, or DATA_LOSS /
// CHAIN_BROKEN; its metadata "position" is the first position whose row is missing,
// changed or out of place.
absl::StatusOr<std::int64_t> VerifyChain(Database& db, const Chain& chain);

}  // namespace gatehouse::pg
