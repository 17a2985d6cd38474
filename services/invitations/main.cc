// The program `invitations`: wiring only.
#include "libs/pg/database.h"
#include "libs/service/process.h"
#include "services/invitations/audit_delivery.h"
#include "services/invitations/commands.h"
#include "services/invitations/invitation_service.h"
#include "services/invitations/migrations.h"

int main(int argc, char** argv) {
  using namespace gatehouse;
  const service::Program program{
      .name = "invitations",
      .summary = "Issues invitations and redeems each at most as often as allowed.",
      .settings = {service::AddressSetting("auth")},
      .migrations = invitations::Migrations(),
      .commands = invitations::Commands(),
  };
  return service::Run(program, argc, argv, [](service::Process& process) {
    pg::Database db(process.DatabaseOptions());
    const std::unique_ptr<rpc::Client> auth = process.NewClient("auth");
    invitations::AuditDelivery audit(*auth);
    pg::OutboxRelay relay(db, "invitations", [&](const auto& message) { return audit(message); });
    invitations::InvitationService service(db);
    return process.Serve({&service.rpc()}, &db);
  });
}
