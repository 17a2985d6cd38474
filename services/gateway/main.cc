#include <cstdio>

#include "services/gateway/gateway.h"
#include "services/gateway/routes.h"

namespace gatehouse::gateway {
namespace {

int PrintRoutes(service::Process&) {
  RouteTable table;
  AddRoutes(table);
  std::fputs(table.ToText().c_str(), stdout);
  return 0;
}

int Serve(service::Process& process) {
  absl::StatusOr<Options> options = ReadOptions(process.settings());
  if (!options.ok()) {
    std::fprintf(stderr, "%s\n", std::string(options.status().message()).c_str());
    return 2;
  }
  Gateway gateway(*std::move(options), MakeUpstreams(process), process.clock());
  return process.Serve({}, nullptr, gateway.Hooks(process.settings()));
}

}  // namespace
}  // namespace gatehouse::gateway

int main(int argc, char** argv) {
  namespace gateway = gatehouse::gateway;
  gatehouse::service::Program program;
  program.name = "gateway";
  program.summary = "The HTTP edge: routes, authenticates and translates to the services.";
  program.settings = gateway::DeclaredSettings();
  program.has_database = false;
  program.commands = {{"routes", "Prints the route table.", gateway::PrintRoutes, false}};
  return gatehouse::service::Run(program, argc, argv, gateway::Serve);
}
