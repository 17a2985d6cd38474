// Slows down who guesses passwords: an exponential delay per account and network,
// and one per account for all networks that it is not known from, so that an
// attacker elsewhere cannot lock the owner out of a known network. Accounts that do
// not exist are treated alike. Not the limit per address (the gateway's).
#pragma once

#include <string>

#include "libs/pg/database.h"

namespace gatehouse::auth {

// Thread-safe. Counts an attempt before its password is checked, so that parallel
// guesses cannot slip through; a success takes it back.
class LoginThrottle {
 public:
  // From a network: this many failures are free, then 1, 2, 4 … up to 900 seconds.
  static constexpr int kFreeFailures = 10;
  static constexpr int kDelaySecondsMax = 900;
  // From all unknown networks together: free, then 1, 2, 4 … up to 60 seconds.
  static constexpr int kFreeFailuresElsewhere = 100;
  static constexpr int kDelaySecondsMaxElsewhere = 60;

  // `secret_key`: SECRET_KEY; names are kept as HMACs.
  LoginThrottle(pg::Database& db, const std::string& secret_key);

  // RESOURCE_EXHAUSTED / LOGIN_DELAYED with a retry delay when the account must
  // wait from this address. The same statements for every name. `account`: what
  // LoginAccount made of the given name.
  absl::Status Begin(const std::string& account, const std::string& client_address);

  // In the transaction of a login that worked.
  void Succeed(pg::Tx& tx, const std::string& account, const std::string& client_address);

  // `name` as given: username or email, of any length.
  std::string AccountOf(const std::string& name) const;

 private:
  pg::Database& db_;
  const std::string key_;
};

// The network of an address: /24 of IPv4, /48 of IPv6, the text itself otherwise.
std::string NetworkOf(const std::string& client_address);

}  // namespace gatehouse::auth
