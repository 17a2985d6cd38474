#include "libs/pg/database.h"
#include "libs/service/process.h"
#include "services/orchestrator_monitor/migrations.h"

int main(int argc, char** argv) {
  namespace service = gatehouse::service;
  service::Program program;
  program.name = "orchestrator_monitor";
  program.summary = "Watches orchestrator nodes; serves health and metrics so far.";
  program.migrations = gatehouse::orchestrator_monitor::Migrations();
  return service::Run(program, argc, argv, [](service::Process& process) {
    gatehouse::pg::Database db(process.DatabaseOptions());
    return process.Serve({}, &db);
  });
}
