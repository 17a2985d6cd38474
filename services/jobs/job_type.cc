#include "services/jobs/job_type.h"

#include <utility>

#include "services/jobs/json_text.h"

namespace gatehouse::jobs {

void JobTypes::Add(JobType type) {
  const std::string name = type.name;
  types_[name] = std::move(type);
}

const JobType* JobTypes::Find(const std::string& name) const {
  auto found = types_.find(name);
  return found == types_.end() ? nullptr : &found->second;
}

std::vector<std::string> JobTypes::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, type] : types_) names.push_back(name);
  return names;
}

absl::StatusOr<const JobType*> JobTypes::Check(const std::string& name,
                                               const std::string& payload) const {
  const JobType* type = Find(name);
  if (type == nullptr) {
    return WithFieldViolation(
        Error(absl::StatusCode::kInvalidArgument, "JOB_TYPE_UNKNOWN", "there is no such job type"),
        "type", "is not a registered job type");
  }
  GH_RETURN_IF_ERROR(CheckPayload(payload));
  GH_RETURN_IF_ERROR(type->check(payload));
  return type;
}

}  // namespace gatehouse::jobs
