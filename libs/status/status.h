// The error vocabulary of the suite: absl::Status everywhere inside a process,
// google.rpc.Status on the wire. An error that a caller may act on carries a
// reason (UPPER_SNAKE_CASE); messages are for people and may change. Not for
// programmer errors: those abort.
#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace grpc {
class Status;
}

namespace gatehouse {

// A non-OK status with a google.rpc.ErrorInfo {reason, "gatehouse", metadata}.
absl::Status Error(absl::StatusCode code, const std::string& reason, const std::string& message,
                   const std::map<std::string, std::string>& metadata = {});

// The reason in `status`, or "" when it has none.
std::string Reason(const absl::Status& status);

// One value of the ErrorInfo's metadata, or "".
std::string ReasonMetadata(const absl::Status& status, const std::string& key);

// Adds a google.rpc.BadRequest violation to an error; `field` is a JSON path.
absl::Status WithFieldViolation(absl::Status status, const std::string& field,
                                const std::string& description);

// The violations of `status` as (field, description), in order.
std::multimap<std::string, std::string> FieldViolations(const absl::Status& status);

// Adds a google.rpc.RetryInfo; RetryDelayMillis reads it, or 0.
absl::Status WithRetryDelay(absl::Status status, long millis);
long RetryDelayMillis(const absl::Status& status);

// To and from the wire, lossless for code, message and payloads.
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace gatehouse

#define GH_CONCAT_(a, b) a##b
#define GH_CONCAT(a, b) GH_CONCAT_(a, b)

// Evaluates `expr` (absl::Status) and returns it from this function unless OK.
#define GH_RETURN_IF_ERROR(expr)                                            \
  do {                                                                      \
    if (absl::Status gh_status = (expr); !gh_status.ok()) return gh_status; \
  } while (false)

// GH_ASSIGN_OR_RETURN(auto x, F()): x = *F(), or returns F()'s error.
#define GH_ASSIGN_OR_RETURN(lhs, expr) GH_ASSIGN_OR_RETURN_(GH_CONCAT(gh_or_, __LINE__), lhs, expr)
#define GH_ASSIGN_OR_RETURN_(tmp, lhs, expr)     \
  auto tmp = (expr);                             \
  if (!tmp.ok()) return std::move(tmp).status(); \
  lhs = *std::move(tmp)
