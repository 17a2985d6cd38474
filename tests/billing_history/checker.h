// Judges a history of billing: do the books add up at every moment, did every hold end
// once, was no limit passed, has each key one result, and are answers and database the
// same. Knows nothing of how billing works inside. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/billing_history/history.h"

namespace gatehouse::history {

// Something that must not be.
struct Finding {
  std::string text;
  std::string key;          // Of the hold or adjustment that it is about; may be empty.
  std::int64_t tenant = 0;  // 0: not about one.
};

struct History {
  std::vector<Asking> askings;  // By their end.
  std::map<std::int64_t, Terms> terms;
  Books books;
};

// The ledger: its sum is zero, balances are sums of entries, debt is what is missing.
void CheckLedger(const Books& books, std::vector<Finding>* findings);

// Holds and captures as they are in the end: nothing is held, all is booked once.
void CheckHolds(const Books& books, std::vector<Finding>* findings);

// Each transaction in the order of commits: money moved from hold to account and back
// without a rest, holds ended for good or when their time was over, no reserve passed
// a limit, and none was refused for want of money that was there.
void CheckCommits(const History& history, std::vector<Finding>* findings);

// What clients were told: one result per key, all of it in the database, nothing there
// that nobody asked for.
void CheckAnswers(const History& history, std::vector<Finding>* findings);

// All of them.
std::vector<Finding> Check(const History& history);

// What is known of the finding's hold or tenant, for people.
std::string Story(const History& history, const Finding& finding);

}  // namespace gatehouse::history
