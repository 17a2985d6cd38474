#include "services/gateway/check_command.h"

#include <algorithm>
#include <cstdio>

#include "services/gateway/config_diff.h"
#include "services/gateway/snapshot.h"

namespace gatehouse::gateway {
namespace {

constexpr int kInvalid = 2;

constexpr char kUsage[] =
    "Usage: gateway check [CONFIG] [--against OTHER]\n\n"
    "Reads the file CONFIG (default: the one that CONFIG_FILE names) as serve would, in\n"
    "the environment in hand, and prints every problem with file and line. When there is\n"
    "none, prints what it would change against the file OTHER, or against no file.\n";

int Refuse(const std::string& problems) {
  std::fprintf(stderr, "%s\n", problems.c_str());
  return kInvalid;
}

// What serve would make of `path`, or of no file where it is empty; what it would warn
// of goes to `ignored`.
absl::StatusOr<HotConfig> ReadFrom(const config::Settings& settings, const std::string& path,
                                   config::Problems* ignored) {
  ConfigFile file(path);
  config::Problems problems;
  const auto read = settings.With(path.empty() ? nullptr : file.AsSource(), &problems);
  if (!read) return config::StatusOf(problems, "CONFIG_INVALID");
  *ignored = file.sections().ignored;
  return ReadHotConfig(*read, file.sections());
}

struct CheckArguments {
  std::string path;
  std::string against;
};

std::optional<CheckArguments> Parse(const std::vector<std::string>& words) {
  CheckArguments arguments;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--against") {
      if (i + 1 == words.size() || !arguments.against.empty()) return std::nullopt;
      arguments.against = words[++i];
    } else if (words[i].starts_with("-") || !arguments.path.empty()) {
      return std::nullopt;
    } else {
      arguments.path = words[i];
    }
  }
  return arguments;
}

// The settings among `items` that no reload applies.
std::string RestartLine(const config::Settings& settings,
                        const std::vector<ConfigDiff::Item>& items) {
  std::string names;
  for (const config::Entry& entry : settings.Entries()) {
    if (entry.reloadable || std::ranges::count(items, entry.name, &ConfigDiff::Item::name) == 0) {
      continue;
    }
    names += (names.empty() ? "" : ", ") + entry.name;
  }
  return names.empty() ? "" : "Needs a restart: " + names + "\n";
}

int Check(service::Process& process) {
  std::optional<CheckArguments> arguments = Parse(process.arguments());
  if (!arguments) return Refuse(kUsage);
  const config::Settings& settings = process.settings();
  if (arguments->path.empty()) arguments->path = settings.Text("CONFIG_FILE");
  if (arguments->path.empty()) return Refuse("Name a file, or set CONFIG_FILE.");
  config::Problems ignored;
  config::Problems ignored_before;
  const absl::StatusOr<HotConfig> next = ReadFrom(settings, arguments->path, &ignored);
  if (!next.ok()) return Refuse(std::string(next.status().message()));
  const absl::StatusOr<HotConfig> before = ReadFrom(settings, arguments->against, &ignored_before);
  if (!before.ok()) return Refuse(std::string(before.status().message()));
  const ConfigDiff diff = Compare(*before, *next);
  std::printf("%s is valid. Routes: %zu, upstreams: %zu.\n", arguments->path.c_str(),
              next->routes.size(), next->upstreams.size());
  if (!ignored.empty()) std::printf("%s\n", config::TextOf(ignored).c_str());
  if (diff.IsEmpty()) std::printf("Nothing would change.\n");
  std::fputs(diff.ToText().c_str(), stdout);
  std::fputs(RestartLine(settings, diff.settings).c_str(), stdout);
  return 0;
}

int PrintRoutes(service::Process& process, const ConfigFile& file) {
  absl::StatusOr<HotConfig> hot = ReadHotConfig(process.settings(), file.sections());
  if (!hot.ok()) return Refuse(std::string(hot.status().message()));
  std::fputs(MakeSnapshot(*std::move(hot), nullptr)->table.ToText().c_str(), stdout);
  return 0;
}

}  // namespace

service::Command RoutesCommand(const ConfigFile& file) {
  service::Command command;
  command.name = "routes";
  command.help = "Prints the route table.";
  command.run = [&file](service::Process& process) { return PrintRoutes(process, file); };
  command.needs_database = false;
  return command;
}

service::Command CheckCommand() {
  service::Command command;
  command.name = "check";
  command.help = "Checks a configuration file and prints what it would change.";
  command.run = Check;
  command.needs_database = false;
  command.usage = kUsage;
  command.reads_source = false;
  return command;
}

}  // namespace gatehouse::gateway
