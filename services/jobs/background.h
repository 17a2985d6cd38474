// What works in the process beside its RPCs: runner, reaper, outbox relay, the feed
// that wakes them when another process commits, and its sweeper. Only wiring.
#pragma once

#include <memory>

#include "libs/config/settings.h"
#include "libs/pg/database.h"
#include "libs/pg/feed.h"
#include "libs/pg/feed_sweeper.h"
#include "libs/pg/outbox.h"
#include "services/jobs/billing_port.h"
#include "services/jobs/job_type.h"
#include "services/jobs/reaper.h"
#include "services/jobs/runner.h"
#include "services/jobs/settle.h"

namespace gatehouse::jobs {

// RUNNER_SLOTS.
config::Setting RunnerSlotsSetting();

class Background {
 public:
  struct Options {
    Runner::Options runner = {};
    Reaper::Options reaper = {};
  };

  // Delivers and reaps from now on; runs jobs, and wakes for other processes, from
  // Start on. All must outlive
  // this; `db` has `options.runner.slots` + 4 connections and no other user.
  Background(pg::Database& db, const JobTypes& types, BillingPort& billing, Options options);

  absl::Status Start();

  // Runs no more jobs; gives the leases back at once.
  void Stop() { runner_.Stop(); }

  // Something was committed: everyone looks now, in other processes too. A hint;
  // all of them also poll. Thread-safe, does not block.
  void Wake();

  pg::FeedHub& hub() { return hub_; }

 private:
  pg::FeedHub hub_;
  pg::FeedSweeper feed_sweeper_;
  Settler settler_;
  pg::OutboxRelay relay_;
  Runner runner_;
  Reaper reaper_;
  std::shared_ptr<void> subscription_;  // last: no call comes after it goes
};

}  // namespace gatehouse::jobs
