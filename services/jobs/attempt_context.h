// What a handler may ask and tell while it runs one attempt of a job: whether to
// stop, how far it is, what it used. Not the attempt's record: that is SQL.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace gatehouse::jobs {

// A quantity of something that billing has a price for.
struct UsageLine {
  std::string line_type;  // "per_job"
  std::string resource;   // "text.stats"
  std::int64_t quantity = 0;
};

// Thread-safe.
class AttemptContext {
 public:
  enum class StopReason { kNone, kCancelled, kLeaseLost, kDraining };
  using SaveProgress = std::function<void(int percent, const std::string& message)>;

  explicit AttemptContext(SaveProgress save_progress = {});

  // For handlers. Ask often enough that a stop takes effect within a second, and
  // return CANCELLED then.
  bool Stopped() const;
  // Sleeps; false when stopped before the end.
  bool SleepFor(std::chrono::milliseconds time);
  // 0–100 and a text for people.
  void Progress(int percent, const std::string& message);
  // Added up per (line_type, resource); billed also when the attempt fails.
  void ReportUsage(const UsageLine& line);

  // For the runner. The first reason stays.
  void Stop(StopReason reason);
  StopReason stop_reason() const;
  std::vector<UsageLine> Usage() const;

 private:
  const SaveProgress save_progress_;
  mutable std::mutex mutex_;
  std::condition_variable stopped_;
  StopReason reason_ = StopReason::kNone;  // guarded by mutex_
  std::vector<UsageLine> usage_;           // guarded by mutex_
};

}  // namespace gatehouse::jobs
