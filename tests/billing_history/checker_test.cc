// The judge must be able to condemn: a small history that is right, and what it says when
// one thing in it is not.
#include "tests/billing_history/checker.h"

#include <gmock/gmock.h>

#include <functional>
#include <utility>

namespace gatehouse::history {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kTenant = 1;
constexpr std::int64_t kFree = 2;  // A tenant without limits.

// Makes histories a commit at a time, as billing and its clients would.
class Writer {
 public:
  Writer() {
    history_.terms[kTenant] = {.floor_nanos = 0, .ceiling_nanos = 80};
    history_.terms[kFree] = {};
  }

  void Adjust(const std::string& key, std::int64_t tenant, std::int64_t amount) {
    BeginCommit();
    AccountRow& account = At(tenant);
    account.settled_nanos += amount;
    AddEntry("e-" + key, tenant, amount, "adjustment", "adjustments");
    history_.books.entries.back().notes = key;
    AddDebt(tenant, amount);
    LogAccount(tenant);
    Asking& asking = Ask(Step::kAdjust, key, tenant, amount);
    asking.entry_id = "e-" + key;
    asking.answered_nanos = amount;
  }

  void Reserve(const std::string& key, std::int64_t tenant, std::int64_t amount) {
    BeginCommit();
    At(tenant).held_nanos += amount;
    const std::int64_t expire = begin_micros_ + kTtl;
    history_.books.holds.push_back({.key = key,
                                    .tenant = tenant,
                                    .state = "reserved",
                                    .estimate_nanos = amount,
                                    .held_nanos = amount,
                                    .expire_micros = expire});
    LogHold(key);
    Asking& asking = Ask(Step::kReserve, key, tenant, amount);
    asking.state = "reserved";
    asking.answered_nanos = amount;
    asking.expire_micros = expire;
  }

  // When its time is over by so much.
  void Expire(const std::string& key, std::int64_t over_micros) {
    BeginCommit();
    HoldRow& hold = Hold(key);
    begin_micros_ = hold.expire_micros + over_micros - kWork;
    At(hold.tenant).held_nanos -= hold.held_nanos;
    hold.held_nanos = 0;
    hold.state = "expired";
    LogHold(key);
    begin_micros_ += 10;
  }

  // For good.
  void Capture(const std::string& key, std::int64_t amount) {
    BeginCommit();
    HoldRow& hold = Hold(key);
    AccountRow& account = At(hold.tenant);
    account.held_nanos -= hold.held_nanos;
    account.settled_nanos -= amount;
    hold.held_nanos = 0;
    hold.state = "captured";
    hold.captured_nanos = amount;
    hold.capture_count = 1;
    history_.books.captures.push_back({key, 1, amount, "e-" + key});
    AddEntry("e-" + key, hold.tenant, -amount, "usage", "revenue");
    history_.books.entries.back().job = key;
    AddDebt(hold.tenant, -amount);
    LogHold(key);
    Asking& asking = Ask(Step::kCapture, key, hold.tenant, amount);
    asking.number = 1;
    asking.final = true;
    asking.state = "captured";
    asking.answered_nanos = amount;
    asking.entry_id = "e-" + key;
  }

  void Release(const std::string& key) {
    BeginCommit();
    HoldRow& hold = Hold(key);
    At(hold.tenant).held_nanos -= hold.held_nanos;
    hold.held_nanos = 0;
    hold.state = "released";
    LogHold(key);
    Ask(Step::kRelease, key, hold.tenant, 0).state = "released";
  }

  Asking& Refuse(Step step, const std::string& key, std::int64_t tenant, std::int64_t amount,
                 const std::string& reason) {
    Asking& asking = Ask(step, key, tenant, amount);
    asking.reason = reason;
    asking.answer.clear();
    return asking;
  }

  History& history() { return history_; }

 private:
  static constexpr std::int64_t kWork = 2;  // From the begin of a call to its writing;
  static constexpr std::int64_t kCall = 5;  // to its end.
  static constexpr std::int64_t kTtl = 1000;

  void BeginCommit() { ++transaction_; }

  AccountRow& At(std::int64_t tenant) {
    for (AccountRow& account : history_.books.accounts) {
      if (account.tenant == tenant) return account;
    }
    return history_.books.accounts.emplace_back(AccountRow{.tenant = tenant});
  }
  HoldRow& Hold(const std::string& key) {
    for (HoldRow& hold : history_.books.holds) {
      if (hold.key == key) return hold;
    }
    std::abort();
  }

  void AddEntry(const std::string& id, std::int64_t tenant, std::int64_t amount,
                const std::string& type, const std::string& other) {
    AccountRow& account = At(tenant);
    EntryRow entry{.id = id,
                   .tenant = tenant,
                   .number = ++account.entry_count,
                   .debit = amount < 0 ? "reserve" : other,
                   .credit = amount < 0 ? other : "reserve",
                   .amount_nanos = std::abs(amount),
                   .type = type,
                   .balance_after_nanos = account.settled_nanos,
                   .transaction = transaction_};
    history_.books.entries.push_back(entry);
  }

  // What is missing after the newest entry, or is paid back by it.
  void AddDebt(std::int64_t tenant, std::int64_t amount) {
    const EntryRow cause = history_.books.entries.back();
    const std::int64_t after = At(tenant).settled_nanos;
    const std::int64_t owed_before = std::max<std::int64_t>(amount - after, 0);
    const std::int64_t more = std::max<std::int64_t>(-after, 0) - owed_before;
    if (more == 0) return;
    history_.books.entries.push_back({.id = cause.id + "-debt",
                                      .tenant = tenant,
                                      .debit = more > 0 ? "debt" : "reserve",
                                      .credit = more > 0 ? "reserve" : "debt",
                                      .amount_nanos = std::abs(more),
                                      .type = "debt",
                                      .balance_after_nanos = after,
                                      .cause = cause.id,
                                      .transaction = transaction_});
  }

  void LogAccount(std::int64_t tenant) {
    history_.books.account_versions.push_back(
        {++sequence_, transaction_, begin_micros_ + kWork, At(tenant)});
  }
  void LogHold(const std::string& key) {
    LogAccount(Hold(key).tenant);
    history_.books.hold_versions.push_back(
        {++sequence_, transaction_, begin_micros_ + kWork, Hold(key)});
  }

  Asking& Ask(Step step, const std::string& key, std::int64_t tenant, std::int64_t amount) {
    const std::int64_t begin = std::exchange(begin_micros_, begin_micros_ + 10);
    return history_.askings.emplace_back(Asking{.step = step,
                                                .key = key,
                                                .tenant = tenant,
                                                .amount_nanos = amount,
                                                .request = "r",
                                                .answer = "a",
                                                .begin_micros = begin,
                                                .end_micros = begin + kCall,
                                                .attempts = 1});
  }

  History history_;
  std::uint64_t transaction_ = 100;
  std::int64_t sequence_ = 0;
  std::int64_t begin_micros_ = 0;  // Of the next call.
};

// Credit 100; a job of 60 that costs 50; one of 50 that costs 70, so that 20 are owed;
// one of 20 for another tenant, given back; 30 paid; a job that is too dear, another one
// that never comes, so that its money is free again when its time is over.
Writer Right() {
  Writer writer;
  writer.Adjust("credit", kTenant, 100);
  writer.Reserve("one", kTenant, 60);
  writer.Capture("one", 50);
  writer.Reserve("two", kTenant, 50);
  writer.Capture("two", 70);
  writer.Reserve("three", kFree, 20);
  writer.Release("three");
  writer.Adjust("more", kTenant, 30);
  writer.Refuse(Step::kReserve, "four", kTenant, 70, "RESERVE_INSUFFICIENT");
  writer.Reserve("five", kTenant, 8);
  writer.Refuse(Step::kReserve, "dear", kTenant, 3, "RESERVE_INSUFFICIENT");
  writer.Expire("five", 0);
  return writer;
}

std::string Said(const History& history) {
  std::string said;
  for (const Finding& finding : Check(history)) said += finding.text + "\n";
  return said;
}

// By what a right history is made wrong, and what must be said of it.
struct Wrong {
  const char* name;
  std::function<void(Writer&)> make;
  const char* said;
};

Asking& AskingOf(History& history, Step step, const std::string& key) {
  for (Asking& asking : history.askings) {
    if (asking.step == step && asking.key == key) return asking;
  }
  std::abort();
}

HoldRow& HoldOf(History& history, const std::string& key) {
  for (HoldRow& hold : history.books.holds) {
    if (hold.key == key) return hold;
  }
  std::abort();
}

EntryRow& EntryOf(History& history, const std::string& id) {
  for (EntryRow& entry : history.books.entries) {
    if (entry.id == id) return entry;
  }
  std::abort();
}

template <typename Rows, typename Which>
void Drop(Rows& rows, Which which) {
  const auto found = std::find_if(rows.begin(), rows.end(), which);
  ASSERT_NE(found, rows.end());
  rows.erase(found);
}

class CheckerTest : public ::testing::TestWithParam<Wrong> {};

TEST(CheckerTest, ARightHistoryIsNotBlamed) { EXPECT_EQ(Said(Right().history()), ""); }

TEST(CheckerTest, ARefusalIsRightWhenMoneyWasShortForAMomentOfTheCall) {
  Writer early = Right();
  early.Adjust("late", kTenant, 50);
  Asking& before = early.Refuse(Step::kReserve, "six", kTenant, 60, "RESERVE_INSUFFICIENT");
  before.begin_micros = AskingOf(early.history(), Step::kAdjust, "late").begin_micros;
  EXPECT_EQ(Said(early.history()), "");

  // Within one transaction, which took all and gave it back.
  Writer batch = Right();
  auto& books = batch.history().books;
  batch.Adjust("spent", kTenant, -10);
  batch.Adjust("more again", kTenant, 10);
  const std::uint64_t both = books.entries.back().transaction;
  for (EntryRow& entry : books.entries) {
    if (entry.transaction + 1 == both) entry.transaction = both;
  }
  (books.account_versions.end() - 2)->transaction = both;
  Asking& amid = batch.Refuse(Step::kReserve, "seven", kTenant, 10, "RESERVE_INSUFFICIENT");
  amid.begin_micros = books.account_versions.back().write_micros;
  EXPECT_EQ(Said(batch.history()), "");
}

TEST_P(CheckerTest, AWrongHistoryIsBlamed) {
  Writer writer = Right();
  GetParam().make(writer);
  EXPECT_THAT(Said(writer.history()), HasSubstr(GetParam().said));
}

std::vector<Wrong> WrongBooks() {
  return {
      {"AmountOfAnEntryIsChanged", [](Writer& w) { ++EntryOf(w.history(), "e-one").amount_nanos; },
       "all accounts together are not zero"},
      {"EntryIsLost",
       [](Writer& w) {
         Drop(w.history().books.entries, [](const EntryRow& e) { return e.id == "e-two"; });
       },
       "its entries add up to"},
      {"EntryIsBookedTwice",
       [](Writer& w) {
         EntryRow twice = EntryOf(w.history(), "e-more");
         twice.id = "again";
         ++twice.number;
         twice.balance_after_nanos += twice.amount_nanos;
         w.history().books.entries.push_back(twice);
       },
       "adjusted twice: more"},
      {"DebtIsNotBooked",
       [](Writer& w) {
         Drop(w.history().books.entries, [](const EntryRow& e) { return e.id == "e-two-debt"; });
       },
       "after entry e-two the reserve is -20"},
      {"BalanceIsChanged", [](Writer& w) { ++w.history().books.accounts[0].settled_nanos; },
       "the balance is 11"},
      {"HeldMoneyIsForgotten", [](Writer& w) { w.history().books.accounts[1].held_nanos = 20; },
       "20 is held, its holds add up to 0"},
      {"HoldNeverEnds", [](Writer& w) { w.Reserve("six", kFree, 7); },
       "it has not ended: reserved"},
      {"CaptureHasNoEntry", [](Writer& w) { w.history().books.captures[0].entry_id = "e-two"; },
       "is not what the ledger has"},
  };
}

std::vector<Wrong> WrongCommits() {
  return {
      {"MoneyVanishesBetweenHoldAndAccount",
       [](Writer& w) { ++w.history().books.hold_versions[1].row.captured_nanos; },
       "by holds and entries and"},
      {"HoldChangesAfterItsEnd",
       [](Writer& w) {
         w.Capture("one", 5);
         w.history().books.hold_versions.back().row.captured_nanos = 55;
       },
       "it was captured for good and changed"},
      {"ReserveIsLetThroughWithoutFunds",
       [](Writer& w) {
         w.Reserve("six", kTenant, 11);
         w.Release("six");
       },
       "reserved in transaction 111 when at most 10 was available"},
      {"TwoReservesOfOneCommitTakeTheSameMoney",
       [](Writer& w) {
         w.Reserve("six", kTenant, 10);
         w.Reserve("seven", kTenant, 10);
         auto& books = w.history().books;
         const std::uint64_t both = books.hold_versions.back().transaction;
         (books.hold_versions.end() - 2)->transaction = both;
         (books.account_versions.end() - 2)->transaction = both;
         w.Release("six");
         w.Release("seven");
       },
       "reserved 20 of 10"},
      {"EstimateIsAboveTheCeiling",
       [](Writer& w) {
         w.Adjust("much", kTenant, 1000);
         w.Reserve("six", kTenant, 81);
         w.Release("six");
       },
       "its estimate is above the ceiling"},
      {"HoldIsNotAsItWasCommitted",
       [](Writer& w) { HoldOf(w.history(), "three").estimate_nanos = 21; },
       "it is not as the last commit left it"},
  };
}

std::vector<Wrong> WrongMoments() {
  return {
      {"HoldExpiresTooEarly",
       [](Writer& w) {
         w.Reserve("six", kTenant, 10);
         w.Expire("six", -1);
       },
       "hold six: it expired before its time was over"},
      {"HoldIsReservedAnewTooEarly",
       [](Writer& w) {
         w.Reserve("six", kTenant, 10);
         w.Release("six");
         (w.history().books.hold_versions.end() - 1)->row.expire_micros += 5;
       },
       "hold six: it was reserved anew before its time was over"},
      {"ReserveIsRefusedWithFunds",
       [](Writer& w) { w.Refuse(Step::kReserve, "six", kTenant, 10, "RESERVE_INSUFFICIENT"); },
       "reserve six of 10 was refused when at least 10 was available"},
      {"ReserveIsRefusedForMoneyThatWasGivenBackBefore",
       [](Writer& w) {
         w.Reserve("six", kTenant, 10);
         w.Release("six");
         w.Adjust("nothing", kFree, 1);
         w.Refuse(Step::kReserve, "seven", kTenant, 9, "RESERVE_INSUFFICIENT");
         w.Adjust("gone", kTenant, -5);
       },
       "reserve seven of 9 was refused when at least 10 was available"},
  };
}

std::vector<Wrong> WrongAnswers() {
  return {
      {"AnswerIsLost",
       [](Writer& w) { w.history().books.captures.erase(w.history().books.captures.begin()); },
       "capture one was answered and is not there"},
      {"HoldIsLost",
       [](Writer& w) {
         Drop(w.history().books.holds, [](const HoldRow& h) { return h.key == "three"; });
       },
       "reserve three was answered and there is no hold"},
      {"OneKeyHasTwoAnswers",
       [](Writer& w) {
         Asking again = AskingOf(w.history(), Step::kCapture, "two");
         again.answer = "b";
         w.history().askings.push_back(again);
       },
       "capture two got two different answers"},
      {"OneKeyServesTwoRequests",
       [](Writer& w) {
         Asking other = AskingOf(w.history(), Step::kCapture, "two");
         other.request = "other";
         w.history().askings.push_back(other);
       },
       "and another request of the same key were both done"},
      {"NobodyAskedForACapture",
       [](Writer& w) {
         Drop(w.history().askings,
              [](const Asking& a) { return a.step == Step::kCapture && a.key == "one"; });
       },
       "nobody asked for capture 1 of hold one"},
      {"NobodyAskedForACredit",
       [](Writer& w) {
         Drop(w.history().askings, [](const Asking& a) { return a.key == "more"; });
       },
       "nobody asked for entry e-more"},
      {"ReservedIsNotFound",
       [](Writer& w) { w.Refuse(Step::kRelease, "three", kFree, 0, "HOLD_NOT_FOUND"); },
       "does not find what was reserved"},
      {"RefusedWithoutALimit",
       [](Writer& w) { w.Refuse(Step::kReserve, "six", kFree, 1, "RESERVE_INSUFFICIENT"); },
       "was refused although the tenant has no limit"},
      {"KeyIsNobodyElses",
       [](Writer& w) { w.Refuse(Step::kReserve, "six", kFree, 1, "IDEMPOTENCY_KEY_REUSED"); },
       "was refused, but nobody else used its key"},
      {"BrokenInside",
       [](Writer& w) { w.Refuse(Step::kReserve, "six", kFree, 1, "DATABASE_ERROR"); },
       "was refused for no good reason: DATABASE_ERROR"},
      {"NeverAnswered", [](Writer& w) { w.Refuse(Step::kReserve, "six", kFree, 1, kNoAnswer); },
       "was never answered"},
      {"AnsweredWithAReservationThatNeverWas",
       [](Writer& w) { AskingOf(w.history(), Step::kReserve, "one").expire_micros = 2000; },
       "was answered with a reservation that never was"},
  };
}

std::string NameOf(const ::testing::TestParamInfo<Wrong>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Books, CheckerTest, ::testing::ValuesIn(WrongBooks()), NameOf);
INSTANTIATE_TEST_SUITE_P(Commits, CheckerTest, ::testing::ValuesIn(WrongCommits()), NameOf);
INSTANTIATE_TEST_SUITE_P(Moments, CheckerTest, ::testing::ValuesIn(WrongMoments()), NameOf);
INSTANTIATE_TEST_SUITE_P(Answers, CheckerTest, ::testing::ValuesIn(WrongAnswers()), NameOf);

}  // namespace
}  // namespace gatehouse::history
