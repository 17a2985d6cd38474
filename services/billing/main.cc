// The program `billing`: what it is called, takes and can do.
#include "services/billing/journal.h"
#include "services/billing/ledger_audit.h"
#include "services/billing/migrations.h"
#include "services/billing/price_file.h"
#include "services/billing/replay_events.h"
#include "services/billing/serve.h"
#include "services/billing/settings.h"

int main(int argc, char** argv) {
  using namespace gatehouse;
  const service::Program program{
      .name = "billing",
      .summary = "Keeps the tenants' prepaid money: reserves, holds, ledger, prices, payments.",
      .settings = billing::Settings(),
      .migrations = billing::Migrations(),
      .commands = {billing::VerifyLedgerCommand(), billing::ExportJournalCommand(),
                   billing::LoadPricesCommand(), billing::ReplayEventsCommand()},
  };
  return service::Run(program, argc, argv, billing::Serve);
}
