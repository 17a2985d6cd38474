// The program `jobs`: wiring only.
#include "libs/service/event_service.h"
#include "libs/service/process.h"
#include "services/jobs/background.h"
#include "services/jobs/builtin_types.h"
#include "services/jobs/job_service.h"
#include "services/jobs/migrations.h"

int main(int argc, char** argv) {
  using namespace gatehouse;
  const service::Program program{
      .name = "jobs",
      .summary = "Queues the tenants' jobs, runs them and has each billed exactly once.",
      .settings = {service::AddressSetting("billing"), jobs::RunnerSlotsSetting()},
      .migrations = jobs::Migrations(),
      .commands = {},
  };
  return service::Run(program, argc, argv, [](service::Process& process) {
    pg::Database db(process.DatabaseOptions());
    pg::Options worker_options = process.DatabaseOptions();
    const int slots = static_cast<int>(process.settings().Int(jobs::RunnerSlotsSetting().name));
    worker_options.connections_max = slots + 4;
    pg::Database worker_db(worker_options);
    const bool production = process.settings().Text("ENV") == "production";
    const jobs::JobTypes types = jobs::BuiltinTypes(production);
    const std::unique_ptr<rpc::Client> client = process.NewClient("billing");
    jobs::RpcBilling billing(*client);
    jobs::Background background(worker_db, types, billing, {.runner = {.slots = slots}});
    jobs::JobService jobs(db, types, billing, process.clock(), [&] { background.Wake(); });
    service::EventService events(db, background.hub(), "jobs");
    service::Lifecycle lifecycle;
    lifecycle.start = [&](std::vector<std::string>*) { return background.Start(); };
    lifecycle.drain = [&](std::chrono::milliseconds) { background.Stop(); };
    return process.Serve({&jobs.rpc(), &events.rpc()}, &db, lifecycle);
  });
}
