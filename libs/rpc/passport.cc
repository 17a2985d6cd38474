#include "libs/rpc/passport.h"

#include <fstream>
#include <functional>
#include <sstream>
#include <utility>

#include "libs/base/secret.h"
#include "libs/rpc/timestamp.h"
#include "libs/token/cache.h"

namespace gatehouse::rpc {
namespace {

constexpr std::chrono::seconds kLife{30};
constexpr std::chrono::seconds kReuse{20};
constexpr std::size_t kCachedMax = 4096;
constexpr std::size_t kWireMax = 16 << 10;
constexpr std::size_t kSignatureSize = 64;
constexpr std::size_t kPublicKeySize = 32;

std::string SignedBytes(const std::string& passport) {
  static const std::string kDomain("gatehouse-passport-v1\0", 22);
  return kDomain + passport;
}

absl::Status Invalid(const std::string& cause) {
  return Error(absl::StatusCode::kUnauthenticated, "PASSPORT_INVALID", cause);
}

// A passport with its wire form: a hit must be the very same bytes.
struct Verified {
  std::string wire;
  type::v1::Passport passport;
};

// Signatures are evenly spread, so their bytes choose the shard; a digest of the
// whole would cost more than the rest of a hit.
std::string CacheKey(const std::string& wire) {
  return wire.size() < kSignatureSize ? wire : wire.substr(wire.size() - kSignatureSize);
}

}  // namespace

struct PassportIssuer::Cache {
  token::Cache<std::string> passports{kCachedMax};
};

PassportIssuer::PassportIssuer(std::string issuer, token::SigningKey key, const Clock& clock)
    : issuer_(std::move(issuer)),
      key_(std::move(key)),
      clock_(clock),
      cache_(std::make_unique<Cache>()) {}

PassportIssuer::~PassportIssuer() = default;

std::string PassportIssuer::Issue(const std::string& audience,
                                  const type::v1::Principal& principal) {
  const Time now = clock_.Now();
  std::string key = principal.SerializeAsString() + audience;
  // The first byte chooses the cache's shard, and all principals begin alike.
  key.insert(key.begin(), static_cast<char>(std::hash<std::string>()(key)));
  // The lengths keep (principal, audience) pairs apart that concatenate alike.
  key += '\0' + std::to_string(audience.size());
  if (auto cached = cache_->passports.Get(key, now)) return *cached;

  type::v1::Passport passport;
  passport.set_issuer(issuer_);
  passport.set_audience(audience);
  *passport.mutable_principal() = principal;
  *passport.mutable_expire_time() = ToTimestamp(now + kLife);
  type::v1::SignedPassport wire;
  wire.set_passport(passport.SerializeAsString());
  wire.set_signature(key_.Sign(SignedBytes(wire.passport())));
  auto bytes = std::make_shared<const std::string>(wire.SerializeAsString());
  cache_->passports.Put(key, bytes, now + kReuse);
  return *bytes;
}

struct PassportVerifier::Cache {
  token::Cache<Verified> passports{kCachedMax};
};

PassportVerifier::PassportVerifier(std::string audience, std::map<std::string, std::string> keys,
                                   const Clock& clock)
    : audience_(std::move(audience)),
      keys_(std::move(keys)),
      clock_(clock),
      cache_(std::make_unique<Cache>()) {}

PassportVerifier::~PassportVerifier() = default;

absl::StatusOr<std::shared_ptr<const type::v1::Passport>> PassportVerifier::Verify(
    const std::string& wire) {
  const Time now = clock_.Now();
  const std::string key = CacheKey(wire);
  auto known = cache_->passports.Get(key, now);
  if (known == nullptr || known->wire != wire) {
    if (wire.empty()) return Invalid("no passport");
    if (wire.size() > kWireMax) return Invalid("the passport is too long");
    type::v1::SignedPassport signed_passport;
    auto fresh = std::make_shared<Verified>();
    if (!signed_passport.ParseFromString(wire) ||
        !fresh->passport.ParseFromString(signed_passport.passport())) {
      return Invalid("the passport is malformed");
    }
    const type::v1::Passport& passport = fresh->passport;
    auto issuer = keys_.find(passport.issuer());
    if (issuer == keys_.end()) return Invalid("the issuer is unknown");
    if (!token::VerifySignature(issuer->second, SignedBytes(signed_passport.passport()),
                                signed_passport.signature())) {
      return Invalid("the signature does not fit");
    }
    if (passport.audience() != audience_) return Invalid("the passport is for another process");
    // Bounded before it becomes nanoseconds, which end in the year 2262.
    const std::int64_t seconds = passport.expire_time().seconds();
    if (seconds < 0 || seconds > 9'000'000'000) return Invalid("the expire_time is out of range");
    const Time end = Time(std::chrono::seconds(seconds)) +
                     std::chrono::nanoseconds(passport.expire_time().nanos());
    if (end <= now) return Invalid("the passport has expired");
    fresh->wire = wire;
    known = fresh;
    cache_->passports.Put(key, known, end);
  }
  return std::shared_ptr<const type::v1::Passport>(known, &known->passport);
}

absl::StatusOr<std::map<std::string, std::string>> ReadKeyList(const std::string& path) {
  std::ifstream file(path);
  const auto problem = [&path](const std::string& message) {
    return Error(absl::StatusCode::kInvalidArgument, "KEY_LIST_INVALID", path + ": " + message);
  };
  if (!file) return problem("cannot be read");
  std::map<std::string, std::string> keys;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string name, text, more;
    if (!(words >> name)) continue;
    words >> text;
    const std::string where = "line " + std::to_string(number) + ": ";
    if (words >> more) return problem(where + "more than a name and a key");
    const std::optional<std::string> key = Base64UrlDecode(text);
    if (!key || key->size() != kPublicKeySize) {
      return problem(where + "the key is not 32 bytes of base64url");
    }
    if (!keys.emplace(name, *key).second) {
      return problem(std::string(where).append("a second key of ").append(name));
    }
  }
  if (file.bad()) return problem("cannot be read");
  return keys;
}

}  // namespace gatehouse::rpc
