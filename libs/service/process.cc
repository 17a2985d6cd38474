#include "libs/service/process.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/match.h"
#include "libs/base/secret.h"
#include "libs/base/unique_fd.h"
#include "libs/log/log.h"
#include "libs/metrics/metrics.h"
#include "libs/service/commands.h"
#include "libs/service/readiness.h"
#include "libs/service/signals.h"

namespace gatehouse::service {
namespace {

using config::Setting;

constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;

std::string UpperCase(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

std::string Join(const std::vector<std::string>& words) {
  std::string joined;
  for (const std::string& word : words) joined += (joined.empty() ? "" : ",") + word;
  return joined;
}

// A failure that ends the process.
int Fail(const std::string& what, const absl::Status& status) {
  log::Error(what, {{"reason", Reason(status)}, {"error", std::string(status.message())}});
  return kFailed;
}

int WrongUsage(const Program& program, const std::string& problem) {
  std::fprintf(stderr, "%s: %s; try %s --help\n", program.name.c_str(), problem.c_str(),
               program.name.c_str());
  return kWrongUsage;
}

std::vector<Setting> ServeSettings(const Program& program) {
  std::vector<Setting> settings = CommonSettings(program.has_database);
  settings.insert(settings.end(), program.settings.begin(), program.settings.end());
  return settings;
}

// What LoadSettings reads.
constexpr const char* kWithoutServing[] = {"ENV", "ENV_FILE", "LOG_LEVEL", "LOG_FORMAT",
                                           "METRICS_ENABLED"};

bool IsOneOf(const std::string& name, const auto& names) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// A migration runs where there is neither a signing key nor the runtime role.
std::vector<Setting> MigrateSettings() {
  std::vector<Setting> settings;
  for (Setting& setting : CommonSettings(true)) {
    if (setting.name == "OWNER_DATABASE_URL") {
      setting.required = true;
    } else if (!IsOneOf(setting.name, kWithoutServing)) {
      continue;
    }
    settings.push_back(std::move(setting));
  }
  return settings;
}

// A command of the program neither serves nor calls: it may lack keys and
// addresses. One that needs no database needs nothing.
std::vector<Setting> CommandSettings(const Program& program, const Command& command) {
  std::vector<Setting> settings = ServeSettings(program);
  for (Setting& setting : settings) {
    const bool of_rpc = setting.name == "SERVICE_KEY" || setting.name == "SERVICE_KEYS_FILE" ||
                        absl::EndsWith(setting.name, "_ADDRESS");
    if (of_rpc || !command.needs_database) {
      setting.required = false;
      setting.required_in_production = false;
      setting.strong_in_production = false;
    }
  }
  return settings;
}

// The settings, or nothing after every problem was printed.
std::optional<config::Settings> LoadSettings(const Program& program,
                                             const std::vector<Setting>& declared,
                                             const config::Source& source = nullptr) {
  auto settings = config::Settings::Load(declared, source);
  if (!settings.ok()) {
    std::fprintf(stderr, "%s: wrong settings:\n%s\n", program.name.c_str(),
                 std::string(settings.status().message()).c_str());
    return std::nullopt;
  }
  log::Init(program.name, log::Level::kInfo);
  ApplyCommonSettings(*settings);
  // ENV may come from the file only, where failpoints would not see it.
  ::setenv("ENV", settings->Text("ENV").c_str(), 1);
  return *std::move(settings);
}

bool AsksForHelp(const std::vector<std::string>& arguments) {
  return std::any_of(arguments.begin(), arguments.end(), [](const std::string& argument) {
    return argument == "--help" || argument == "-h";
  });
}

// Writes to the ready descriptor, if there is one, and closes it.
void TellAddresses(std::int64_t descriptor, const std::vector<std::string>& lines) {
  if (descriptor < 0) return;
  const UniqueFd file(static_cast<int>(descriptor));
  std::string text;
  for (const std::string& line : lines) text += line + '\n';
  ssize_t written;
  do {
    written = ::write(file.get(), text.data(), text.size());
  } while (written < 0 && errno == EINTR);
  if (written != static_cast<ssize_t>(text.size())) log::Warning("READY_FD cannot be written");
}

}  // namespace

struct Process::Impl {
  const Program& program;
  config::Settings settings;
  std::vector<std::string> arguments;
  SystemClock clock;
  std::unique_ptr<rpc::PassportIssuer> issuer = nullptr;  // Null without SERVICE_KEY.

  void Reload(const Lifecycle& lifecycle);
  int RunUntilSignal(rpc::Server& server, Readiness& readiness, const Lifecycle& lifecycle,
                     const std::vector<std::string>& ready_lines);
  void Drain(rpc::Server& server, Readiness& readiness, const Lifecycle& lifecycle);
};

Process::Process(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
  const auto seed = Base64UrlDecode(impl_->settings.Text("SERVICE_KEY"));
  if (!seed.has_value() || seed->empty()) return;
  auto key = token::SigningKey::FromSeed(name(), *seed);
  if (!key.ok()) std::abort();  // The setting was checked.
  impl_->issuer = std::make_unique<rpc::PassportIssuer>(name(), *std::move(key), impl_->clock);
}

Process::~Process() = default;

const std::string& Process::name() const { return impl_->program.name; }
const config::Settings& Process::settings() const { return impl_->settings; }
config::Settings& Process::settings() { return impl_->settings; }
const Clock& Process::clock() const { return impl_->clock; }
const std::vector<std::string>& Process::arguments() const { return impl_->arguments; }

pg::Options Process::DatabaseOptions() const {
  pg::Options options;
  options.url = impl_->settings.Text("DATABASE_URL");
  options.connections_max = static_cast<int>(impl_->settings.Int("POOL_MAX"));
  options.probe_table = name() + ".readiness_probe";
  return options;
}

rpc::PassportIssuer& Process::issuer() {
  if (impl_->issuer == nullptr) {
    std::fprintf(stderr, "%s: SERVICE_KEY is required to call other processes\n", name().c_str());
    std::abort();
  }
  return *impl_->issuer;
}

std::unique_ptr<rpc::Client> Process::NewClient(const std::string& target) {
  const std::string& address = impl_->settings.Text(UpperCase(target) + "_ADDRESS");
  return std::make_unique<rpc::Client>(target, address, &issuer());
}

int Process::Serve(const std::vector<rpc::Service*>& services, pg::Database* db,
                   const Lifecycle& lifecycle) {
  const config::Settings& settings = impl_->settings;
  metrics::GetGauge("gatehouse_build_info", "1, with the program and its version as labels.",
                    {{"service", name()}, {"version", Version()}})
      .Set(1);
  const auto exposer = metrics::Exposer::Start(settings.Text("METRICS_ADDRESS"));
  if (!exposer.ok()) return Fail("cannot serve metrics", exposer.status());

  auto keys = rpc::ReadKeyList(settings.Text("SERVICE_KEYS_FILE"));
  if (!keys.ok()) return Fail("cannot read the keys", keys.status());
  if (keys->count(name()) == 0) log::Warning("SERVICE_KEYS_FILE does not name this process");
  rpc::PassportVerifier verifier(name(), *std::move(keys), impl_->clock);

  rpc::ServerOptions options;
  options.address = settings.Text("GRPC_ADDRESS");
  options.reflection = settings.Text("ENV") != "production";
  options.handler_threads = static_cast<int>(settings.Int("POOL_MAX"));
  auto server = rpc::Server::Start(options, services, verifier);
  if (!server.ok()) return Fail("cannot serve RPCs", server.status());

  std::vector<std::string> ready_lines = {"grpc=" + (*server)->address(),
                                          "metrics=" + (*exposer)->address()};
  if (lifecycle.start) {
    if (const absl::Status status = lifecycle.start(&ready_lines); !status.ok()) {
      (*server)->Drain(std::chrono::milliseconds(0));
      return Fail("cannot start", status);
    }
  }
  log::Info("started", {{"version", Version()}, {"addresses", Join(ready_lines)}});
  Readiness readiness(**server, db, lifecycle.ready);
  return impl_->RunUntilSignal(**server, readiness, lifecycle, ready_lines);
}

int Process::Impl::RunUntilSignal(rpc::Server& server, Readiness& readiness,
                                  const Lifecycle& lifecycle,
                                  const std::vector<std::string>& ready_lines) {
  bool told = false;
  while (true) {
    readiness.Check();
    if (!told && readiness.settled()) {
      TellAddresses(settings.Int("READY_FD"), ready_lines);
      told = true;
    }
    const std::optional<int> signal = WaitForSignal(readiness.pause());
    if (!signal.has_value()) continue;
    if (*signal == SIGHUP) {
      Reload(lifecycle);
      continue;
    }
    Drain(server, readiness, lifecycle);
    return 0;
  }
}

void Process::Impl::Reload(const Lifecycle& lifecycle) {
  log::Info("SIGHUP received: reloading configuration...");
  const auto changed = lifecycle.read_again ? lifecycle.read_again() : ReloadSettings(settings);
  if (changed.ok() && lifecycle.reload) lifecycle.reload(*changed);
  LogReload(changed);
}

void Process::Impl::Drain(rpc::Server& server, Readiness& readiness, const Lifecycle& lifecycle) {
  const std::chrono::milliseconds grace = std::chrono::seconds(settings.Int("DRAIN_SECONDS"));
  const SteadyTime end = std::chrono::steady_clock::now() + grace;
  log::Info("draining", {{"version", Version()}, {"seconds_max", grace.count() / 1000}});
  readiness.End();
  if (lifecycle.drain) lifecycle.drain(grace);
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  server.Drain(std::max(left, std::chrono::milliseconds(0)));
  log::Info("stopped", {{"version", Version()}});
}

void LogChanges(const std::vector<config::Change>& changes) {
  for (const auto& [name, before, after, applied] : changes) {
    if (applied) {
      log::Info("config changed", {{"key", name}, {"old", before}, {"new", after}});
    } else {
      log::Warning("config changed, needs a restart",
                   {{"key", name}, {"old", before}, {"new", after}});
    }
  }
}

void ApplyCommonSettings(const config::Settings& settings) {
  log::SetLevel(log::ParseLevel(settings.Text("LOG_LEVEL")));
  log::SetFormat(log::ParseFormat(settings.Text("LOG_FORMAT")));
  metrics::SetEnabled(settings.Bool("METRICS_ENABLED"));
}

void LogReload(const absl::StatusOr<std::vector<std::string>>& changed) {
  if (changed.ok()) {
    log::Info("Configuration reload complete", {{"changed", Join(*changed)}});
  } else {
    Fail("Configuration reload failed; nothing was changed", changed.status());
  }
}

absl::StatusOr<std::vector<std::string>> ReloadSettings(config::Settings& settings) {
  GH_ASSIGN_OR_RETURN(const auto changes, settings.Reload());
  LogChanges(changes);
  ApplyCommonSettings(settings);
  std::vector<std::string> names;
  for (const config::Change& change : changes) {
    if (change.applied) names.push_back(change.name);
  }
  return names;
}

int Run(const Program& program, int argc, char** argv, const std::function<int(Process&)>& serve) {
  // A peer that has gone is an error of a write, not the end of this process.
  ::signal(SIGPIPE, SIG_IGN);
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  const std::string verb = arguments.empty() ? "serve" : arguments[0];
  if (!arguments.empty()) arguments.erase(arguments.begin());

  const auto run = [&](const std::vector<Setting>& declared, bool from_source, const auto& body) {
    std::optional<config::Settings> settings =
        LoadSettings(program, declared, from_source ? program.source : nullptr);
    if (!settings.has_value()) return kWrongUsage;
    Process process(std::unique_ptr<Process::Impl>(
        new Process::Impl{program, *std::move(settings), std::move(arguments), {}, nullptr}));
    return body(process);
  };
  const auto own = std::find_if(program.commands.begin(), program.commands.end(),
                                [&](const Command& command) { return command.name == verb; });
  if (own != program.commands.end() && AsksForHelp(arguments)) {
    std::fputs(UsageText(program, *own).c_str(), stdout);
    return 0;
  }
  if (own != program.commands.end()) {
    return run(CommandSettings(program, *own), own->reads_source, own->run);
  }
  if (verb == "keygen") {
    if (arguments.size() != 1) return WrongUsage(program, "keygen takes one directory");
    return Keygen(program.name, arguments[0]);
  }
  if (!arguments.empty()) return WrongUsage(program, "too many arguments");
  if (verb == "--help" || verb == "-h" || verb == "help") {
    std::fputs(HelpText(program).c_str(), stdout);
    return 0;
  }
  if (verb == "--version") {
    std::fputs(VersionText(program).c_str(), stdout);
    return 0;
  }
  if (verb == "migrate" && program.has_database) {
    const std::optional<config::Settings> settings = LoadSettings(program, MigrateSettings());
    return settings.has_value() ? Migrate(program, *settings) : kWrongUsage;
  }
  if (verb != "serve") return WrongUsage(program, "unknown command \"" + verb + '"');
  BlockSignals();
  return run(ServeSettings(program), true, serve);
}

}  // namespace gatehouse::service
