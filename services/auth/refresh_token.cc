#include "services/auth/refresh_token.h"

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "libs/base/secret.h"

namespace gatehouse::auth {
namespace {

constexpr char kPrefix[] = "ghr_";
constexpr std::size_t kPrefixBytes = 4;
constexpr std::size_t kIdBytes = 16;
constexpr std::size_t kCounterBytes = 8;
constexpr std::size_t kMacBytes = 32;

// Both of fixed length, so that no two tokens have the same bytes.
std::string NamedBytes(const std::string& credential_id, std::int64_t counter) {
  std::string bytes =
      HexDecode(absl::StrReplaceAll(credential_id, {{"-", ""}})).value_or(std::string());
  bytes.resize(kIdBytes);
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>((static_cast<std::uint64_t>(counter) >> shift) & 0xFF));
  }
  return bytes;
}

std::string MacOf(const std::string& key, const std::string& seed, const std::string& named_bytes) {
  return HmacSha256(key, seed + named_bytes);
}

std::string UuidOf(const std::string& bytes) {
  std::string text = HexEncode(bytes);
  for (const std::size_t at : {8, 13, 18, 23}) text.insert(at, 1, '-');
  return text;
}

}  // namespace

std::string MakeRefreshToken(const std::string& key, const std::string& seed,
                             const std::string& credential_id, std::int64_t counter) {
  const std::string named_bytes = NamedBytes(credential_id, counter);
  return kPrefix + Base64UrlEncode(named_bytes + MacOf(key, seed, named_bytes));
}

std::optional<RefreshToken> ParseRefreshToken(const std::string& text) {
  if (!absl::StartsWith(text, kPrefix)) return std::nullopt;
  const std::optional<std::string> bytes = Base64UrlDecode(text.substr(kPrefixBytes));
  if (!bytes || bytes->size() != kIdBytes + kCounterBytes + kMacBytes) return std::nullopt;
  std::uint64_t counter = 0;
  for (std::size_t i = 0; i < kCounterBytes; ++i) {
    counter = (counter << 8) | static_cast<unsigned char>((*bytes)[kIdBytes + i]);
  }
  return RefreshToken{.credential_id = UuidOf(bytes->substr(0, kIdBytes)),
                      .counter = static_cast<std::int64_t>(counter),
                      .mac = bytes->substr(kIdBytes + kCounterBytes)};
}

bool IsGenuine(const RefreshToken& token, const std::string& key, const std::string& seed) {
  return ConstantTimeEquals(MacOf(key, seed, NamedBytes(token.credential_id, token.counter)),
                            token.mac);
}

}  // namespace gatehouse::auth
