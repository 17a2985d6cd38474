#include "services/billing/background.h"

namespace gatehouse::billing {

Background::Background(pg::Database& db, rpc::Client& auth, mail::Mailer& mailer,
                       StripeClient* stripe, const std::string& price_file)
    : hub_(db, "billing"),
      feed_sweeper_(db, "billing"),
      tiers_(auth),
      relay_(db, "billing", [this](const pg::OutboxMessage& message) { return tiers_(message); }),
      holds_(db),
      sealer_(db),
      usage_(db),
      notices_(db, auth, mailer),
      prices_(db, price_file) {
  if (stripe != nullptr) topups_.emplace(db, *stripe);
}

}  // namespace gatehouse::billing
