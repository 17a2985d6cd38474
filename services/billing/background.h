// What works in the process beside its RPCs: expiry, sealer, outbox relay, feed, usage by
// the hour, notices, the price file, and automatic top-ups where Stripe is configured. Only
// wiring.
#pragma once

#include <optional>
#include <string>

#include "libs/mail/mail.h"
#include "libs/pg/database.h"
#include "libs/pg/feed.h"
#include "libs/pg/feed_sweeper.h"
#include "libs/pg/outbox.h"
#include "libs/rpc/client.h"
#include "services/billing/auto_topup.h"
#include "services/billing/hold_sweeper.h"
#include "services/billing/ledger_audit.h"
#include "services/billing/notice.h"
#include "services/billing/price_loader.h"
#include "services/billing/tier_delivery.h"
#include "services/billing/usage_rollup.h"

namespace gatehouse::billing {

class Background {
 public:
  // Works from now on. All must outlive this; `stripe` may be null, `price_file` empty.
  Background(pg::Database& db, rpc::Client& auth, mail::Mailer& mailer, StripeClient* stripe,
             const std::string& price_file);

  // The outbox has something new. A hint; thread-safe, does not block.
  void Wake() { relay_.Wake(); }

  // Reads the price file again.
  void Reload() { prices_.Reload(); }

  pg::FeedHub& hub() { return hub_; }

 private:
  pg::FeedHub hub_;
  pg::FeedSweeper feed_sweeper_;
  TierDelivery tiers_;
  pg::OutboxRelay relay_;
  HoldSweeper holds_;
  LedgerSealer sealer_;
  UsageRollup usage_;
  NoticeSender notices_;
  PriceLoader prices_;
  std::optional<AutoTopups> topups_;
};

}  // namespace gatehouse::billing
