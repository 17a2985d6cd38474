#include "services/billing/serve.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libs/service/event_service.h"
#include "services/billing/account_service.h"
#include "services/billing/background.h"
#include "services/billing/event_inbox.h"
#include "services/billing/hold_service.h"
#include "services/billing/payment_service.h"
#include "services/billing/price_file.h"
#include "services/billing/price_service.h"
#include "services/billing/revenue_service.h"
#include "services/billing/stripe_settings.h"
#include "services/billing/usage_service.h"

namespace gatehouse::billing {

int Serve(service::Process& process) {
  const config::Settings& settings = process.settings();
  pg::Database db(process.DatabaseOptions());
  const std::unique_ptr<rpc::Client> auth = process.NewClient("auth");
  const std::unique_ptr<mail::Mailer> mailer = mail::MakeMailer(settings);
  const std::unique_ptr<StripeClient> stripe = MakeStripeClient(settings);
  const std::vector<std::string> secrets = WebhookSecrets(settings);
  std::optional<EventInbox> inbox;
  if (!secrets.empty()) inbox.emplace(db, secrets, process.clock());
  Background background(db, *auth, *mailer, stripe.get(),
                        settings.Text(PriceBookFileSetting().name));

  // The lanes' own connections: what is read for reports must not stand in their way.
  pg::Options lane_options = process.DatabaseOptions();
  lane_options.connections_max = 2;
  pg::Database lane_db(lane_options);
  PriceBooks books;
  HoldService holds(lane_db, books);
  AccountService accounts(db, [&] { background.Wake(); });
  PriceService prices(db, books);
  UsageService usage(db);
  RevenueService revenue(db);
  PaymentService payments(db, stripe.get(), inbox ? &*inbox : nullptr, settings.Text("PUBLIC_URL"));
  service::EventService events(db, background.hub(), "billing");

  service::Lifecycle lifecycle;
  lifecycle.reload = [&](const std::vector<std::string>&) { background.Reload(); };
  return process.Serve({&holds.rpc(), &accounts.rpc(), &prices.rpc(), &usage.rpc(), &revenue.rpc(),
                        &payments.rpc(), &events.rpc()},
                       &db, lifecycle);
}

}  // namespace gatehouse::billing
