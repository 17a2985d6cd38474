// A program as small as one can be, for the tests of this folder: what it does is
// what libs/service does for every program.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "libs/base/failpoint.h"
#include "libs/log/log.h"
#include "libs/service/process.h"

namespace gatehouse::service {
namespace {

constexpr char kCreateProbe[] = R"(
CREATE TABLE invitations.readiness_probe (
  singleton boolean DEFAULT true PRIMARY KEY, probe_time timestamptz NOT NULL DEFAULT now());
INSERT INTO invitations.readiness_probe DEFAULT VALUES;
GRANT SELECT, UPDATE ON invitations.readiness_probe TO gatehouse_invitations)";

int AskHealth(Process& process) {
  const bool serving = process.NewClient("sample")->IsServing(std::chrono::seconds(5));
  std::printf("%s\n", serving ? "serving" : "not serving");
  return serving ? 0 : 1;
}

int Greet(Process& process) {
  if (Failpoint("sample.greet")) return 3;
  std::printf("%s", process.settings().Text("GREETING").c_str());
  for (const std::string& argument : process.arguments()) std::printf(" %s", argument.c_str());
  std::printf("\n");
  return 0;
}

Program Sample() {
  const bool has_database = std::getenv("SAMPLE_DATABASE") != nullptr;
  Program program;
  // The roles of the database are those of the suite's services.
  program.name = has_database ? "invitations" : "sample";
  program.summary = "Does nothing, for tests.";
  program.settings = {
      {.name = "GREETING", .help = "What to say.", .fallback = "hello", .reloadable = true},
      {.name = "SAMPLE_SECRET", .help = "A secret.", .secret = true, .strong_in_production = true},
      {.name = "READY_FILE", .help = "Ready while this file exists.", .fallback = ""},
      {.name = "START_ERROR", .help = "Why not to start.", .fallback = ""},
  };
  if (!has_database) {
    program.settings.push_back(AddressSetting("sample"));
    program.settings.back().required = false;
  }
  program.migrations = {
      {"0001_create_samples", "CREATE TABLE invitations.samples (id bigint PRIMARY KEY)"},
      {"0002_create_more", "CREATE TABLE invitations.more (id bigint PRIMARY KEY)"},
      {"0003_create_readiness_probe", kCreateProbe},
  };
  program.has_database = has_database;
  program.commands = {
      {"greet", "Prints the greeting.", Greet, false, "Usage: sample greet [NAME]...\n"},
      {"ask-health", "Asks the sample whether it serves.", AskHealth, false}};
  return program;
}

int ServeSample(Process& process) {
  const config::Settings& settings = process.settings();
  Lifecycle lifecycle;
  lifecycle.start = [&](std::vector<std::string>* ready_lines) {
    const std::string& error = settings.Text("START_ERROR");
    if (!error.empty()) return Error(absl::StatusCode::kUnavailable, "SAMPLE_FAILED", error);
    ready_lines->push_back("http=127.0.0.1:1");
    return absl::OkStatus();
  };
  lifecycle.ready = [&] {
    const std::string& file = settings.Text("READY_FILE");
    if (file.empty() || ::access(file.c_str(), F_OK) == 0) return absl::OkStatus();
    return Error(absl::StatusCode::kUnavailable, "SAMPLE_NOT_READY", "there is no ready file");
  };
  lifecycle.reload = [&](const std::vector<std::string>& changed) {
    log::Debug("sample reloaded",
               {{"changes", changed.size()}, {"greeting", settings.Text("GREETING")}});
  };
  lifecycle.drain = [](std::chrono::milliseconds grace) {
    log::Info("sample drained", {{"grace_ms", grace.count()}});
  };
  std::unique_ptr<pg::Database> db;
  if (process.name() != "sample") db = std::make_unique<pg::Database>(process.DatabaseOptions());
  return process.Serve({}, db.get(), lifecycle);
}

}  // namespace
}  // namespace gatehouse::service

int main(int argc, char** argv) {
  return gatehouse::service::Run(gatehouse::service::Sample(), argc, argv,
                                 gatehouse::service::ServeSample);
}
