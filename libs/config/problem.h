// What is wrong with settings or a configuration, and where it stands: collected, so
// that all of it can be told at once. Not an error yet: StatusOf makes one.
#pragma once

#include <string>
#include <vector>

#include "libs/status/status.h"

namespace gatehouse::config {

struct Problem {
  std::string where;  // "gateway.yaml:12"; empty: in the environment.
  std::string text;   // "LOG_LEVEL must be …"; repeats no secret.
};
using Problems = std::vector<Problem>;

// A line per problem.
std::string TextOf(const Problems& problems);

// INVALID_ARGUMENT / `reason` with that text, and a field violation for each that
// has a place.
absl::Status StatusOf(const Problems& problems, const std::string& reason);

// "; did you mean NAME?" for the nearest of `known`, or "" when none is near.
std::string DidYouMean(const std::string& name, const std::vector<std::string>& known);

}  // namespace gatehouse::config
