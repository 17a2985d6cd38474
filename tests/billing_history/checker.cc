#include "tests/billing_history/checker.h"

#include <algorithm>
#include <sstream>

namespace gatehouse::history {
namespace {

constexpr std::size_t kLinesMax = 60;  // Of a story.

std::string Line(const Asking& asking) {
  std::ostringstream line;
  line << asking.begin_micros << "–" << asking.end_micros << " " << StepText(asking.step) << " "
       << asking.key;
  if (asking.step == Step::kCapture) line << " no. " << asking.number;
  line << " of " << asking.amount_nanos << (asking.final ? " for good" : "") << ": "
       << (asking.reason.empty() ? "done" : asking.reason) << " " << asking.state << " "
       << asking.answered_nanos << " " << asking.entry_id;
  if (asking.attempts > 1) line << " (" << asking.attempts << " attempts)";
  return line.str();
}

std::string Line(const Version<HoldRow>& version) {
  const HoldRow& row = version.row;
  std::ostringstream line;
  line << "transaction " << version.transaction << ": hold " << row.key << " " << row.state
       << ", estimate " << row.estimate_nanos << ", held " << row.held_nanos << ", captured "
       << row.captured_nanos << " in " << row.capture_count << ", until " << row.expire_micros;
  return line.str();
}

std::string Line(const Version<AccountRow>& version) {
  const AccountRow& row = version.row;
  std::ostringstream line;
  line << "transaction " << version.transaction << ": account " << row.tenant << " settled "
       << row.settled_nanos << ", held " << row.held_nanos << ", " << row.entry_count << " entries";
  return line.str();
}

}  // namespace

const char* StepText(Step step) {
  switch (step) {
    case Step::kReserve:
      return "reserve";
    case Step::kBind:
      return "bind";
    case Step::kCapture:
      return "capture";
    case Step::kRelease:
      return "release";
    case Step::kAdjust:
      return "adjust";
  }
  return "";
}

std::vector<Finding> Check(const History& history) {
  std::vector<Finding> findings;
  CheckLedger(history.books, &findings);
  CheckHolds(history.books, &findings);
  CheckCommits(history, &findings);
  CheckAnswers(history, &findings);
  return findings;
}

std::string Story(const History& history, const Finding& finding) {
  std::vector<std::string> lines;
  const auto of_key = [&](const std::string& key) { return key == finding.key; };
  for (const Asking& asking : history.askings) {
    if (of_key(asking.key)) lines.push_back(Line(asking));
  }
  for (const auto& version : history.books.hold_versions) {
    if (of_key(version.row.key)) lines.push_back(Line(version));
  }
  if (finding.key.empty()) {
    for (const auto& version : history.books.account_versions) {
      if (version.row.tenant == finding.tenant) lines.push_back(Line(version));
    }
  }
  std::string story = finding.text + "\n";
  for (std::size_t i = lines.size() - std::min(lines.size(), kLinesMax); i < lines.size(); ++i) {
    story += "  " + lines[i] + "\n";
  }
  return story;
}

}  // namespace gatehouse::history
