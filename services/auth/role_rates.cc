#include "services/auth/role_rates.h"

#include <string>

#include "services/auth/control_store.h"
#include "services/auth/role_store.h"

namespace gatehouse::auth {
namespace {

constexpr std::int64_t kRateMax = 10000;

config::Setting Rate(const std::string& name, const std::string& help, int fallback) {
  return {.name = name,
          .help = help,
          .fallback = std::to_string(fallback),
          .kind = config::Kind::kInt,
          .min = 1,
          .max = kRateMax};
}

}  // namespace

std::vector<config::Setting> RateSettings() {
  const RoleRates defaults;
  return {Rate("DEFAULT_RATE_LIMIT_PER_SECOND", "Requests per second of a user.",
               defaults.default_per_second),
          Rate("DEFAULT_RATE_LIMIT_BURST", "Bucket size of a user.", defaults.default_burst),
          Rate("ADMIN_RATE_LIMIT_PER_SECOND", "Requests per second of an administrator.",
               defaults.admin_per_second),
          Rate("ADMIN_RATE_LIMIT_BURST", "Bucket size of an administrator.", defaults.admin_burst)};
}

RoleRates ReadRates(const config::Settings& settings) {
  const auto rate = [&](const char* name) { return static_cast<int>(settings.Int(name)); };
  return {.default_per_second = rate("DEFAULT_RATE_LIMIT_PER_SECOND"),
          .default_burst = rate("DEFAULT_RATE_LIMIT_BURST"),
          .admin_per_second = rate("ADMIN_RATE_LIMIT_PER_SECOND"),
          .admin_burst = rate("ADMIN_RATE_LIMIT_BURST")};
}

absl::Status ApplyRoleRates(pg::Database& db, const RoleRates& rates) {
  return db.InTransaction([&](pg::Tx& tx) -> absl::Status {
    // In the order of the names, so that two processes that start cannot block each
    // other; the control log last.
    std::vector<std::string> changed;
    if (SetRates(tx, "admin", rates.admin_per_second, rates.admin_burst)) {
      changed.emplace_back("admin");
    }
    for (const char* name : {"moderator", "user"}) {
      if (SetRates(tx, name, rates.default_per_second, rates.default_burst)) {
        changed.emplace_back(name);
      }
    }
    for (const std::string& name : changed) AppendSubjectChange(tx, "role/" + name);
    return absl::OkStatus();
  });
}

}  // namespace gatehouse::auth
