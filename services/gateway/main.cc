#include <cstdio>

#include "services/gateway/check_command.h"
#include "services/gateway/config_file.h"
#include "services/gateway/gateway.h"
#include "services/gateway/openapi_command.h"

namespace gatehouse::gateway {
namespace {

int Serve(service::Process& process, ConfigFile& file) {
  config::Settings& settings = process.settings();
  absl::StatusOr<Options> options = ReadOptions(settings);
  absl::StatusOr<HotConfig> hot = ReadHotConfig(settings, file.sections());
  for (const absl::Status& status : {options.status(), hot.status()}) {
    if (!status.ok()) std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  }
  if (!options.ok() || !hot.ok()) return 2;
  Gateway gateway(*std::move(options), *std::move(hot), MakeUpstreams(process), process.clock(),
                  ExtrasOf(settings, file));
  return process.Serve({}, nullptr, gateway.Hooks());
}

}  // namespace
}  // namespace gatehouse::gateway

int main(int argc, char** argv) {
  namespace gateway = gatehouse::gateway;
  gateway::ConfigFile file;
  gatehouse::service::Program program;
  program.name = "gateway";
  program.summary = "The HTTP edge: routes, authenticates and translates to the services.";
  program.settings = gateway::DeclaredSettings();
  program.source = file.AsSource();
  program.has_database = false;
  program.commands = {gateway::RoutesCommand(file), gateway::CheckCommand(),
                      gateway::OpenApiCommand(file)};
  return gatehouse::service::Run(program, argc, argv,
                                 [&](auto& process) { return gateway::Serve(process, file); });
}
