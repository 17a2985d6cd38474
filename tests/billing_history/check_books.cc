// The books as they are in the end.
#include <algorithm>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "absl/strings/str_cat.h"
#include "tests/billing_history/checker.h"

namespace gatehouse::history {
namespace {

// What a tenant's two accounts hold.
struct Sides {
  std::int64_t reserve_nanos = 0;
  std::int64_t owed_nanos = 0;
};

void Move(const EntryRow& entry, Sides* sides) {
  const auto side = [&](const std::string& account, std::int64_t sign) {
    if (account == "reserve") sides->reserve_nanos += sign * entry.amount_nanos;
    if (account == "debt") sides->owed_nanos -= sign * entry.amount_nanos;
  };
  side(entry.credit, 1);
  side(entry.debit, -1);
}

class TenantLedger {
 public:
  TenantLedger(std::int64_t tenant, std::vector<Finding>* findings)
      : tenant_(tenant), findings_(findings) {}

  void Add(const EntryRow& entry) {
    if (entry.number == 0) {
      debts_[entry.cause].push_back(&entry);
    } else {
      numbered_.push_back(&entry);
    }
  }

  void Check(const AccountRow& account) {
    std::sort(numbered_.begin(), numbered_.end(),
              [](const EntryRow* a, const EntryRow* b) { return a->number < b->number; });
    Sides sides;
    std::int64_t balance = 0;
    std::int64_t number = 0;
    for (const EntryRow* entry : numbered_) {
      if (entry->number != ++number) Say(absl::StrCat("entry ", entry->id, " is not no. ", number));
      balance += entry->credit == "reserve" ? entry->amount_nanos : -entry->amount_nanos;
      if (entry->balance_after_nanos != balance) {
        Say(absl::StrCat("entry ", entry->id, " leaves ", entry->balance_after_nanos,
                         ", its sum is ", balance));
      }
      Move(*entry, &sides);
      for (const EntryRow* debt : debts_[entry->id]) Move(*debt, &sides);
      debts_.erase(entry->id);
      CheckDebt(*entry, sides, balance);
    }
    if (!debts_.empty()) Say("debt without an entry that caused it: " + debts_.begin()->first);
    if (account.settled_nanos != balance) {
      Say(absl::StrCat("the balance is ", account.settled_nanos, ", its entries add up to ",
                       balance));
    }
    if (account.entry_count != number) Say("the count of entries is wrong");
  }

 private:
  void CheckDebt(const EntryRow& entry, const Sides& sides, std::int64_t balance) {
    const bool right = sides.reserve_nanos >= 0 && sides.owed_nanos >= 0 &&
                       (sides.reserve_nanos == 0 || sides.owed_nanos == 0) &&
                       sides.reserve_nanos - sides.owed_nanos == balance;
    if (!right) {
      Say(absl::StrCat("after entry ", entry.id, " the reserve is ", sides.reserve_nanos,
                       " and the debt ", sides.owed_nanos));
    }
  }

  void Say(std::string text) {
    findings_->push_back({absl::StrCat("tenant ", tenant_, ": ", text), "", tenant_});
  }

  const std::int64_t tenant_;
  std::vector<Finding>* const findings_;
  std::vector<const EntryRow*> numbered_;
  std::map<std::string, std::vector<const EntryRow*>> debts_;  // By their cause.
};

bool IsTenants(const std::string& account) { return account == "reserve" || account == "debt"; }

// All accounts together: the balances of tenants against what the others have.
void CheckSum(const Books& books, std::vector<Finding>* findings) {
  __int128 sum = 0;
  for (const AccountRow& account : books.accounts) sum += account.settled_nanos;
  for (const EntryRow& entry : books.entries) {
    if (!IsTenants(entry.credit)) sum += entry.amount_nanos;
    if (!IsTenants(entry.debit)) sum -= entry.amount_nanos;
    if (entry.amount_nanos <= 0 || entry.debit == entry.credit) {
      findings->push_back({"entry " + entry.id + " is no transfer", entry.job, entry.tenant});
    }
  }
  if (sum != 0) {
    findings->push_back(
        {absl::StrCat("all accounts together are not zero: ", static_cast<std::int64_t>(sum)), "",
         0});
  }
}

using EntriesById = std::unordered_map<std::string, const EntryRow*>;

// What the captures of each hold come to; each has an entry of its own.
struct Captured {
  std::int64_t amount_nanos = 0;
  std::int64_t count = 0;
};
std::unordered_map<std::string, Captured> CheckCaptures(const Books& books,
                                                        std::vector<Finding>* findings) {
  EntriesById usage;
  for (const EntryRow& entry : books.entries) {
    if (entry.type == "usage") usage[entry.id] = &entry;
  }
  std::unordered_map<std::string, Captured> captured;
  for (const CaptureRow& capture : books.captures) {
    Captured& sum = captured[capture.key];
    sum.amount_nanos += capture.amount_nanos;
    ++sum.count;
    if (capture.amount_nanos == 0 && capture.entry_id.empty()) continue;
    const auto entry = usage.find(capture.entry_id);
    if (entry == usage.end() || entry->second->amount_nanos != capture.amount_nanos ||
        entry->second->job != capture.key) {
      findings->push_back({absl::StrCat("capture ", capture.number, " of hold ", capture.key,
                                        " is not what the ledger has"),
                           capture.key, 0});
      continue;
    }
    usage.erase(entry);
  }
  for (const auto& [id, entry] : usage) {
    findings->push_back({"usage without a capture: entry " + id, entry->job, entry->tenant});
  }
  return captured;
}

}  // namespace

void CheckLedger(const Books& books, std::vector<Finding>* findings) {
  CheckSum(books, findings);
  std::map<std::int64_t, TenantLedger> tenants;
  for (const EntryRow& entry : books.entries) {
    tenants.try_emplace(entry.tenant, entry.tenant, findings).first->second.Add(entry);
  }
  for (const AccountRow& account : books.accounts) {
    tenants.try_emplace(account.tenant, account.tenant, findings).first->second.Check(account);
  }
  if (tenants.size() != books.accounts.size()) {
    findings->push_back({"there are entries of tenants without an account", "", 0});
  }
}

void CheckHolds(const Books& books, std::vector<Finding>* findings) {
  const auto captured = CheckCaptures(books, findings);
  std::unordered_set<std::string> keys;
  std::map<std::int64_t, std::int64_t> held;
  for (const HoldRow& hold : books.holds) {
    const auto say = [&](const std::string& text) {
      findings->push_back({"hold " + hold.key + ": " + text, hold.key, hold.tenant});
    };
    if (!keys.insert(hold.key).second) say("it is there twice");
    held[hold.tenant] += hold.held_nanos;
    if (hold.state == "reserved" || hold.state == "bound") say("it has not ended: " + hold.state);
    if (hold.held_nanos != 0) say("it has ended and still holds money");
    const auto found = captured.find(hold.key);
    const Captured sum = found == captured.end() ? Captured() : found->second;
    if (sum.amount_nanos != hold.captured_nanos || sum.count != hold.capture_count) {
      say("it counts other captures than there are");
    }
  }
  for (const auto& [key, sum] : captured) {
    if (!keys.contains(key)) findings->push_back({"captures without a hold: " + key, key, 0});
  }
  for (const AccountRow& account : books.accounts) {
    if (account.held_nanos != held[account.tenant]) {
      findings->push_back({absl::StrCat("tenant ", account.tenant, ": ", account.held_nanos,
                                        " is held, its holds add up to ", held[account.tenant]),
                           "", account.tenant});
    }
  }
}

}  // namespace gatehouse::history
