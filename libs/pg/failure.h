// What went wrong below, sorted into the reasons that database.h promises. Used
// inside libs/pg only; other libraries see absl::Status.
#pragma once

#include <exception>
#include <string>

#include "libs/status/status.h"

namespace gatehouse::pg {

enum class FailureKind { kUnavailable, kConflict, kBusy, kTimeout, kInDoubt, kError };

struct Failure {
  FailureKind kind = FailureKind::kError;
  std::string text;  // The database's own; for the log, never for a caller.
};

// Sorts an exception of pqxx or of the code that ran in a transaction.
Failure Classify(const std::exception& error);

// "DATABASE_UNAVAILABLE", …
const char* ReasonOf(FailureKind kind);

absl::Status ToStatus(FailureKind kind);

}  // namespace gatehouse::pg
