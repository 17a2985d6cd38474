// The one way to a new configuration: read, check, swap; by SIGHUP and by
// POST /platform/config/reload alike. A file that is not good changes nothing.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "libs/config/settings.h"
#include "libs/exec/pool.h"
#include "libs/status/status.h"
#include "services/gateway/snapshot.h"

namespace gatehouse::gateway {

class ConfigFile;

class Reloader {
 public:
  using Names = std::vector<std::string>;

  // All must outlive this. `applied`: called with each new snapshot, for the parts
  // that keep something of it. `settings` and `file`, which is their source, may both
  // be null in tests: then there is nothing to read again. Warns of keys in the file that
  // have no effect, now and at each reload.
  Reloader(config::Settings* settings, ConfigFile* file, LiveConfig& live,
           std::function<void(const Snapshot&)> applied);

  // Reads the settings and CONFIG_FILE again and swaps. The names that changed, of
  // settings and of sections ("routes", "upstreams", "limits"); when there are none, the
  // snapshot stays the one it was. INVALID_ARGUMENT / CONFIG_INVALID with file, line and
  // reason in the message and in field violations. Blocks on files and, for addresses that
  // are new, on their names; one at a time; thread-safe.
  absl::StatusOr<Names> Reload();

  // Swaps to a configuration that comes from elsewhere.
  void Swap(HotConfig hot);

  // The same as Reload on a thread of its own, where `done` is called too. False, and `done` is
  // never called, when too many are waiting.
  [[nodiscard]] bool ReloadSoon(std::function<void(const absl::StatusOr<Names>&)> done);

 private:
  absl::StatusOr<Names> ReadAndSwap();
  void SwapLocked(HotConfig hot);

  config::Settings* const settings_;
  ConfigFile* const file_;
  LiveConfig& live_;
  const std::function<void(const Snapshot&)> applied_;
  std::mutex mutex_;
  exec::Pool pool_;
};

}  // namespace gatehouse::gateway
