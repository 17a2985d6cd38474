// What the calls of a batch do to accounts, holds and the ledger: decided one after
// the other, in memory, on what was read under the accounts' locks, so that later
// calls see earlier ones. Pure: not the SQL (batch_store.h), not the queue
// (money_batch.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "libs/base/clock.h"
#include "services/billing/account.h"
#include "services/billing/hold.h"
#include "services/billing/ledger.h"
#include "services/billing/price_book.h"
#include "services/billing/request_check.h"

namespace gatehouse::billing {

using Order = std::variant<ReserveOrder, BindOrder, CaptureOrder, ReleaseOrder>;

// The key of the hold that an order is about.
const std::string& KeyOf(const Order& order);

// What an order is answered.
struct Answer {
  Hold hold;                      // Afterwards; of Reserve, as it was reserved.
  std::int64_t amount_nanos = 0;  // Of a capture; so is the entry.
  std::string entry_id;           // Empty when nothing was booked.
  // Of a capture that is stored already: its first answer, serialized. The rest is
  // empty then.
  std::string first_response;
};

struct PlannedAccount {
  Account account;
  std::int64_t settled_before_nanos = 0;
  bool changed = false;
};

struct PlannedHold {
  Hold hold;
  Quote estimate;        // Of a hold that is new or decided anew.
  bool is_new = false;   // Not stored yet.
  bool is_anew = false;  // Stored, and reserved again.
  bool changed = false;  // Stored, and not as it was.
};

struct PlannedCapture {
  std::string key;  // Of the hold.
  std::int64_t number = 0;
  std::string request_hash;
  Quote quote;
  Answer answer;
};

class BatchPlan {
 public:
  // What was read. Accounts and holds must be added before the first Decide, with
  // the captures of the batch's numbers. `book` prices everything and must outlive this,
  // but for captures of what is no longer in it: these are priced by the book of their
  // hold, which `older_book` finds, since measured usage is always booked.
  using FindBook = std::function<std::shared_ptr<const PriceBook>(int version)>;
  BatchPlan(Time now, const PriceBook& book, FindBook older_book = nullptr)
      : now_(now), book_(book), older_book_(std::move(older_book)) {}
  void AddAccount(const Account& account);
  void AddHold(const Hold& hold);
  void AddCapture(const std::string& key, std::int64_t number, const std::string& request_hash,
                  const std::string& response);

  // Whose account the order needs; 0 when it is about a hold that does not exist.
  std::int64_t TenantOf(const Order& order) const;

  // The hold that was read or made under the key; null for none.
  const Hold* FindHold(const std::string& key) const;

  // Decides an order. Refusals change nothing. nullopt, and nothing changed, when its
  // account was not added.
  std::optional<absl::StatusOr<Answer>> Decide(const Order& order);

  // Gives a reservation back whose time is over and whose account was added; whether it
  // was one.
  bool Expire(const std::string& key);

  // Whether there is anything to store.
  bool empty() const { return touched_.empty(); }
  // What to store: changed accounts, holds in the order of their first change.
  std::vector<const PlannedAccount*> accounts() const;
  const std::vector<const PlannedHold*>& holds() const { return touched_; }
  const std::vector<PlannedCapture>& captures() const { return captures_; }
  const std::vector<LedgerRow>& rows() const { return rows_; }

 private:
  // A hold and its account, both at hand.
  struct Pair {
    PlannedHold* hold = nullptr;
    PlannedAccount* account = nullptr;
  };
  struct KnownCapture {
    std::string request_hash;
    Answer answer;
  };

  std::optional<absl::StatusOr<Answer>> Take(const ReserveOrder& order);
  std::optional<absl::StatusOr<Answer>> Take(const BindOrder& order);
  std::optional<absl::StatusOr<Answer>> Take(const CaptureOrder& order);
  std::optional<absl::StatusOr<Answer>> Take(const ReleaseOrder& order);

  absl::StatusOr<Answer> ReserveNew(const ReserveOrder& order, PlannedAccount* account);
  absl::StatusOr<Answer> ReserveAgain(const ReserveOrder& order, Pair pair);
  absl::StatusOr<Answer> Capture(const CaptureOrder& order, Pair pair);
  absl::StatusOr<Quote> QuoteUsage(const CaptureOrder& order, const Hold& hold) const;
  std::string BookUsage(const PlannedHold& planned, const Quote& quote, PlannedAccount* account);

  // NOT_FOUND / HOLD_NOT_FOUND; nullopt without its account.
  std::optional<absl::StatusOr<Pair>> Find(const std::string& key);
  // Remembers that a stored hold changed, with its account.
  void Touch(Pair pair);

  const Time now_;
  const PriceBook& book_;
  const FindBook older_book_;
  std::unordered_map<std::int64_t, PlannedAccount> accounts_;
  std::unordered_map<std::string, PlannedHold> holds_;
  std::unordered_map<std::string, KnownCapture> known_captures_;  // By key and number.
  std::vector<const PlannedHold*> touched_;
  std::vector<PlannedCapture> captures_;
  std::vector<LedgerRow> rows_;
};

}  // namespace gatehouse::billing
