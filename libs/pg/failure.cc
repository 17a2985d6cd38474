#include "libs/pg/failure.h"

#include <pqxx/pqxx>

namespace gatehouse::pg {
namespace {

bool StartsWith(const std::string& text, const char* prefix) { return text.rfind(prefix, 0) == 0; }

FailureKind KindOfState(const std::string& sqlstate) {
  if (sqlstate == "40001" || sqlstate == "40P01") return FailureKind::kConflict;
  // 55P03: lock_timeout; 57014: statement_timeout or a cancelled statement.
  if (sqlstate == "55P03" || sqlstate == "57014") return FailureKind::kTimeout;
  // 57P0x: shutting down or starting; 25P03: idle in a transaction for too long,
  // session ended.
  if (StartsWith(sqlstate, "57P0") || sqlstate == "25P03") {
    return FailureKind::kUnavailable;
  }
  return FailureKind::kError;
}

FailureKind KindOf(const std::exception& error) {
  if (dynamic_cast<const pqxx::in_doubt_error*>(&error) != nullptr ||
      dynamic_cast<const pqxx::statement_completion_unknown*>(&error) != nullptr) {
    return FailureKind::kInDoubt;
  }
  // These two do not derive from sql_error, and what has a class of its own carries
  // no SQLSTATE.
  if (dynamic_cast<const pqxx::serialization_failure*>(&error) != nullptr ||
      dynamic_cast<const pqxx::deadlock_detected*>(&error) != nullptr) {
    return FailureKind::kConflict;
  }
  // Also when the server refuses for want of connections, memory or disk.
  if (dynamic_cast<const pqxx::broken_connection*>(&error) != nullptr ||
      dynamic_cast<const pqxx::insufficient_resources*>(&error) != nullptr) {
    return FailureKind::kUnavailable;
  }
  if (const auto* sql = dynamic_cast<const pqxx::sql_error*>(&error)) {
    return KindOfState(sql->sqlstate());
  }
  return FailureKind::kError;
}

}  // namespace

Failure Classify(const std::exception& error) { return {KindOf(error), error.what()}; }

const char* ReasonOf(FailureKind kind) {
  switch (kind) {
    case FailureKind::kUnavailable:
      return "DATABASE_UNAVAILABLE";
    case FailureKind::kConflict:
      return "DATABASE_CONFLICT";
    case FailureKind::kBusy:
      return "DATABASE_BUSY";
    case FailureKind::kTimeout:
      return "DATABASE_TIMEOUT";
    case FailureKind::kInDoubt:
      return "COMMIT_IN_DOUBT";
    case FailureKind::kError:
      return "DATABASE_ERROR";
  }
  return "DATABASE_ERROR";
}

absl::Status ToStatus(FailureKind kind) {
  const std::string reason = ReasonOf(kind);
  switch (kind) {
    case FailureKind::kUnavailable:
      return Error(absl::StatusCode::kUnavailable, reason, "the database cannot be reached");
    case FailureKind::kConflict:
      return Error(absl::StatusCode::kAborted, reason, "lost against concurrent changes; retry");
    case FailureKind::kBusy:
      return Error(absl::StatusCode::kResourceExhausted, reason,
                   "no database connection was free in time");
    case FailureKind::kTimeout:
      return Error(absl::StatusCode::kDeadlineExceeded, reason, "the database took too long");
    case FailureKind::kInDoubt:
      return Error(absl::StatusCode::kUnknown, reason,
                   "the change may or may not have been stored; ask by its idempotency key");
    case FailureKind::kError:
      break;
  }
  return Error(absl::StatusCode::kInternal, reason, "database error");
}

}  // namespace gatehouse::pg
