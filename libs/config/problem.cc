#include "libs/config/problem.h"

#include <algorithm>
#include <numeric>

namespace gatehouse::config {
namespace {

// How many letters to add, drop or change to make `b` of `a`.
std::size_t Distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string TextOf(const Problems& problems) {
  std::string text;
  for (const Problem& problem : problems) {
    if (!text.empty()) text += '\n';
    if (!problem.where.empty()) text += problem.where + ": ";
    text += problem.text;
  }
  return text;
}

absl::Status StatusOf(const Problems& problems, const std::string& reason) {
  absl::Status status = Error(absl::StatusCode::kInvalidArgument, reason, TextOf(problems));
  for (const Problem& problem : problems) {
    if (problem.where.empty()) continue;
    status = WithFieldViolation(std::move(status), problem.where, problem.text);
  }
  return status;
}

std::string DidYouMean(const std::string& name, const std::vector<std::string>& known) {
  constexpr std::size_t kNameBytesMax = 64;
  if (name.size() > kNameBytesMax) return "";
  const std::string* nearest = nullptr;
  std::size_t best = std::min<std::size_t>(3, name.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const std::size_t distance = Distance(name, candidate);
    if (distance >= best) continue;
    best = distance;
    nearest = &candidate;
  }
  return nearest == nullptr ? "" : "; did you mean " + *nearest + "?";
}

}  // namespace gatehouse::config
