#include "services/auth/password_hash.h"

#include <crypt.h>
#include <openssl/evp.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "libs/base/secret.h"

namespace gatehouse::auth {
namespace {

constexpr int kArgonKibMax = 64 * 1024;
constexpr int kArgonPassesMax = 10;

constexpr std::size_t kBcryptLength = 60;
constexpr std::size_t kBcryptSettingLength = 29;  // "$2b$12$" and the salt.
constexpr std::size_t kBcryptPasswordMax = 72;
constexpr int kBcryptCostMin = 4;
constexpr int kBcryptCostMax = 15;

constexpr char kDjangoPrefix[] = "pbkdf2_sha256$";
constexpr std::size_t kDjangoLengthMax = 256;
constexpr int kDjangoRoundsMax = 2'000'000;
constexpr std::size_t kDigestBytes = 32;
constexpr std::size_t kDigestTextLength = 44;  // Base64 with padding.

// The number that `digits` writes without sign or space, if it is in [min, max].
std::optional<int> NumberIn(const std::string& digits, int min, int max) {
  int number = 0;
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit)) {
    return std::nullopt;
  }
  if (!absl::SimpleAtoi(digits, &number) || number < min || number > max) return std::nullopt;
  return number;
}

// "$argon2id$v=19$m=19456,t=2,p=1$salt$hash"; libsodium checks the rest.
bool IsArgon2id(const std::string& hash) {
  if (hash.size() >= crypto_pwhash_STRBYTES) return false;
  const std::vector<std::string> parts = absl::StrSplit(hash, '$');
  if (parts.size() != 6 || parts[1] != "argon2id" || parts[2] != "v=19") return false;
  const std::vector<std::string> costs = absl::StrSplit(parts[3], ',');
  return costs.size() == 3 && absl::StartsWith(costs[0], "m=") &&
         NumberIn(costs[0].substr(2), 8, kArgonKibMax) && absl::StartsWith(costs[1], "t=") &&
         NumberIn(costs[1].substr(2), 1, kArgonPassesMax) && costs[2] == "p=1";
}

bool IsBcryptChar(char c) { return absl::ascii_isalnum(c) || c == '.' || c == '/'; }

// "$2b$12$", 22 characters of salt and 31 of hash.
bool IsBcrypt(const std::string& hash) {
  if (hash.size() != kBcryptLength || hash[6] != '$') return false;
  const std::string kind = hash.substr(0, 4);
  if (kind != "$2a$" && kind != "$2b$" && kind != "$2y$") return false;
  return NumberIn(hash.substr(4, 2), kBcryptCostMin, kBcryptCostMax) &&
         std::all_of(hash.begin() + 7, hash.end(), IsBcryptChar);
}

struct Django {
  int rounds = 0;
  std::string salt;
  std::string digest;  // In base64.
};

std::optional<Django> ParseDjango(const std::string& hash) {
  if (hash.size() > kDjangoLengthMax || !absl::StartsWith(hash, kDjangoPrefix)) {
    return std::nullopt;
  }
  const std::vector<std::string> parts = absl::StrSplit(hash, '$');
  if (parts.size() != 4 || parts[2].empty() || parts[3].size() != kDigestTextLength) {
    return std::nullopt;
  }
  const std::optional<int> rounds = NumberIn(parts[1], 1, kDjangoRoundsMax);
  if (!rounds) return std::nullopt;
  return Django{.rounds = *rounds, .salt = parts[2], .digest = parts[3]};
}

}  // namespace

HashForm FormOf(const std::string& hash) {
  if (hash.find('\0') != std::string::npos) return HashForm::kMalformed;
  if (IsArgon2id(hash)) return HashForm::kArgon2id;
  if (IsBcrypt(hash)) return HashForm::kBcrypt;
  return ParseDjango(hash) ? HashForm::kDjango : HashForm::kMalformed;
}

bool FitsBcrypt(const std::string& password, const std::string& hash) {
  if (password.find('\0') != std::string::npos) return false;
  // 32 KiB: too much for the stack.
  const auto work = std::make_unique<crypt_data>();
  const std::string seen = password.substr(0, kBcryptPasswordMax);
  const char* const computed =
      crypt_r(seen.c_str(), hash.substr(0, kBcryptSettingLength).c_str(), work.get());
  return computed != nullptr && ConstantTimeEquals(computed, hash);
}

bool FitsDjango(const std::string& password, const std::string& hash) {
  const std::optional<Django> parsed = ParseDjango(hash);
  // HMAC fills a short key up with NULs, so one at the end would go unseen.
  if (!parsed || password.find('\0') != std::string::npos) return false;
  std::array<unsigned char, kDigestBytes> digest;
  if (PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                        reinterpret_cast<const unsigned char*>(parsed->salt.data()),
                        static_cast<int>(parsed->salt.size()), parsed->rounds, EVP_sha256(),
                        static_cast<int>(digest.size()), digest.data()) != 1) {
    return false;
  }
  // Texts are compared: there is one base64 of the digest, and nothing to decode.
  std::array<unsigned char, kDigestTextLength + 1> text;
  EVP_EncodeBlock(text.data(), digest.data(), static_cast<int>(digest.size()));
  return ConstantTimeEquals(std::string(text.begin(), text.end() - 1), parsed->digest);
}

}  // namespace gatehouse::auth
