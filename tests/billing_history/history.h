// What clients asked of billing and were answered, and what its database says
// afterwards, in the order of its transactions. Plain values: nothing is judged here
// (checker.h) and nothing is called (crowd.h, world.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace gatehouse::history {

enum class Step { kReserve, kBind, kCapture, kRelease, kAdjust };

// "reserve", "bind", …
const char* StepText(Step step);

// The reason of a call that no answer came to, however often it was tried.
inline constexpr char kNoAnswer[] = "NO_ANSWER";

// One call, repeated until there was an answer.
struct Asking {
  Step step = Step::kReserve;
  std::string key{};              // Of the hold, or of the adjustment.
  std::int64_t number = 0;        // Of a capture.
  std::int64_t tenant = 0;        // Whose money.
  std::int64_t amount_nanos = 0;  // The estimate, the cost, or the adjustment.
  bool final = false;             // Of a capture.
  std::string request{};          // Serialized; tells requests of one key apart.

  std::string reason{};             // Empty: done. Else why it was refused.
  std::string answer{};             // Serialized; empty unless done.
  std::string state{};              // Of the hold in the answer: "bound".
  std::int64_t answered_nanos = 0;  // Held, of Reserve; else the amount that was booked.
  std::int64_t expire_micros = 0;   // Of a reservation.
  std::string entry_id{};           // Of a capture or an adjustment.
  std::int64_t begin_micros = 0;    // When it was first sent, and when it was answered,
  std::int64_t end_micros = 0;      // on the machine's clock.
  int attempts = 0;
};

// What a tenant may do; fixed for the whole history.
struct Terms {
  std::optional<std::int64_t> floor_nanos{};    // The least available after a reserve.
  std::optional<std::int64_t> ceiling_nanos{};  // The dearest estimate.
};

struct AccountRow {
  std::int64_t tenant = 0;
  std::int64_t settled_nanos = 0;
  std::int64_t held_nanos = 0;
  std::int64_t entry_count = 0;
};

struct HoldRow {
  std::string key{};
  std::int64_t tenant = 0;
  std::string state{};
  std::int64_t estimate_nanos = 0;
  std::int64_t held_nanos = 0;
  std::int64_t captured_nanos = 0;
  std::int64_t capture_count = 0;
  std::int64_t expire_micros = 0;
  bool was_bound = false;

  bool operator==(const HoldRow&) const = default;
};

struct CaptureRow {
  std::string key{};
  std::int64_t number = 0;
  std::int64_t amount_nanos = 0;
  std::string entry_id{};  // Empty: nothing was booked.
};

struct EntryRow {
  std::string id{};
  std::int64_t tenant = 0;
  std::int64_t number = 0;  // 0: a row of debt.
  std::string debit{}, credit{};
  std::int64_t amount_nanos = 0;
  std::string type{};
  std::int64_t balance_after_nanos = 0;
  std::string job{};    // Key of the hold.
  std::string notes{};  // Key of the adjustment.
  std::string cause{};  // Of a row of debt.
  std::uint64_t transaction = 0;
};

// A row as a transaction left it. The sequence is that in which rows were written; of
// one tenant's rows it is the order of commits, since each is written under its lock.
template <typename Row>
struct Version {
  std::int64_t sequence = 0;
  std::uint64_t transaction = 0;
  std::int64_t write_micros = 0;  // When the row was written; on the machine's clock.
  Row row;
};

struct Books {
  std::vector<AccountRow> accounts;
  std::vector<HoldRow> holds;
  std::vector<CaptureRow> captures;
  std::vector<EntryRow> entries;
  std::vector<Version<AccountRow>> account_versions;  // By their sequence,
  std::vector<Version<HoldRow>> hold_versions;        // these too.
};

}  // namespace gatehouse::history
