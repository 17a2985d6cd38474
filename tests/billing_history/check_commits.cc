// Every transaction, in the order of commits. One of them may have done many things to
// an account (a batch), so what it did is worked out from the rows before and after.
// An account's lock makes its transactions, and the refusals, one after the other.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/billing_history/checker.h"

namespace gatehouse::history {
namespace {

// What one transaction did to one hold, as changes of what is available.
struct Change {
  const HoldRow* row = nullptr;
  bool reserved = false;           // A decision by the policy.
  std::int64_t taken_nanos = 0;    // By the decision.
  std::int64_t forced_nanos = 0;   // Set aside or booked whatever the policy says.
  std::int64_t given_nanos = 0;    // Given back.
  std::int64_t expired_nanos = 0;  // Given back before the decision, by a time that was over.
};

bool IsOpen(const HoldRow& hold) { return hold.state == "reserved" || hold.state == "bound"; }

// `before` is null for a new hold.
Change ChangeOf(const HoldRow* before, const HoldRow& after) {
  Change change;
  change.row = &after;
  const std::int64_t captured = after.captured_nanos - (before ? before->captured_nanos : 0);
  std::int64_t set_aside = before ? before->held_nanos : 0;
  if (before == nullptr || before->expire_micros != after.expire_micros) {
    change.reserved = true;
    change.expired_nanos = set_aside;
    change.taken_nanos = after.estimate_nanos;
    set_aside = after.estimate_nanos;
  } else if (!IsOpen(*before) && after.state == "bound") {
    const std::int64_t again =
        std::max<std::int64_t>(after.estimate_nanos - before->captured_nanos, 0);
    change.forced_nanos += again;
    set_aside += again;
  }
  const std::int64_t rest = set_aside - after.held_nanos - captured;
  (rest >= 0 ? change.given_nanos : change.forced_nanos) += std::abs(rest);
  return change;
}

struct Commit {
  std::int64_t sequence = 0;
  std::int64_t write_micros = 0;        // Before the commit, and before the next one's.
  const AccountRow* account = nullptr;  // As it was left; null: untouched.
  std::vector<Change> changes;
  std::int64_t credited_nanos = 0;  // By hand.
  std::int64_t debited_nanos = 0;
};

// One tenant's transactions.
struct Course {
  std::unordered_map<std::uint64_t, Commit> commits;

  Commit& At(std::uint64_t transaction) { return commits.try_emplace(transaction).first->second; }
  template <typename Row>
  Commit& At(const Version<Row>& version) {
    Commit& commit = At(version.transaction);
    if (commit.sequence == 0) commit.sequence = version.sequence;
    commit.write_micros = std::max(commit.write_micros, version.write_micros);
    return commit;
  }
  std::vector<std::pair<std::uint64_t, const Commit*>> InOrder() const {
    std::vector<std::pair<std::uint64_t, const Commit*>> order;
    for (const auto& [transaction, commit] : commits) order.emplace_back(transaction, &commit);
    std::sort(order.begin(), order.end(),
              [](const auto& a, const auto& b) { return a.second->sequence < b.second->sequence; });
    return order;
  }
};
using Courses = std::map<std::int64_t, Course>;

// Illegal whatever else the transaction did.
void CheckStep(const HoldRow& before, const Version<HoldRow>& version,
               std::vector<Finding>* findings) {
  const HoldRow& after = version.row;
  const auto say = [&](const char* text) {
    findings->push_back({"hold " + after.key + ": " + text, after.key, after.tenant});
  };
  if (before.state == "captured" && !(before == after)) say("it was captured for good and changed");
  if (before.tenant != after.tenant) say("it changed its tenant");
  if (after.captured_nanos < before.captured_nanos || after.capture_count < before.capture_count) {
    say("a capture was lost");
  }
  const bool anew = before.expire_micros != after.expire_micros;
  if (anew && (before.was_bound || before.capture_count > 0 || before.state == "bound")) {
    say("it was reserved anew after it had been used");
  }
  if (anew && before.state == "reserved" && version.write_micros < before.expire_micros) {
    say("it was reserved anew before its time was over");
  }
  if (!anew && before.estimate_nanos != after.estimate_nanos) say("its estimate changed");
  if (after.state == "expired" && version.write_micros < after.expire_micros) {
    say("it expired before its time was over");
  }
}

void AddHolds(const Books& books, Courses* courses, std::vector<Finding>* findings) {
  std::unordered_map<std::string, const HoldRow*> newest;
  // A transaction may write a row twice: what counts is how it left it.
  std::map<std::pair<std::uint64_t, std::string>, const HoldRow*> left;
  for (const auto& version : books.hold_versions) {
    left[{version.transaction, version.row.key}] = &version.row;
  }
  for (const auto& version : books.hold_versions) {
    const HoldRow& row = version.row;
    if (left.at({version.transaction, row.key}) != &row) continue;
    const HoldRow* before = std::exchange(newest[row.key], &row);
    if (before != nullptr) CheckStep(*before, version, findings);
    (*courses)[row.tenant].At(version).changes.push_back(ChangeOf(before, row));
  }
  for (const HoldRow& row : books.holds) {
    const auto found = newest.find(row.key);
    if (found == newest.end() || !(*found->second == row)) {
      findings->push_back(
          {"hold " + row.key + ": it is not as the last commit left it", row.key, row.tenant});
    }
  }
  if (newest.size() != books.holds.size()) findings->push_back({"a hold has vanished", "", 0});
}

Courses CoursesOf(const Books& books, std::vector<Finding>* findings) {
  Courses courses;
  for (const auto& version : books.account_versions) {
    courses[version.row.tenant].At(version).account = &version.row;
  }
  AddHolds(books, &courses, findings);
  for (const EntryRow& entry : books.entries) {
    if (entry.type == "usage" || entry.number == 0) continue;
    Commit& commit = courses[entry.tenant].At(entry.transaction);
    (entry.credit == "reserve" ? commit.credited_nanos : commit.debited_nanos) +=
        entry.amount_nanos;
  }
  return courses;
}

// The most that can have been available when a transaction's reserves were decided is
// what was there before and what came in; so much they may take and no more.
void CheckFloor(std::int64_t tenant, std::int64_t floor, std::int64_t before, const Commit& commit,
                std::uint64_t transaction, std::vector<Finding>* findings) {
  std::int64_t most = before + commit.credited_nanos;  // For one of the reserves,
  std::int64_t others = most;                          // and for all of them together.
  std::int64_t kept = 0;  // Taken and not given back by the same transaction.
  for (const Change& change : commit.changes) {
    most += change.given_nanos + change.expired_nanos;
    others += change.expired_nanos;
    const std::int64_t net = change.given_nanos - change.taken_nanos;
    (net > 0 ? others : kept) += std::abs(net);
  }
  for (const Change& change : commit.changes) {
    const std::int64_t free = most - change.given_nanos;
    if (!change.reserved || free - change.taken_nanos >= floor) continue;
    findings->push_back({absl::StrCat("hold ", change.row->key, ": reserved in transaction ",
                                      transaction, " when at most ", free, " was available"),
                         change.row->key, tenant});
  }
  if (kept > 0 && others - kept < floor) {
    findings->push_back({absl::StrCat("tenant ", tenant, ": transaction ", transaction,
                                      " reserved ", kept, " of ", others),
                         "", tenant});
  }
}

// How much of one tenant's money was available when.
class Funds {
 public:
  // `least` at a moment of the transaction, `after` from its commit on. In the order of
  // commits.
  void Add(std::int64_t write_micros, std::int64_t least, std::int64_t after) {
    spans_.push_back({write_micros, least, after});
  }

  // The least that a decision between these moments can have found. A commit is between
  // the writing of its rows and that of the next one's, more is not known of its time.
  std::int64_t LeastBetween(std::int64_t begin_micros, std::int64_t end_micros) const {
    auto span = std::partition_point(spans_.begin(), spans_.end(), [&](const Span& one) {
      return one.write_micros < begin_micros;
    });
    // What was left by the one before was there until the first one wrote, or longer.
    std::int64_t least = span == spans_.begin() ? 0 : std::prev(span)->after;
    for (; span != spans_.end() && span->write_micros <= end_micros; ++span) {
      least = std::min({least, span->least, span->after});
    }
    return least;
  }

 private:
  struct Span {
    std::int64_t write_micros = 0;
    std::int64_t least = 0;
    std::int64_t after = 0;
  };
  std::vector<Span> spans_;
};

class TenantCommits {
 public:
  TenantCommits(std::int64_t tenant, const Terms& terms, std::vector<Finding>* findings)
      : tenant_(tenant), terms_(terms), findings_(findings) {}

  void Take(std::uint64_t transaction, const Commit& commit) {
    std::int64_t came = commit.credited_nanos;
    std::int64_t went = commit.debited_nanos;
    bool reserved = false;
    for (const Change& change : commit.changes) {
      came += change.given_nanos + change.expired_nanos;
      went += change.taken_nanos + change.forced_nanos;
      reserved |= change.reserved;
      CheckCeiling(*change.row);
    }
    const std::int64_t before = available_;
    if (commit.account != nullptr) {
      available_ = commit.account->settled_nanos - commit.account->held_nanos;
    }
    if (available_ != before + came - went) {
      Say(absl::StrCat("transaction ", transaction, " moved ", came - went,
                       " by holds and entries and ", available_ - before, " on the account"));
    }
    funds_.Add(commit.write_micros, before - went, available_);
    if (reserved && terms_.floor_nanos) {
      CheckFloor(tenant_, *terms_.floor_nanos, before, commit, transaction, findings_);
    }
  }

  // A reserve that was refused for want of money; after all commits.
  void CheckRefusal(const Asking& asking) {
    if (!terms_.floor_nanos) return;  // check_answers.cc says so.
    const std::int64_t least = funds_.LeastBetween(asking.begin_micros, asking.end_micros);
    if (least - asking.amount_nanos < *terms_.floor_nanos) return;
    findings_->push_back({absl::StrCat("reserve ", asking.key, " of ", asking.amount_nanos,
                                       " was refused when at least ", least, " was available"),
                          asking.key, tenant_});
  }

  void End(const AccountRow& row) {
    if (row.settled_nanos - row.held_nanos != available_) {
      Say("the account is not as the last commit left it");
    }
  }

 private:
  void CheckCeiling(const HoldRow& hold) {
    if (terms_.ceiling_nanos && hold.estimate_nanos > *terms_.ceiling_nanos) {
      findings_->push_back(
          {"hold " + hold.key + ": its estimate is above the ceiling", hold.key, tenant_});
    }
  }
  void Say(const std::string& text) {
    findings_->push_back({absl::StrCat("tenant ", tenant_, ": ", text), "", tenant_});
  }

  const std::int64_t tenant_;
  const Terms& terms_;
  std::vector<Finding>* const findings_;
  std::int64_t available_ = 0;
  Funds funds_;
};

// Reserves that were refused for want of money, by their tenants.
std::map<std::int64_t, std::vector<const Asking*>> RefusalsOf(const History& history) {
  std::map<std::int64_t, std::vector<const Asking*>> refusals;
  for (const Asking& asking : history.askings) {
    if (asking.reason == "RESERVE_INSUFFICIENT") refusals[asking.tenant].push_back(&asking);
  }
  return refusals;
}

}  // namespace

void CheckCommits(const History& history, std::vector<Finding>* findings) {
  static const Terms kFree;
  Courses courses = CoursesOf(history.books, findings);
  const auto refusals = RefusalsOf(history);
  // Of a tenant without a row nothing was available.
  for (const auto& [tenant, askings] : refusals) courses.try_emplace(tenant);
  std::map<std::int64_t, const AccountRow*> accounts;
  for (const AccountRow& row : history.books.accounts) accounts[row.tenant] = &row;
  for (const auto& [tenant, course] : courses) {
    const auto terms = history.terms.find(tenant);
    TenantCommits commits(tenant, terms == history.terms.end() ? kFree : terms->second, findings);
    for (const auto& [transaction, commit] : course.InOrder()) commits.Take(transaction, *commit);
    if (accounts.contains(tenant)) commits.End(*accounts.at(tenant));
    if (!refusals.contains(tenant)) continue;
    for (const Asking* asking : refusals.at(tenant)) commits.CheckRefusal(*asking);
  }
}

}  // namespace gatehouse::history
