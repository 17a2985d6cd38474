#include "libs/base/failpoint.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

#include "libs/base/unique_fd.h"

namespace gatehouse {
namespace {

enum class Action { kCrash, kCrashOnce, kDelay, kError };

struct Point {
  Action action;
  std::string file;                    // Of kCrashOnce.
  std::chrono::milliseconds delay{0};  // Of kDelay.
};

// A fault test whose points are misspelt would test nothing: say so and stop.
[[noreturn]] void Refuse(const std::string& item) {
  std::fprintf(stderr, "GATEHOUSE_FAILPOINTS: cannot read \"%s\"\n", item.c_str());
  std::abort();
}

Point ParsePoint(const std::string& item, const std::string& action) {
  const std::string crash_once = "crash-once:";
  const std::string delay = "delay:";
  if (action == "crash") return {Action::kCrash, "", {}};
  if (action == "error") return {Action::kError, "", {}};
  if (action.compare(0, crash_once.size(), crash_once) == 0 && action.size() > crash_once.size()) {
    return {Action::kCrashOnce, action.substr(crash_once.size()), {}};
  }
  if (action.compare(0, delay.size(), delay) == 0) {
    long millis = 0;
    const char* end = action.data() + action.size();
    const auto [stop, error] = std::from_chars(action.data() + delay.size(), end, millis);
    if (error == std::errc() && stop == end && millis >= 0) {
      return {Action::kDelay, "", std::chrono::milliseconds(millis)};
    }
  }
  Refuse(item);
}

std::map<std::string, Point> ReadEnvironment() {
  std::map<std::string, Point> points;
  const char* production = std::getenv("ENV");
  const char* listed = std::getenv("GATEHOUSE_FAILPOINTS");
  if (listed == nullptr) return points;
  if (production != nullptr && std::strcmp(production, "production") == 0) return points;

  const std::string text = listed;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = text.find(',', at);
    if (end == std::string::npos) end = text.size();
    const std::string item = text.substr(at, end - at);
    const std::size_t equals = item.find('=');
    if (equals == std::string::npos || equals == 0) Refuse(item);
    points[item.substr(0, equals)] = ParsePoint(item, item.substr(equals + 1));
    at = end + 1;
  }
  return points;
}

// What stands in the environment; the flag makes the usual case one load.
std::atomic<bool> maybe_armed{true};

const std::map<std::string, Point>& Points() {
  static const std::map<std::string, Point> points = [] {
    std::map<std::string, Point> read = ReadEnvironment();
    maybe_armed.store(!read.empty(), std::memory_order_relaxed);
    return read;
  }();
  return points;
}

// No handler, no flush, no destructor: as the machine would take it away.
void Crash() {
  ::kill(::getpid(), SIGKILL);
  ::pause();
}

}  // namespace

bool Failpoint(const char* name) {
  if (!maybe_armed.load(std::memory_order_relaxed)) return false;
  const std::map<std::string, Point>& points = Points();
  const auto found = points.find(name);
  if (found == points.end()) return false;
  const Point& point = found->second;
  switch (point.action) {
    case Action::kCrash:
      Crash();
      return false;
    case Action::kCrashOnce: {
      // Exclusive creation decides between racing threads and processes.
      const UniqueFd file(
          ::open(point.file.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
      if (file.valid()) Crash();
      return false;
    }
    case Action::kDelay:
      std::this_thread::sleep_for(point.delay);
      return false;
    case Action::kError:
      return true;
  }
  return false;
}

}  // namespace gatehouse
