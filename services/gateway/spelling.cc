#include "services/gateway/spelling.h"

namespace gatehouse::gateway {

void FailAs(const Context& context, std::span<const Spelling> spellings,
            const absl::Status& status) {
  const std::string reason = Reason(status);
  for (const Spelling& spelling : spellings) {
    if (reason != spelling.reason) continue;
    Problem problem{spelling.status, spelling.code, "", "", {}};
    problem.message =
        spelling.message != nullptr ? spelling.message : std::string(status.message());
    for (const auto& [field, description] : FieldViolations(status)) {
      problem.details.emplace_back(field, description);
    }
    return context->Fail(std::move(problem));
  }
  context->Fail(status, "auth");
}

}  // namespace gatehouse::gateway
