#include "services/jobs/reaper.h"

#include <utility>

#include "libs/log/log.h"
#include "services/jobs/lease_store.h"
#include "services/jobs/settle.h"

namespace gatehouse::jobs {

void HealthWatch::Observe(bool healthy, SteadyTime now) {
  const bool unbroken = healthy_since_ && now - observed_ <= gap_max_;
  observed_ = now;
  if (!healthy) {
    healthy_since_.reset();
  } else if (!unbroken) {
    healthy_since_ = now;
  }
}

bool HealthWatch::MayReap(SteadyTime now) const {
  return healthy_since_ && now - observed_ <= gap_max_ && now - *healthy_since_ >= lease_;
}

Reaper::Reaper(pg::Database& db, Options options, std::function<void()> changed)
    : db_(db),
      options_(options),
      changed_(std::move(changed)),
      rescued_(metrics::GetCounter("gatehouse_jobs_rescued_total",
                                   "Jobs taken from workers whose lease had ended.")),
      watch_(options.lease, options.interval + options.lease / 3),
      leader_(db, "jobs.reaper"),
      ticker_(std::make_unique<exec::Ticker>("reaper", [this] { return Step(); })) {}

Reaper::~Reaper() {
  ticker_.reset();
  // If this fails, another reaper ends the session when its lease is over.
  if (!session_.empty()) CloseSession(db_, session_).IgnoreError();
}

bool Reaper::Probe() {
  if (session_.empty()) {
    absl::StatusOr<std::string> opened = OpenSession(db_, "reaper", options_.lease);
    if (opened.ok()) session_ = *std::move(opened);
    return !session_.empty();
  }
  const absl::StatusOr<Renewal> renewal = RenewSession(db_, session_, options_.lease);
  if (!renewal.ok()) return false;
  if (!renewal->alive) session_.clear();
  return renewal->alive;
}

std::chrono::milliseconds Reaper::Step() {
  // Those that do not lead watch too, so that a successor need not begin anew.
  const bool healthy = Probe();
  watch_.Observe(healthy, std::chrono::steady_clock::now());
  if (!healthy || !leader_.Lead()) return options_.interval;
  const SteadyTime now = std::chrono::steady_clock::now();
  if (watch_.MayReap(now)) Reap();
  if (now >= next_sweep_) {
    next_sweep_ = now + options_.sweep_interval;
    Sweep();
  }
  return options_.interval;
}

void Reaper::Reap() {
  const absl::StatusOr<int> rescued = ReapSessions(db_);
  if (!rescued.ok()) {
    log::Warning("reaping failed", {{"error", std::string(rescued.status().message())}});
  } else if (*rescued > 0) {
    log::Warning("jobs rescued from dead workers", {{"jobs", *rescued}});
    rescued_.Increment(*rescued);
    changed_();
  }
}

void Reaper::Sweep() {
  const absl::StatusOr<int> owed = SweepUnsettled(db_, options_.sweep_age);
  if (!owed.ok()) {
    log::Warning("sweep failed", {{"error", std::string(owed.status().message())}});
  } else if (*owed > 0) {
    log::Warning("billing messages were missing and are sent again", {{"messages", *owed}});
    changed_();
  }
}

}  // namespace gatehouse::jobs
