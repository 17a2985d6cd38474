#include "services/jobs/activity.h"

#include <algorithm>

namespace gatehouse::jobs {
namespace {

constexpr std::int64_t kTokensMax = 1'000'000'000'000'000;

constexpr char kFindActivity[] = R"(
SELECT unfinished.queued, unfinished.running, tokens.tokens_in, tokens.tokens_out
FROM (SELECT count(*) FILTER (WHERE state = 'queued') AS queued,
        count(*) FILTER (WHERE state = 'running') AS running
      FROM jobs.jobs WHERE tenant_id = $1 AND state IN ('queued', 'running')) AS unfinished,
  (SELECT least(coalesce(sum(tokens_in), 0), 9223372036854775807)::bigint AS tokens_in,
     least(coalesce(sum(tokens_out), 0), 9223372036854775807)::bigint AS tokens_out
   FROM jobs.jobs
   WHERE tenant_id = $1 AND create_time >= date_trunc('month', now())
     AND (tokens_in > 0 OR tokens_out > 0)) AS tokens)";

void Add(std::int64_t quantity, std::int64_t* sum) {
  *sum += std::clamp<std::int64_t>(quantity, 0, kTokensMax - *sum);
}

}  // namespace

Tokens TokensOf(const std::vector<UsageLine>& usage) {
  Tokens tokens;
  for (const UsageLine& line : usage) {
    if (line.line_type == "prompt_tokens" || line.line_type == "embedding_tokens") {
      Add(line.quantity, &tokens.in);
    } else if (line.line_type == "completion_tokens") {
      Add(line.quantity, &tokens.out);
    }
  }
  return tokens;
}

absl::StatusOr<Activity> FindActivity(pg::Tx& tx, std::int64_t tenant_id) {
  const pqxx::row row = tx.exec_params1(kFindActivity, tenant_id);
  return Activity{.queued = row["queued"].as<std::int64_t>(),
                  .running = row["running"].as<std::int64_t>(),
                  .tokens = {.in = row["tokens_in"].as<std::int64_t>(),
                             .out = row["tokens_out"].as<std::int64_t>()}};
}

}  // namespace gatehouse::jobs
