// What goes on in a tenant: its unfinished jobs, and the tokens that its jobs used. Not
// what they cost: billing knows that.
#pragma once

#include <cstdint>
#include <vector>

#include "libs/pg/database.h"
#include "services/jobs/attempt_context.h"

namespace gatehouse::jobs {

struct Tokens {
  std::int64_t in = 0;   // Prompt and embedding tokens.
  std::int64_t out = 0;  // Completion tokens.
};

// Those among `usage`, each sum at most 10^15, so that adding up cannot overflow.
Tokens TokensOf(const std::vector<UsageLine>& usage);

struct Activity {
  std::int64_t queued = 0;
  std::int64_t running = 0;
  Tokens tokens;  // Of jobs submitted in the current calendar month (UTC).
};

// By index alone, in one statement.
absl::StatusOr<Activity> FindActivity(pg::Tx& tx, std::int64_t tenant_id);

}  // namespace gatehouse::jobs
