// The registry of job types: name → check, estimate, run. Built once at start,
// then read from any thread. Says nothing about when or where a job runs.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "libs/status/status.h"
#include "services/jobs/attempt_context.h"

namespace gatehouse::jobs {

struct JobType {
  std::string name;
  // INVALID_ARGUMENT / PAYLOAD_INVALID; the payload is a JSON object already.
  std::function<absl::Status(const std::string& payload)> check;
  // What a job of this payload is expected to use: 1 to 100 lines.
  std::function<std::vector<UsageLine>(const std::string& payload)> estimate;
  // The result as JSON. INVALID_ARGUMENT and FAILED_PRECONDITION mean that
  // another attempt would fail too; CANCELLED that it was stopped.
  std::function<absl::StatusOr<std::string>(const std::string& payload, AttemptContext& context)>
      run;
};

class JobTypes {
 public:
  void Add(JobType type);

  // Null when unknown.
  const JobType* Find(const std::string& name) const;
  std::vector<std::string> Names() const;

  // CheckPayload, then the type's own check; INVALID_ARGUMENT /
  // JOB_TYPE_UNKNOWN for an unknown one.
  absl::StatusOr<const JobType*> Check(const std::string& name, const std::string& payload) const;

 private:
  std::map<std::string, JobType> types_;
};

}  // namespace gatehouse::jobs
