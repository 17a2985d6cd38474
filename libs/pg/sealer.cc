#include "libs/pg/sealer.h"

#include "libs/base/secret.h"
#include "libs/log/log.h"

namespace gatehouse::pg {
namespace {

constexpr int kVerifyBatch = 1000;

constexpr char kTryLock[] = R"(
SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)))";

struct Head {
  std::int64_t position = 0;
  std::string hash = std::string(32, '\0');
};

void Advance(Head& head, const std::string& canonical) {
  ++head.position;
  head.hash = Sha256(head.hash + canonical);
}

Head ReadHead(Tx& tx, const std::string& table) {
  const pqxx::result rows =
      tx.exec("SELECT position, hash FROM " + table + " ORDER BY position DESC LIMIT 1");
  if (rows.empty()) return {};
  return {rows[0][0].as<std::int64_t>(), Bytes(rows[0][1])};
}

// Appends `rows` (id, canonical text) to the chain and moves `head` to its new end.
void Append(Tx& tx, const std::string& table, const pqxx::result& rows, Head& head) {
  std::vector<std::int64_t> positions;
  std::vector<std::string> ids;
  std::vector<std::string> hashes;
  for (const pqxx::row& row : rows) {
    Advance(head, row[1].as<std::string>());
    positions.push_back(head.position);
    ids.push_back(row[0].as<std::string>());
    hashes.push_back("\\x" + HexEncode(head.hash));
  }
  tx.exec_params("INSERT INTO " + table +
                     " (position, row_id, hash)"
                     " SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::bytea[])",
                 BigintArray(positions), TextArray(ids), TextArray(hashes));
}

absl::Status Broken(const std::string& table, std::int64_t position) {
  return Error(absl::StatusCode::kDataLoss, "CHAIN_BROKEN",
               table + " does not fit at position " + std::to_string(position),
               {{"position", std::to_string(position)}});
}

absl::StatusOr<std::int64_t> VerifyIn(Tx& tx, const Chain& chain) {
  tx.exec("DECLARE chain NO SCROLL CURSOR FOR " + chain.sealed_sql);
  Head head;
  while (true) {
    const pqxx::result rows = tx.exec("FETCH " + std::to_string(kVerifyBatch) + " FROM chain");
    if (rows.empty()) return head.position;
    for (const pqxx::row& row : rows) {
      // A position that is missing, or whose row is, is where the chain breaks.
      const std::int64_t expected = head.position + 1;
      if (row[0].as<std::int64_t>() != expected || row[2].is_null()) {
        return Broken(chain.table, expected);
      }
      Advance(head, row[2].as<std::string>());
      if (Bytes(row[3]) != head.hash) return Broken(chain.table, expected);
    }
  }
}

}  // namespace

absl::StatusOr<int> Seal(Database& db, const Chain& chain, int rows_max) {
  Head head;
  absl::StatusOr<int> sealed = RepeatInDoubt([&] {
    return db.InTransaction([&](Tx& tx) -> absl::StatusOr<int> {
      if (!tx.exec_params1(kTryLock, chain.table + ".seal")[0].as<bool>()) return 0;
      head = ReadHead(tx, chain.table);
      const pqxx::result rows = tx.exec_params(chain.unsealed_sql, rows_max);
      if (!rows.empty()) Append(tx, chain.table, rows, head);
      return static_cast<int>(rows.size());
    });
  });
  if (sealed.ok() && *sealed > 0) {
    log::Info("chain sealed", {{"chain", chain.table},
                               {"rows", *sealed},
                               {"position", head.position},
                               {"head", HexEncode(head.hash)}});
  }
  return sealed;
}

absl::StatusOr<std::int64_t> VerifyChain(Database& db, const Chain& chain) {
  return db.InTransaction(
      [&](Tx& tx) -> absl::StatusOr<std::int64_t> { return VerifyIn(tx, chain); });
}

}  // namespace gatehouse::pg
