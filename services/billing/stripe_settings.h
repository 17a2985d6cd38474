// The settings of payments, and what they ask for. Not the calls (stripe_client.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libs/config/settings.h"
#include "services/billing/stripe_client.h"

namespace gatehouse::billing {

// STRIPE_SECRET_KEY (secret), STRIPE_WEBHOOK_SECRET (secret; several by commas),
// STRIPE_API_BASE, STRIPE_PUBLISHABLE_KEY, PUBLIC_URL.
std::vector<config::Setting> StripeSettings();

// nullptr without STRIPE_SECRET_KEY: payments are then not configured.
std::unique_ptr<StripeClient> MakeStripeClient(const config::Settings& settings);

// What events may be signed with; empty: none is believed.
std::vector<std::string> WebhookSecrets(const config::Settings& settings);

}  // namespace gatehouse::billing
