// What every process does and none should repeat: arguments, settings, keys,
// signals, health, metrics, readiness, migrations, drain. Not a framework: a
// program owns its parts and hands them over.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libs/config/settings.h"
#include "libs/pg/database.h"
#include "libs/pg/migrate.h"
#include "libs/rpc/client.h"
#include "libs/rpc/passport.h"
#include "libs/rpc/server.h"

namespace gatehouse::service {

class Process;

// A subcommand beside serve, migrate, keygen: `auth bootstrap`.
struct Command {
  std::string name;
  std::string help;
  std::function<int(Process&)> run;  // Gets settings only; returns the exit code.
  bool needs_database = true;        // Whether DATABASE_URL is required; keys never are.
  std::string usage = {};            // What NAME --help prints; empty: made of `help`.
  bool reads_source = true;          // Whether the settings come from Program::source, too.
};

// What a program is.
struct Program {
  std::string name;                            // "auth"
  std::string summary;                         // One sentence for --help.
  std::vector<config::Setting> settings = {};  // Beside the common ones.
  config::Source source = nullptr;             // A file of its own with settings.
  std::vector<pg::Migration> migrations = {};  // Empty with `has_database` false.
  bool has_database = true;                    // Schema = name.
  std::vector<Command> commands = {};
};

// A part with a life of its own beside the RPC server, such as the edge's HTTP
// listener. Calls come from the main thread.
struct Lifecycle {
  // After the RPC server listens, before readiness. Adds "name=address" lines
  // for the ready descriptor.
  std::function<absl::Status(std::vector<std::string>* ready_lines)> start;
  // At SIGTERM, before the RPC server drains; returns when drained or after the
  // grace time.
  std::function<void(std::chrono::milliseconds grace)> drain;
  // At SIGHUP, in place of ReloadSettings, for a part that reads more than settings
  // again; the names that changed.
  std::function<absl::StatusOr<std::vector<std::string>>()> read_again;
  // At SIGHUP, after that; the names that changed.
  std::function<void(const std::vector<std::string>& changed)> reload;
  // Whether the process can serve now; asked every second beside the database.
  std::function<absl::Status()> ready;
};

// main(): parses arguments, loads settings, runs the command; `serve` for the
// command "serve", which is the default. Returns the exit code: 0, 1 for a
// failure, 2 for wrong arguments or settings (every problem listed).
int Run(const Program& program, int argc, char** argv, const std::function<int(Process&)>& serve);

class Process {
 public:
  const std::string& name() const;
  const config::Settings& settings() const;
  config::Settings& settings();
  const Clock& clock() const;

  // Arguments after the command.
  const std::vector<std::string>& arguments() const;

  // DATABASE_URL and POOL_MAX; readiness writes the table <name>.readiness_probe, which
  // a migration makes (libs/pg/probe.h).
  pg::Options DatabaseOptions() const;

  // For clients of other processes. The address of process "jobs" is the setting
  // JOBS_ADDRESS, which the program declares (AddressSetting below). Abort without
  // SERVICE_KEY, which only a command may lack.
  rpc::PassportIssuer& issuer();
  std::unique_ptr<rpc::Client> NewClient(const std::string& target);

  // Serves until SIGTERM or SIGINT, then drains for at most DRAIN_SECONDS.
  // `db` may be null. Returns the exit code for main(). READY_FD gets the lines
  // "grpc=…", "metrics=…" and those of Lifecycle::start at the first success of
  // readiness, or after two seconds without one.
  int Serve(const std::vector<rpc::Service*>& services, pg::Database* db,
            const Lifecycle& lifecycle = {});

 private:
  friend int Run(const Program&, int, char**, const std::function<int(Process&)>&);
  struct Impl;
  explicit Process(std::unique_ptr<Impl> impl);
  ~Process();
  std::unique_ptr<Impl> impl_;
};

// The setting that names where another process serves: JOBS_ADDRESS for "jobs".
config::Setting AddressSetting(const std::string& process);

// Reads the settings again, logs what changed, applies the common ones; the names.
absl::StatusOr<std::vector<std::string>> ReloadSettings(config::Settings& settings);
// The second and third part of it, for who calls Settings::Again and Take himself.
void LogChanges(const std::vector<config::Change>& changes);
void ApplyCommonSettings(const config::Settings& settings);
// How a reload ended.
void LogReload(const absl::StatusOr<std::vector<std::string>>& changed);

// The common settings: ENV, ENV_FILE, LOG_LEVEL, LOG_FORMAT, METRICS_ENABLED, GRPC_ADDRESS,
// METRICS_ADDRESS, SERVICE_KEY (secret), SERVICE_KEYS_FILE, DATABASE_URL (secret),
// OWNER_DATABASE_URL (secret, migrate only), POOL_MAX, DRAIN_SECONDS, READY_FD.
std::vector<config::Setting> CommonSettings(bool has_database);

}  // namespace gatehouse::service
