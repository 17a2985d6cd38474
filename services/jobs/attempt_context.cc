#include "services/jobs/attempt_context.h"

#include <utility>

namespace gatehouse::jobs {

AttemptContext::AttemptContext(SaveProgress save_progress)
    : save_progress_(std::move(save_progress)) {}

bool AttemptContext::Stopped() const { return stop_reason() != StopReason::kNone; }

bool AttemptContext::SleepFor(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return !stopped_.wait_for(lock, time, [this] { return reason_ != StopReason::kNone; });
}

void AttemptContext::Progress(int percent, const std::string& message) {
  // Outside the lock: it writes to the database.
  if (save_progress_ && !Stopped()) save_progress_(percent, message);
}

void AttemptContext::ReportUsage(const UsageLine& line) {
  std::lock_guard lock(mutex_);
  for (UsageLine& known : usage_) {
    if (known.line_type == line.line_type && known.resource == line.resource) {
      known.quantity += line.quantity;
      return;
    }
  }
  usage_.push_back(line);
}

void AttemptContext::Stop(StopReason reason) {
  {
    std::lock_guard lock(mutex_);
    if (reason_ == StopReason::kNone) reason_ = reason;
  }
  stopped_.notify_all();
}

AttemptContext::StopReason AttemptContext::stop_reason() const {
  std::lock_guard lock(mutex_);
  return reason_;
}

std::vector<UsageLine> AttemptContext::Usage() const {
  std::lock_guard lock(mutex_);
  return usage_;
}

}  // namespace gatehouse::jobs
