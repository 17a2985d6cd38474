// SQL for jobs.jobs: insert, find, lock, list, end. Every function runs in the
// caller's transaction. Claims and leases are in lease_store.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/pg/database.h"
#include "libs/rpc/page.h"
#include "services/jobs/job.h"

namespace gatehouse::jobs {

// Inserts a queued job. nullopt when its id, idempotency key or unique key is
// taken; waits for a transaction that is taking it.
absl::StatusOr<std::optional<Job>> InsertJob(pg::Tx& tx, const NewJob& job);

// nullopt when there is none, or when `tenant_id` is not 0 and not its tenant.
absl::StatusOr<std::optional<Job>> FindJob(pg::Tx& tx, const std::string& id,
                                           std::int64_t tenant_id);
absl::StatusOr<std::optional<Job>> LockJob(pg::Tx& tx, const std::string& id,
                                           std::int64_t tenant_id);

// The id of the tenant's unfinished job with this unique key.
absl::StatusOr<std::optional<std::string>> FindByUniqueKey(pg::Tx& tx, std::int64_t tenant_id,
                                                           const std::string& unique_key);

struct JobFilter {
  std::int64_t tenant_id = 0;  // 0: all
  std::optional<State> state;
  std::string type;  // "": all
};

struct JobPage {
  std::vector<Job> jobs;  // Newest first.
  bool more = false;
};

// At most `limit` jobs after `after`, and at most some 2 MiB of payloads and
// results, but always one job if there is one.
absl::StatusOr<JobPage> ListPage(pg::Tx& tx, const JobFilter& filter,
                                 const std::optional<rpc::PagePosition>& after, int limit);

// Asks the worker of a running job to stop. The row is locked already.
absl::Status SaveCancelRequest(pg::Tx& tx, const std::string& id);

// What jobs.jobs is read with, and the same with empty payload and result, which
// may be large. FromRow reads either.
const std::string& JobColumns();
const std::string& JobHeadColumns();
Job FromRow(const pqxx::row& row);

}  // namespace gatehouse::jobs
