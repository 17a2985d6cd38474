#include "services/auth/login_throttle.h"

#include <arpa/inet.h>

#include <array>
#include <cstring>

#include "absl/strings/ascii.h"
#include "libs/base/secret.h"
#include "services/auth/key_ring.h"

namespace gatehouse::auth {
namespace {

constexpr char kPurpose[] = "gatehouse login attempts";
// Of the row that counts for all unknown networks of an account.
constexpr char kElsewhere[] = "";
constexpr char kNoNetwork[] = "unknown";
constexpr std::size_t kNetworkBytesMax = 64;

// When the count of a row lets the next attempt in.
struct Delays {
  int free_failures;
  int seconds_max;
};
constexpr Delays kHere = {LoginThrottle::kFreeFailures, LoginThrottle::kDelaySecondsMax};
constexpr Delays kThere = {LoginThrottle::kFreeFailuresElsewhere,
                           LoginThrottle::kDelaySecondsMaxElsewhere};

struct Counted {
  bool may_try = false;
  bool is_known = false;  // A login from the network worked in the last 90 days.
};

// Counts an attempt, unless one must wait. An attempt at once with it waits for the
// row, and then sees its count and its delay. With `is_needed` false nothing is
// counted, at the same cost.
Counted Count(pg::Tx& tx, const std::string& account, const std::string& network,
              const Delays& delays, bool is_needed) {
  // Blocked from the free count on; a free attempt blocks nobody, not even one whose
  // transaction began before this one.
  static constexpr char kCount[] = R"(
  INSERT INTO auth.login_attempts AS a (account, network, failures)
  SELECT $1::bytea, $2::text, 1 WHERE $5::boolean
  ON CONFLICT (account, network) DO UPDATE
  SET failures = CASE WHEN a.attempt_time < now() - interval '24 hours' THEN 1
                      ELSE least(a.failures + 1, 1000000) END,
      blocked_until = CASE
        WHEN a.attempt_time < now() - interval '24 hours' OR a.failures + 1 < $3
          THEN '-infinity'
        ELSE now() + least($4, 2 ^ least(a.failures + 1 - $3, 30)) * interval '1 second' END,
      attempt_time = now()
  WHERE a.blocked_until <= now()
  RETURNING coalesce(success_time > now() - interval '90 days', false))";
  const pqxx::result rows = pg::ExecPrepared(tx, kCount, pg::ToBytea(account), network,
                                             delays.free_failures, delays.seconds_max, is_needed);
  if (rows.empty()) return {.may_try = !is_needed, .is_known = false};
  return {.may_try = true, .is_known = rows[0][0].as<bool>()};
}

absl::Status Delayed(pg::Tx& tx, const std::string& account, const std::string& network) {
  static constexpr char kWait[] = R"(
  SELECT ceil(extract(epoch FROM max(blocked_until) - now()))::bigint
  FROM auth.login_attempts WHERE account = $1 AND network = $2 AND blocked_until > now())";
  const pqxx::result rows = pg::ExecPrepared(tx, kWait, pg::ToBytea(account), network);
  const std::int64_t seconds = pg::Optional<std::int64_t>(rows[0][0]).value_or(1);
  return WithRetryDelay(Error(absl::StatusCode::kResourceExhausted, "LOGIN_DELAYED",
                              "too many failed logins; wait before the next"),
                        static_cast<long>(seconds) * 1000);
}

std::string NetworkOfV6(in6_addr address) {
  // An IPv4 address in its IPv6 form.
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    std::array<char, INET_ADDRSTRLEN> text;
    inet_ntop(AF_INET, address.s6_addr + 12, text.data(), text.size());
    return NetworkOf(text.data());
  }
  std::memset(address.s6_addr + 6, 0, 10);
  std::array<char, INET6_ADDRSTRLEN> text;
  inet_ntop(AF_INET6, &address, text.data(), text.size());
  return std::string(text.data()) + "/48";
}

}  // namespace

LoginThrottle::LoginThrottle(pg::Database& db, const std::string& secret_key)
    : db_(db), key_(DeriveKey(secret_key, kPurpose)) {}

absl::Status LoginThrottle::Begin(const std::string& account, const std::string& client_address) {
  const std::string network = NetworkOf(client_address);
  // A refused attempt is rolled back: it counts nowhere.
  return db_.InTransaction([&](pg::Tx& tx) -> absl::Status {
    const Counted here = Count(tx, account, network, kHere, true);
    if (!here.may_try) return Delayed(tx, account, network);
    const Counted there = Count(tx, account, kElsewhere, kThere, !here.is_known);
    if (!there.may_try) return Delayed(tx, account, kElsewhere);
    return absl::OkStatus();
  });
}

void LoginThrottle::Succeed(pg::Tx& tx, const std::string& account,
                            const std::string& client_address) {
  // What stood in the row before: whether Begin has counted among the unknown.
  static constexpr char kSucceed[] = R"(
  WITH before AS (
    SELECT success_time > now() - interval '90 days' AS is_known
    FROM auth.login_attempts WHERE account = $1 AND network = $2)
  INSERT INTO auth.login_attempts AS a (account, network, success_time) VALUES ($1, $2, now())
  ON CONFLICT (account, network) DO UPDATE
  SET failures = 0, blocked_until = '-infinity', success_time = now()
  RETURNING coalesce((SELECT is_known FROM before), false))";
  static constexpr char kTakeBack[] = R"(
  UPDATE auth.login_attempts SET failures = greatest(failures - 1, 0)
  WHERE account = $1 AND network = $2)";
  const std::string network = NetworkOf(client_address);
  const bool was_known =
      pg::ExecPrepared(tx, kSucceed, pg::ToBytea(account), network)[0][0].as<bool>();
  if (!was_known) pg::ExecPrepared(tx, kTakeBack, pg::ToBytea(account), kElsewhere);
}

std::string LoginThrottle::AccountOf(const std::string& name) const {
  return HmacSha256(key_, absl::AsciiStrToLower(name));
}

std::string NetworkOf(const std::string& client_address) {
  in_addr v4{};
  if (inet_pton(AF_INET, client_address.c_str(), &v4) == 1) {
    v4.s_addr &= htonl(0xFFFFFF00);
    std::array<char, INET_ADDRSTRLEN> text;
    inet_ntop(AF_INET, &v4, text.data(), text.size());
    return std::string(text.data()) + "/24";
  }
  in6_addr v6{};
  if (inet_pton(AF_INET6, client_address.c_str(), &v6) == 1) return NetworkOfV6(v6);
  if (client_address.empty()) return kNoNetwork;
  return client_address.substr(0, kNetworkBytesMax);
}

}  // namespace gatehouse::auth
