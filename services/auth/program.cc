#include "services/auth/program.h"

#include "services/auth/commands.h"
#include "services/auth/migrations.h"

namespace gatehouse::auth {

service::Program AuthProgram() {
  service::Program program{
      .name = "auth",
      .summary = "Owns tenants, users, credentials, revocation and the audit log.",
      .settings = CommandSettings(),
      .migrations = Migrations(),
      .commands = Commands(),
  };
  program.settings.push_back(service::AddressSetting("invitations"));
  program.settings.push_back({.name = "SECRET_KEY",
                              .help = "At least 32 random bytes: the key of what auth encrypts.",
                              .secret = true,
                              .strong_in_production = true});
  program.settings.push_back({.name = "SIGNUP_SWEEP_SECONDS",
                              .help = "After how long a signup that was cut off is finished.",
                              .fallback = "5",
                              .kind = config::Kind::kInt,
                              .min = 1,
                              .max = 3600});
  return program;
}

}  // namespace gatehouse::auth
