// The text of refresh tokens: "ghr_" + base64url(credential id, counter, HMAC), so
// that nothing secret is at rest and the child of a token can be made again. Pure;
// which counter is good is credential_issuer's to judge.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace gatehouse::auth {

struct RefreshToken {
  std::string credential_id;  // UUID
  std::int64_t counter = 0;
  std::string mac;  // HMAC-SHA-256 under the refresh key over seed, id and counter.
};

// `seed`: 32 bytes of the credential's row.
std::string MakeRefreshToken(const std::string& key, const std::string& seed,
                             const std::string& credential_id, std::int64_t counter);

// nullopt for a text that MakeRefreshToken cannot have made.
std::optional<RefreshToken> ParseRefreshToken(const std::string& text);

// Whether it was made with this key and seed. In constant time.
bool IsGenuine(const RefreshToken& token, const std::string& key, const std::string& seed);

}  // namespace gatehouse::auth
