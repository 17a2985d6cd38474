#include "services/billing/settings.h"

#include <utility>

#include "libs/mail/mail.h"
#include "libs/service/process.h"
#include "services/billing/price_file.h"
#include "services/billing/stripe_settings.h"

namespace gatehouse::billing {

std::vector<config::Setting> Settings() {
  std::vector<config::Setting> all = {service::AddressSetting("auth"), PriceBookFileSetting()};
  for (config::Setting& setting : StripeSettings()) all.push_back(std::move(setting));
  for (config::Setting& setting : mail::MailSettings()) all.push_back(std::move(setting));
  return all;
}

}  // namespace gatehouse::billing
