// The program `invitations`: wiring only.
#include "libs/pg/database.h"
#include "libs/service/process.h"
#include "services/invitations/invitation_service.h"
#include "services/invitations/migrations.h"

int main(int argc, char** argv) {
  gatehouse::service::Program program;
  program.name = "invitations";
  program.summary = "Issues invitations and redeems each at most as often as allowed.";
  program.migrations = gatehouse::invitations::Migrations();
  return gatehouse::service::Run(program, argc, argv, [](gatehouse::service::Process& process) {
    gatehouse::pg::Database db(process.DatabaseOptions());
    gatehouse::invitations::InvitationService invitations(db);
    return process.Serve({&invitations.rpc()}, &db);
  });
}
