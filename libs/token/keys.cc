#include <sodium.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cstdio>
#include <cstdlib>

#include "libs/base/secret.h"
#include "libs/token/jwt.h"
#include "libs/token/strict_json.h"

namespace gatehouse::token {
namespace {

constexpr std::size_t kKidMax = 64;

const unsigned char* Bytes(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* Bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

// Once per process; without it libsodium picks no implementation and seeds nothing.
void RequireSodium() {
  static const bool ready = sodium_init() >= 0;
  if (ready) return;
  std::fputs("libsodium cannot start\n", stderr);
  std::abort();
}

bool IsKid(const std::string& kid) {
  if (kid.empty() || kid.size() > kKidMax) return false;
  for (unsigned char c : kid) {
    if (c < 0x21 || c > 0x7E) return false;
  }
  return true;
}

absl::Status KeySetInvalid(const std::string& message) {
  return Error(absl::StatusCode::kInvalidArgument, "KEY_SET_INVALID", message);
}

}  // namespace

absl::StatusOr<SigningKey> SigningKey::FromSeed(const std::string& kid, const std::string& seed) {
  RequireSodium();
  if (!IsKid(kid)) {
    return Error(absl::StatusCode::kInvalidArgument, "KEY_ID_INVALID",
                 "a key id is 1 to 64 printable characters without spaces");
  }
  if (seed.size() != crypto_sign_SEEDBYTES) {
    return Error(absl::StatusCode::kInvalidArgument, "KEY_SEED_INVALID",
                 "the seed of a signing key has 32 bytes");
  }
  SigningKey key;
  key.kid_ = kid;
  key.public_key_.resize(crypto_sign_PUBLICKEYBYTES);
  key.secret_key_.resize(crypto_sign_SECRETKEYBYTES);
  crypto_sign_seed_keypair(Bytes(key.public_key_), Bytes(key.secret_key_), Bytes(seed));
  return key;
}

SigningKey SigningKey::Generate(const std::string& kid) {
  std::string seed = RandomBytes(crypto_sign_SEEDBYTES);
  absl::StatusOr<SigningKey> key = FromSeed(kid, seed);
  sodium_memzero(seed.data(), seed.size());
  if (!key.ok()) {
    std::fprintf(stderr, "a signing key cannot have the id '%s'\n", kid.c_str());
    std::abort();
  }
  return *std::move(key);
}

std::string SigningKey::Sign(const std::string& message) const {
  std::string signature(crypto_sign_BYTES, '\0');
  crypto_sign_detached(Bytes(signature), nullptr, Bytes(message), message.size(),
                       Bytes(secret_key_));
  return signature;
}

SigningKey::~SigningKey() {
  // A move may have left the bytes behind with a smaller size.
  secret_key_.resize(secret_key_.capacity());
  sodium_memzero(secret_key_.data(), secret_key_.size());
}

bool VerifySignature(const std::string& public_key, const std::string& message,
                     const std::string& signature) {
  RequireSodium();
  if (public_key.size() != crypto_sign_PUBLICKEYBYTES) return false;
  if (signature.size() != crypto_sign_BYTES) return false;
  return crypto_sign_verify_detached(Bytes(signature), Bytes(message), message.size(),
                                     Bytes(public_key)) == 0;
}

void KeySet::Add(const std::string& kid, const std::string& public_key) { keys_[kid] = public_key; }

const std::string* KeySet::Find(const std::string& kid) const {
  auto found = keys_.find(kid);
  return found == keys_.end() ? nullptr : &found->second;
}

std::string KeySet::ToJson() const {
  boost::json::array keys;
  for (const auto& [kid, public_key] : keys_) {
    boost::json::object key;
    key["kty"] = "OKP";
    key["crv"] = "Ed25519";
    key["alg"] = "EdDSA";
    key["use"] = "sig";
    key["kid"] = kid;
    key["x"] = Base64UrlEncode(public_key);
    keys.push_back(std::move(key));
  }
  boost::json::object set;
  set["keys"] = std::move(keys);
  return boost::json::serialize(set);
}

absl::StatusOr<KeySet> KeySet::FromJson(const std::string& json) {
  boost::json::value root;
  if (!ParseStrictObject(json, &root)) return KeySetInvalid("a key set is one JSON object");
  const boost::json::value* list = root.get_object().if_contains("keys");
  if (list == nullptr || !list->is_array()) return KeySetInvalid("a key set has a list of keys");
  KeySet set;
  for (const boost::json::value& item : list->get_array()) {
    if (!item.is_object()) return KeySetInvalid("a key is a JSON object");
    const boost::json::object& key = item.get_object();
    // RFC 7517 section 5: keys of a kind that is not understood are skipped.
    if (TextMember(key, "kty") != "OKP" || TextMember(key, "crv") != "Ed25519") continue;
    if (key.contains("alg") && TextMember(key, "alg") != "EdDSA") continue;
    if (key.contains("use") && TextMember(key, "use") != "sig") continue;
    if (key.contains("d")) return KeySetInvalid("a public key set holds a private key");
    const std::optional<std::string> kid = TextMember(key, "kid");
    if (!kid || !IsKid(*kid)) return KeySetInvalid("a key has no usable kid");
    const std::optional<std::string> x = TextMember(key, "x");
    const std::optional<std::string> bytes = x ? Base64UrlDecode(*x) : std::nullopt;
    if (!bytes || bytes->size() != crypto_sign_PUBLICKEYBYTES) {
      return KeySetInvalid("the x of key '" + *kid + "' is not 32 bytes of base64url");
    }
    if (!set.keys_.emplace(*kid, *bytes).second) {
      return KeySetInvalid("the kid '" + *kid + "' stands twice");
    }
  }
  return set;
}

}  // namespace gatehouse::token
