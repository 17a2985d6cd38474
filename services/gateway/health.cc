#include "services/gateway/health.h"

#include <algorithm>
#include <mutex>

#include "libs/log/log.h"

namespace gatehouse::gateway {
struct HealthChecker::Board {
  explicit Board(const Clock& the_clock) : clock(the_clock) {}

  // Whether a check of part `i` may start now.
  bool Begin(std::size_t i) {
    std::lock_guard lock(mutex);
    if (under_way[i]) return false;
    under_way[i] = true;
    return true;
  }

  void End(std::size_t i, bool is_serving) {
    std::lock_guard lock(mutex);
    under_way[i] = false;
    PartHealth& part = parts[i];
    const bool is_first = part.check_time == Time();
    if (is_first ? !is_serving : part.is_serving != is_serving) {
      const log::Level level = is_serving ? log::Level::kInfo : log::Level::kWarning;
      log::Write(level, is_serving ? "a service is back" : "a service is down",
                 {{"target", part.name}});
    }
    part.is_serving = is_serving;
    part.check_time = clock.Now();
  }

  const Clock& clock;
  mutable std::mutex mutex;
  std::vector<PartHealth> parts;  // guarded by mutex
  std::vector<bool> under_way;    // guarded by mutex
};

const char* HealthText(Health health) {
  switch (health) {
    case Health::kHealthy:
      return "healthy";
    case Health::kDegraded:
      return "degraded";
    case Health::kUnhealthy:
      return "unhealthy";
  }
  return "";
}

bool IsDatabaseUp(const std::vector<PartHealth>& parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [](const PartHealth& part) { return part.is_serving; });
}

bool IsServing(const std::vector<PartHealth>& parts, const std::string& name) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](const PartHealth& part) { return part.name == name && part.is_serving; });
}

Health Judge(const std::vector<PartHealth>& parts, bool control_is_fresh, bool store_is_down) {
  if (!IsServing(parts, "auth") || !IsDatabaseUp(parts)) return Health::kUnhealthy;
  const bool all = std::all_of(parts.begin(), parts.end(),
                               [](const PartHealth& part) { return part.is_serving; });
  return all && control_is_fresh && !store_is_down ? Health::kHealthy : Health::kDegraded;
}

HealthChecker::HealthChecker(std::vector<rpc::Client*> clients, const Clock& clock)
    : clients_(std::move(clients)),
      board_([&] {
        auto board = std::make_shared<Board>(clock);
        for (const rpc::Client* client : clients_) {
          board->parts.push_back({client->name(), false, Time()});
        }
        board->under_way.resize(clients_.size());
        return board;
      }()),
      ticker_("health", [this] { return Check(); }) {}

HealthChecker::~HealthChecker() = default;

std::chrono::milliseconds HealthChecker::Check() {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    if (!board_->Begin(i)) continue;
    clients_[i]->CheckServing(kTimeout,
                              [board = board_, i](bool serving) { board->End(i, serving); });
  }
  return kInterval;
}

std::vector<PartHealth> HealthChecker::Parts() const {
  std::lock_guard lock(board_->mutex);
  return board_->parts;
}

}  // namespace gatehouse::gateway
