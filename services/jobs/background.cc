#include "services/jobs/background.h"

#include "libs/log/log.h"

namespace gatehouse::jobs {

config::Setting RunnerSlotsSetting() {
  return {.name = "RUNNER_SLOTS",
          .help = "How many jobs the built-in runner executes at once.",
          .fallback = "4",
          .kind = config::Kind::kInt,
          .min = 1,
          .max = 64};
}

Background::Background(pg::Database& db, const JobTypes& types, BillingPort& billing,
                       Options options)
    : hub_(db, "jobs"),
      feed_sweeper_(db, "jobs"),
      settler_(db, billing),
      relay_(db, "jobs",
             [this](const pg::OutboxMessage& message) { return settler_.Deliver(message); }),
      runner_(db, types, options.runner, [this] { Wake(); }),
      reaper_(db, options.reaper, [this] { Wake(); }) {}

absl::Status Background::Start() {
  subscription_ = hub_.Subscribe([this](const pg::Event& event) {
    if (event.type == "execution.queued") runner_.Wake();
    relay_.Wake();
  });
  if (!subscription_) log::Warning("no hints from other processes: polling only");
  runner_.Start();
  return absl::OkStatus();
}

void Background::Wake() {
  runner_.Wake();
  relay_.Wake();
  hub_.Notify();
}

}  // namespace gatehouse::jobs
