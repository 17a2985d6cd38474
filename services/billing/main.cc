// The program `billing`: wiring only.
#include "libs/pg/database.h"
#include "libs/service/process.h"
#include "services/billing/account_service.h"
#include "services/billing/hold_service.h"
#include "services/billing/hold_sweeper.h"
#include "services/billing/ledger_audit.h"
#include "services/billing/migrations.h"

int main(int argc, char** argv) {
  using namespace gatehouse;
  const service::Program program{
      .name = "billing",
      .summary = "Keeps the tenants' prepaid money: reserves, holds, the ledger and prices.",
      .settings = {},
      .migrations = billing::Migrations(),
      .commands = {billing::VerifyLedgerCommand()},
  };
  return service::Run(program, argc, argv, [](service::Process& process) {
    pg::Database db(process.DatabaseOptions());
    billing::AccountService accounts(db);
    billing::HoldService holds(db);
    billing::HoldSweeper sweeper(db);
    billing::LedgerSealer sealer(db);
    return process.Serve({&accounts.rpc(), &holds.rpc()}, &db);
  });
}
