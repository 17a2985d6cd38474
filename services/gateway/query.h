// The arguments of a request's query, checked one by one like JsonBody's
// members. Unknown ones are passed over; of repeated ones the first counts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/status/status.h"

namespace gatehouse::gateway {

class Query {
 public:
  // INVALID_ARGUMENT / QUERY_MALFORMED.
  static absl::StatusOr<Query> Parse(std::string_view query);

  // nullopt when absent or empty.
  std::optional<std::string> Text(const std::string& name) const;

  // Clamped to the range; `fallback` when absent; a note when it is no number.
  std::int64_t Number(const std::string& name, std::int64_t fallback, std::int64_t min,
                      std::int64_t max);

  // 1, true, yes; 0, false, no; any case.
  bool Flag(const std::string& name);

  void Note(const std::string& name, const std::string& problem);

  // OK, or INVALID_ARGUMENT / VALIDATION_FAILED with a violation per finding.
  absl::Status Finish() const;

 private:
  std::vector<std::pair<std::string, std::string>> arguments_;
  std::vector<std::pair<std::string, std::string>> notes_;
};

}  // namespace gatehouse::gateway
