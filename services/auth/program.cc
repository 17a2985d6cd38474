#include "services/auth/program.h"

#include <utility>

#include "libs/mail/mail.h"
#include "services/auth/commands.h"
#include "services/auth/migrations.h"
#include "services/auth/role_rates.h"

namespace gatehouse::auth {
namespace {

using config::Kind;

std::vector<config::Setting> OwnSettings() {
  return {
      service::AddressSetting("invitations"),
      {.name = "SECRET_KEY",
       .help = "At least 32 random bytes: seals the signing keys, keys the HMACs.",
       .required = true,
       .secret = true,
       .strong_in_production = true},
      {.name = "SESSION_COOKIE_AGE",
       .help = "Seconds that a cookie session lives after its last use.",
       .fallback = "1209600",
       .kind = Kind::kInt,
       .min = 60,
       .max = 31536000},
      {.name = "OPEN_REGISTRATION",
       .help = "Lets anybody register without a passkey, into a tenant of one's own.",
       .fallback = "false",
       .kind = Kind::kBool},
      {.name = "SIGNUP_SWEEP_SECONDS",
       .help = "After how long a signup that was cut off is finished.",
       .fallback = "5",
       .kind = Kind::kInt,
       .min = 1,
       .max = 3600},
  };
}

}  // namespace

service::Program AuthProgram() {
  service::Program program{
      .name = "auth",
      .summary = "Owns tenants, users, credentials, revocation and the audit log.",
      .settings = CommandSettings(),
      .migrations = Migrations(),
      .commands = Commands(),
  };
  for (auto&& settings : {OwnSettings(), RateSettings(), mail::MailSettings()}) {
    program.settings.insert(program.settings.end(), settings.begin(), settings.end());
  }
  return program;
}

}  // namespace gatehouse::auth
