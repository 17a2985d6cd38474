// The rates of roles as the settings name them, and their way into the database when
// auth starts. A user's own figures are not here (user_change.h).
#pragma once

#include <vector>

#include "libs/config/settings.h"
#include "libs/pg/database.h"

namespace gatehouse::auth {

struct RoleRates {
  int default_per_second = 10;  // Of users and moderators.
  int default_burst = 20;
  int admin_per_second = 100;
  int admin_burst = 200;
};

// DEFAULT_RATE_LIMIT_PER_SECOND, DEFAULT_RATE_LIMIT_BURST,
// ADMIN_RATE_LIMIT_PER_SECOND and ADMIN_RATE_LIMIT_BURST.
std::vector<config::Setting> RateSettings();
RoleRates ReadRates(const config::Settings& settings);

// Writes them into the roles; every gateway hears of those that changed.
absl::Status ApplyRoleRates(pg::Database& db, const RoleRates& rates);

}  // namespace gatehouse::auth
