#include "libs/token/jwt.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <optional>

#include "libs/base/secret.h"
#include "libs/token/strict_json.h"

namespace gatehouse::token {
namespace {

namespace json = boost::json;

constexpr std::size_t kJwtMax = 8 << 10;
constexpr std::int64_t kSkewSeconds = 30;
// Beyond the year 2255 a time does not fit into nanoseconds of 64 bits.
constexpr std::int64_t kSecondsMax = 9'000'000'000;

absl::Status Invalid(const std::string& cause) {
  return Error(absl::StatusCode::kUnauthenticated, "CREDENTIALS_INVALID", cause);
}

std::int64_t ToSeconds(Time time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

struct Parts {
  std::string header;
  std::string payload;
  std::string signature;
  std::string signed_bytes;
};

absl::StatusOr<Parts> Split(const std::string& jwt) {
  if (jwt.size() > kJwtMax) return Invalid("longer than 8 KiB");
  const std::size_t first = jwt.find('.');
  const std::size_t second = first == std::string::npos ? first : jwt.find('.', first + 1);
  if (second == std::string::npos || jwt.find('.', second + 1) != std::string::npos) {
    return Invalid("not three parts");
  }
  const auto header = Base64UrlDecode(jwt.substr(0, first));
  const auto payload = Base64UrlDecode(jwt.substr(first + 1, second - first - 1));
  const auto signature = Base64UrlDecode(jwt.substr(second + 1));
  if (!header || !payload || !signature) return Invalid("not canonical base64url");
  return Parts{*header, *payload, *signature, jwt.substr(0, second)};
}

// The key that the header names. The header may name a key and nothing else.
absl::StatusOr<const std::string*> KeyOf(const std::string& header, const KeySet& keys) {
  json::value parsed;
  if (!ParseStrictObject(header, &parsed)) return Invalid("the header is not a JSON object");
  const json::object& object = parsed.get_object();
  for (const auto& member : object) {
    const json::string_view name = member.key();
    if (name != "alg" && name != "kid" && name != "typ") {
      return Invalid("a header member that is not understood");
    }
  }
  if (TextMember(object, "alg") != "EdDSA") return Invalid("alg is not EdDSA");
  if (object.contains("typ")) {
    const std::optional<std::string> typ = TextMember(object, "typ");
    if (typ != "JWT" && typ != "at+jwt") return Invalid("typ is not JWT or at+jwt");
  }
  const std::optional<std::string> kid = TextMember(object, "kid");
  if (!kid) return Invalid("no kid");
  const std::string* key = keys.Find(*kid);
  if (key == nullptr) return Invalid("unknown kid");
  return key;
}

absl::StatusOr<std::int64_t> SecondsOf(const json::object& object, const char* name) {
  const std::optional<std::int64_t> seconds = IntegerMember(object, name);
  if (!seconds || *seconds < 0 || *seconds > kSecondsMax) {
    return Invalid(std::string(name) + " is missing or not a time");
  }
  return *seconds;
}

absl::Status CheckTimes(const json::object& object, std::int64_t now, Claims* claims) {
  GH_ASSIGN_OR_RETURN(const std::int64_t issued, SecondsOf(object, "iat"));
  GH_ASSIGN_OR_RETURN(const std::int64_t expires, SecondsOf(object, "exp"));
  if (object.contains("nbf")) {
    GH_ASSIGN_OR_RETURN(const std::int64_t not_before, SecondsOf(object, "nbf"));
    if (not_before > now + kSkewSeconds) return Invalid("not valid yet");
  }
  if (expires <= now) return Invalid("expired");
  if (issued > now + kSkewSeconds) return Invalid("issued in the future");
  claims->issue_time = Time(std::chrono::seconds(issued));
  claims->expire_time = Time(std::chrono::seconds(expires));
  return absl::OkStatus();
}

// Takes a required text claim.
absl::Status Take(const json::object& object, const char* name, std::string* out) {
  std::optional<std::string> text = TextMember(object, name);
  if (!text) return Invalid(std::string(name) + " is missing or not a text");
  *out = *std::move(text);
  return absl::OkStatus();
}

absl::Status Take(const json::object& object, const char* name, std::int64_t* out) {
  const std::optional<std::int64_t> number = IntegerMember(object, name);
  if (!number) return Invalid(std::string(name) + " is missing or not an integer");
  *out = *number;
  return absl::OkStatus();
}

absl::StatusOr<Claims> ReadClaims(const std::string& payload, Time now) {
  json::value parsed;
  if (!ParseStrictObject(payload, &parsed)) {
    return Invalid("the claims are not a JSON object with unique names");
  }
  const json::object& object = parsed.get_object();
  Claims claims;
  GH_RETURN_IF_ERROR(Take(object, "iss", &claims.issuer));
  GH_RETURN_IF_ERROR(Take(object, "aud", &claims.audience));
  GH_RETURN_IF_ERROR(Take(object, "sub", &claims.subject));
  GH_RETURN_IF_ERROR(Take(object, "jti", &claims.id));
  GH_RETURN_IF_ERROR(Take(object, "sid", &claims.session_id));
  GH_RETURN_IF_ERROR(Take(object, "tenant_id", &claims.tenant_id));
  GH_RETURN_IF_ERROR(Take(object, "epoch", &claims.epoch));
  GH_RETURN_IF_ERROR(Take(object, "role", &claims.role));
  std::optional<std::vector<std::string>> scopes = TextListMember(object, "scopes");
  if (!scopes) return Invalid("scopes is missing or not a list of texts");
  claims.scopes = *std::move(scopes);
  GH_RETURN_IF_ERROR(CheckTimes(object, ToSeconds(now), &claims));
  return claims;
}

}  // namespace

std::string SignJwt(const SigningKey& key, const Claims& claims) {
  json::object header;
  header["alg"] = "EdDSA";
  header["kid"] = key.kid();
  header["typ"] = "JWT";
  json::object payload;
  payload["iss"] = claims.issuer;
  payload["aud"] = claims.audience;
  payload["sub"] = claims.subject;
  payload["jti"] = claims.id;
  payload["sid"] = claims.session_id;
  payload["iat"] = ToSeconds(claims.issue_time);
  payload["exp"] = ToSeconds(claims.expire_time);
  payload["tenant_id"] = claims.tenant_id;
  payload["epoch"] = claims.epoch;
  payload["role"] = claims.role;
  json::array scopes;
  for (const std::string& scope : claims.scopes) scopes.emplace_back(scope);
  payload["scopes"] = std::move(scopes);
  const std::string signed_bytes =
      Base64UrlEncode(json::serialize(header)) + "." + Base64UrlEncode(json::serialize(payload));
  return signed_bytes + "." + Base64UrlEncode(key.Sign(signed_bytes));
}

absl::StatusOr<Claims> VerifyJwt(const KeySet& keys, const std::string& jwt,
                                 const std::string& issuer, const std::string& audience, Time now) {
  GH_ASSIGN_OR_RETURN(const Parts parts, Split(jwt));
  GH_ASSIGN_OR_RETURN(const std::string* key, KeyOf(parts.header, keys));
  if (!VerifySignature(*key, parts.signed_bytes, parts.signature)) {
    return Invalid("the signature does not fit");
  }
  GH_ASSIGN_OR_RETURN(Claims claims, ReadClaims(parts.payload, now));
  if (claims.issuer != issuer) return Invalid("another issuer");
  if (claims.audience != audience) return Invalid("another audience");
  return claims;
}

}  // namespace gatehouse::token
