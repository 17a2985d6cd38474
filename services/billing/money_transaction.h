// The transaction of an RPC that moves money: with failpoints on both sides of
// COMMIT, and with an unknown outcome resolved. Not for reads.
#pragma once

#include "libs/base/failpoint.h"
#include "libs/pg/database.h"

namespace gatehouse::billing {

// Runs `fn(Tx&)` as Database::InTransaction does. When the answer to COMMIT was
// lost, runs it once more: `fn` must find by its key what it has done already.
// `commit` and `committed` name the failpoints before and after COMMIT; armed
// with "error", the first one fails the call undone and the second one loses the
// answer of a call that was done.
template <typename Fn>
auto InMoneyTransaction(pg::Database& db, const char* commit, const char* committed, Fn fn)
    -> std::invoke_result_t<Fn&, pg::Tx&> {
  using Result = std::invoke_result_t<Fn&, pg::Tx&>;
  const auto lost = [] {
    return Error(absl::StatusCode::kUnavailable, "FAILPOINT", "a failpoint failed this call");
  };
  const auto run = [&](pg::Tx& tx) -> Result {
    Result result = fn(tx);
    if (result.ok() && Failpoint(commit)) return lost();
    return result;
  };
  Result result = pg::RepeatInDoubt([&] { return db.InTransaction(run); });
  if (result.ok() && Failpoint(committed)) return lost();
  return result;
}

}  // namespace gatehouse::billing
