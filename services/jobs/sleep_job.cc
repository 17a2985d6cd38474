#include "services/jobs/sleep_job.h"

#include "services/jobs/json_text.h"

namespace gatehouse::jobs {
namespace {

constexpr char kName[] = "sleep";

absl::StatusOr<std::int64_t> Seconds(const std::string& payload) {
  return PayloadInt(payload, "seconds", 0, 60);
}

absl::StatusOr<std::string> Run(const std::string& payload, AttemptContext& context) {
  GH_ASSIGN_OR_RETURN(const std::int64_t seconds, Seconds(payload));
  for (std::int64_t slept = 0; slept < seconds; ++slept) {
    if (!context.SleepFor(std::chrono::seconds(1))) return absl::CancelledError("stopped");
    context.Progress(static_cast<int>((slept + 1) * 100 / seconds), "sleeping");
  }
  context.ReportUsage({"per_job", kName, 1});
  return JsonObject({{"seconds", seconds}});
}

}  // namespace

JobType SleepType() {
  return {
      .name = kName,
      .check = [](const std::string& payload) { return Seconds(payload).status(); },
      .estimate =
          [](const std::string&) {
            return std::vector<UsageLine>{{"per_job", kName, 1}};
          },
      .run = Run,
  };
}

}  // namespace gatehouse::jobs
