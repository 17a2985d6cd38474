#include "services/gateway/openapi_command.h"

#include <cstdio>

#include "services/gateway/openapi.h"
#include "services/gateway/snapshot.h"

namespace gatehouse::gateway {
namespace {

int Print(const config::Settings& settings, const ConfigFile& file) {
  absl::StatusOr<HotConfig> hot = ReadHotConfig(settings, file.sections());
  if (!hot.ok()) {
    std::fprintf(stderr, "%s\n", std::string(hot.status().message()).c_str());
    return 2;
  }
  std::puts(OpenApiDocument(MakeSnapshot(*std::move(hot), nullptr)->table).c_str());
  return 0;
}

}  // namespace

service::Command OpenApiCommand(const ConfigFile& file) {
  service::Command command;
  command.name = "openapi";
  command.help = "Prints the OpenAPI document.";
  command.run = [&file](service::Process& process) { return Print(process.settings(), file); };
  command.needs_database = false;
  return command;
}

}  // namespace gatehouse::gateway
