// What clients were told, against each other and against the database. Clients repeat a
// call until there is an answer, so a call that was answered has one outcome.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "tests/billing_history/checker.h"

namespace gatehouse::history {
namespace {

using Askings = std::vector<const Asking*>;

bool IsDone(const Asking& asking) { return asking.reason.empty(); }

// Looks rows up that answers speak of.
struct Index {
  explicit Index(const Books& books) {
    for (const HoldRow& hold : books.holds) holds[hold.key] = &hold;
    for (const CaptureRow& capture : books.captures) {
      captures[{capture.key, capture.number}] = &capture;
    }
    for (const auto& version : books.hold_versions) {
      reservations[version.row.key].insert(version.row.expire_micros);
    }
    for (const EntryRow& entry : books.entries) {
      entries[entry.id] = &entry;
    }
  }

  std::unordered_map<std::string, const HoldRow*> holds;
  std::map<std::pair<std::string, std::int64_t>, const CaptureRow*> captures;
  std::unordered_map<std::string, std::set<std::int64_t>> reservations;  // Their ends.
  std::unordered_map<std::string, const EntryRow*> entries;
};

// All that was asked under one key (of one hold, or of one adjustment).
class KeyCheck {
 public:
  KeyCheck(const std::string& key, const Askings& askings, const History& history,
           const Index& index, std::vector<Finding>* findings)
      : key_(key), askings_(askings), history_(history), index_(index), findings_(findings) {}

  void Check() {
    for (const Asking* asking : askings_) {
      if (asking->reason == kNoAnswer) Say(*asking, "was never answered");
      if (IsDone(*asking)) {
        CheckDone(*asking);
      } else {
        CheckRefused(*asking);
      }
    }
    CheckOneResult();
  }

 private:
  void CheckDone(const Asking& asking) {
    const auto found = index_.holds.find(key_);
    const HoldRow* hold = found == index_.holds.end() ? nullptr : found->second;
    if (asking.step == Step::kAdjust) return CheckAdjusted(asking);
    if (hold == nullptr) return Say(asking, "was answered and there is no hold");
    switch (asking.step) {
      case Step::kReserve:
        if (hold->tenant != asking.tenant) Say(asking, "is another tenant's in the database");
        if (hold->estimate_nanos != asking.amount_nanos) Say(asking, "is of another amount there");
        if (asking.state != "reserved" || asking.answered_nanos != asking.amount_nanos) {
          Say(asking, "was answered with something else");
        }
        if (!index_.reservations.at(key_).contains(asking.expire_micros)) {
          Say(asking, "was answered with a reservation that never was");
        }
        break;
      case Step::kBind:
        if (!hold->was_bound && hold->state != "captured") Say(asking, "was lost");
        if (asking.state != "bound" && asking.state != "captured") Say(asking, "did nothing");
        break;
      case Step::kCapture:
        CheckCaptured(asking);
        break;
      case Step::kRelease:
        if (asking.state != "released" && asking.state != "captured") Say(asking, "did nothing");
        if (asking.answered_nanos != 0) Say(asking, "left money held");
        break;
      case Step::kAdjust:
        break;
    }
  }

  void CheckCaptured(const Asking& asking) {
    const auto found = index_.captures.find({key_, asking.number});
    if (found == index_.captures.end()) return Say(asking, "was answered and is not there");
    const CaptureRow& row = *found->second;
    if (row.amount_nanos != asking.amount_nanos || asking.answered_nanos != asking.amount_nanos) {
      Say(asking, "is of another amount there");
    }
    if (row.entry_id != asking.entry_id) Say(asking, "was answered with another entry");
    if (asking.final && index_.holds.at(key_)->state != "captured") Say(asking, "was not for good");
  }

  void CheckAdjusted(const Asking& asking) {
    const auto entry = index_.entries.find(asking.entry_id);
    if (entry == index_.entries.end()) return Say(asking, "was answered and is not there");
    const EntryRow& row = *entry->second;
    const std::int64_t amount = row.credit == "reserve" ? row.amount_nanos : -row.amount_nanos;
    if (row.notes != key_ || row.tenant != asking.tenant || amount != asking.amount_nanos ||
        asking.answered_nanos != amount) {
      Say(asking, "was answered with another entry");
    }
  }

  void CheckRefused(const Asking& asking) {
    const auto before = [&](Step step) {  // Done under the same key, before this was asked.
      return std::any_of(askings_.begin(), askings_.end(), [&](const Asking* other) {
        return other->step == step && IsDone(*other) && other->end_micros < asking.begin_micros;
      });
    };
    const std::string& reason = asking.reason;
    static const Terms kFree;
    const auto found = history_.terms.find(asking.tenant);
    const Terms& terms = found == history_.terms.end() ? kFree : found->second;
    if (reason == "IDEMPOTENCY_KEY_REUSED") {
      if (!OthersAsked(asking)) Say(asking, "was refused, but nobody else used its key");
    } else if (reason == "RESERVE_INSUFFICIENT") {
      if (!terms.floor_nanos) Say(asking, "was refused although the tenant has no limit");
      if (before(Step::kBind) || before(Step::kCapture)) {
        Say(asking, "was refused although its hold was in use");
      }
    } else if (reason == "ESTIMATE_ABOVE_CEILING") {
      if (!terms.ceiling_nanos || asking.amount_nanos <= terms.ceiling_nanos.value()) {
        Say(asking, "was refused although it is below the ceiling");
      }
    } else if (reason == "HOLD_NOT_FOUND") {
      if (before(Step::kReserve)) Say(asking, "does not find what was reserved");
    } else if (reason == "HOLD_CLOSED") {
      const auto hold = index_.holds.find(key_);
      if (asking.step != Step::kCapture || hold == index_.holds.end() ||
          hold->second->state != "captured") {
        Say(asking, "was refused although nothing was captured for good");
      }
    } else if (reason != kNoAnswer) {
      Say(asking, "was refused for no good reason: " + reason);
    }
  }

  // Whether another request went out under the key (and number) of `asking`.
  bool OthersAsked(const Asking& asking) const {
    return std::any_of(askings_.begin(), askings_.end(), [&](const Asking* other) {
      return other->step == asking.step && other->number == asking.number &&
             other->request != asking.request;
    });
  }

  // Reservations that ended unused are decided anew, so their answers are one by their
  // time. Binds and releases tell how the hold is, which changes.
  void CheckOneResult() {
    std::map<std::pair<Step, std::int64_t>, const Asking*> first;
    for (const Asking* asking : askings_) {
      const bool is_keyed = asking->step == Step::kReserve || asking->step == Step::kCapture ||
                            asking->step == Step::kAdjust;
      if (!is_keyed || !IsDone(*asking)) continue;
      const auto requests = first.try_emplace({asking->step, asking->number}, asking);
      const Asking& other = *requests.first->second;
      if (other.request != asking->request) {
        Say(*asking, "and another request of the same key were both done");
      } else if (other.expire_micros == asking->expire_micros && other.answer != asking->answer) {
        Say(*asking, "got two different answers");
      }
    }
  }

  void Say(const Asking& asking, const std::string& text) {
    findings_->push_back(
        {absl::StrCat(StepText(asking.step), " ", key_, " ", text), key_, asking.tenant});
  }

  const std::string& key_;
  const Askings& askings_;
  const History& history_;
  const Index& index_;
  std::vector<Finding>* const findings_;
};

using AskingsByKey = std::unordered_map<std::string, Askings>;

// Whether a call like this was made under the key.
template <typename Like>
bool Asked(const AskingsByKey& by_key, const std::string& key, Like like) {
  const auto found = by_key.find(key);
  return found != by_key.end() && std::any_of(found->second.begin(), found->second.end(),
                                              [&](const Asking* asking) { return like(*asking); });
}

// All that is in the database was asked for, as it is there, and once.
void CheckNothingElse(const Books& books, const AskingsByKey& by_key,
                      std::vector<Finding>* findings) {
  for (const HoldRow& hold : books.holds) {
    if (!Asked(by_key, hold.key, [&](const Asking& asking) {
          return asking.step == Step::kReserve && asking.tenant == hold.tenant &&
                 asking.amount_nanos == hold.estimate_nanos;
        })) {
      findings->push_back({"nobody asked for hold " + hold.key, hold.key, hold.tenant});
    }
  }
  for (const CaptureRow& capture : books.captures) {
    if (!Asked(by_key, capture.key, [&](const Asking& asking) {
          return asking.step == Step::kCapture && asking.number == capture.number &&
                 asking.amount_nanos == capture.amount_nanos;
        })) {
      findings->push_back(
          {absl::StrCat("nobody asked for capture ", capture.number, " of hold ", capture.key),
           capture.key, 0});
    }
  }
  std::set<std::string> adjusted;
  for (const EntryRow& entry : books.entries) {
    if (entry.type == "usage" || entry.number == 0) continue;
    const std::int64_t amount =
        entry.credit == "reserve" ? entry.amount_nanos : -entry.amount_nanos;
    if (!adjusted.insert(entry.notes).second) {
      findings->push_back({"adjusted twice: " + entry.notes, entry.notes, entry.tenant});
    }
    if (!Asked(by_key, entry.notes, [&](const Asking& asking) {
          return asking.step == Step::kAdjust && asking.tenant == entry.tenant &&
                 asking.amount_nanos == amount;
        })) {
      findings->push_back({"nobody asked for entry " + entry.id, entry.notes, entry.tenant});
    }
  }
}

}  // namespace

void CheckAnswers(const History& history, std::vector<Finding>* findings) {
  const Index index(history.books);
  AskingsByKey by_key;
  for (const Asking& asking : history.askings) by_key[asking.key].push_back(&asking);
  for (const auto& [key, askings] : by_key) {
    KeyCheck(key, askings, history, index, findings).Check();
  }
  CheckNothingElse(history.books, by_key, findings);
}

}  // namespace gatehouse::history
