// The program `billing`: wiring only.
#include "libs/pg/feed_sweeper.h"
#include "libs/service/event_service.h"
#include "libs/service/process.h"
#include "services/billing/account_service.h"
#include "services/billing/hold_service.h"
#include "services/billing/hold_sweeper.h"
#include "services/billing/ledger_audit.h"
#include "services/billing/migrations.h"
#include "services/billing/tier_delivery.h"

int main(int argc, char** argv) {
  using namespace gatehouse;
  const service::Program program{
      .name = "billing",
      .summary = "Keeps the tenants' prepaid money: reserves, holds, the ledger and prices.",
      .settings = {service::AddressSetting("auth")},
      .migrations = billing::Migrations(),
      .commands = {billing::VerifyLedgerCommand()},
  };
  return service::Run(program, argc, argv, [](service::Process& process) {
    pg::Database db(process.DatabaseOptions());
    const std::unique_ptr<rpc::Client> auth = process.NewClient("auth");
    billing::TierDelivery tiers(*auth);
    pg::OutboxRelay relay(db, "billing", [&](const auto& message) { return tiers(message); });
    billing::AccountService accounts(db, [&] { relay.Wake(); });
    billing::HoldService holds(db);
    billing::HoldSweeper sweeper(db);
    billing::LedgerSealer sealer(db);
    pg::FeedHub feed(db, "billing");
    pg::FeedSweeper feed_sweeper(db, "billing");
    service::EventService events(db, feed, "billing");
    return process.Serve({&accounts.rpc(), &holds.rpc(), &events.rpc()}, &db);
  });
}
