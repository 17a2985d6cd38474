#include "services/gateway/reloader.h"

#include "libs/log/log.h"
#include "libs/service/process.h"
#include "services/gateway/config_diff.h"
#include "services/gateway/config_file.h"
#include "services/gateway/upstream_checker.h"

namespace gatehouse::gateway {
namespace {

// What a reload waits at most for the addresses of upstreams that are new and names.
constexpr std::chrono::milliseconds kResolvePatience{1000};

void LogSections(const ConfigDiff& diff) {
  for (const ConfigDiff::Item& item : diff.sections) {
    log::Info("config changed",
              {{"key", item.section + ' ' + item.name}, {"old", item.before}, {"new", item.after}});
  }
}

void WarnOfIgnored(const ConfigFile& file) {
  for (const auto& [where, text] : file.sections().ignored) {
    log::Warning("a key of CONFIG_FILE is ignored", {{"where", where}, {"reason", text}});
  }
}

}  // namespace

Reloader::Reloader(config::Settings* settings, ConfigFile* file, LiveConfig& live,
                   std::function<void(const Snapshot&)> applied)
    : settings_(settings),
      file_(file),
      live_(live),
      applied_(std::move(applied)),
      pool_({.name = "reload", .threads = 1, .queue_max = 16}) {
  if (file_ != nullptr) WarnOfIgnored(*file_);
}

absl::StatusOr<Reloader::Names> Reloader::Reload() {
  const std::lock_guard lock(mutex_);
  return ReadAndSwap();
}

absl::StatusOr<Reloader::Names> Reloader::ReadAndSwap() {
  if (settings_ == nullptr || file_ == nullptr) return Names();
  config::Problems problems;
  const std::optional<config::Settings> next = settings_->Again(&problems);
  if (!next) return config::StatusOf(problems, "CONFIG_INVALID");
  GH_ASSIGN_OR_RETURN(HotConfig hot, ReadHotConfig(*next, file_->sections()));
  WarnOfIgnored(*file_);
  const SnapshotPtr before = live_.Get();
  const ConfigDiff diff = Compare(before->config, hot);
  const std::vector<config::Change> changes = settings_->Take(*next);
  service::LogChanges(changes);
  service::ApplyCommonSettings(*settings_);
  Names names;
  for (const config::Change& change : changes) {
    if (change.applied) names.push_back(change.name);
  }
  for (const std::string& section : diff.SectionNames()) names.push_back(section);
  if (hot == before->config) return names;
  SwapLocked(std::move(hot));
  LogSections(diff);  // Of thousands of routes, perhaps: only now.
  return names;
}

void Reloader::Swap(HotConfig hot) {
  const std::lock_guard lock(mutex_);
  SwapLocked(std::move(hot));
}

void Reloader::SwapLocked(HotConfig hot) {
  const SnapshotPtr before = live_.Get();
  const SnapshotPtr after = MakeSnapshot(std::move(hot), before);
  ResolveNewGroups(*after, before.get(), kResolvePatience);
  live_.Set(after);
  applied_(*after);
}

bool Reloader::ReloadSoon(std::function<void(const absl::StatusOr<Names>&)> done) {
  return pool_.TryPost([this, done = std::move(done)] {
    const absl::StatusOr<Names> changed = Reload();
    service::LogReload(changed);
    done(changed);
  });
}

}  // namespace gatehouse::gateway
