// Random bytes, digests and their texts. Thread-safe; not for passwords
// (services/auth hashes those).
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace gatehouse {

// `count` bytes from the operating system's generator.
std::string RandomBytes(std::size_t count);

// SHA-256: 32 bytes, or 64 lower-case hex digits.
std::string Sha256(const std::string& bytes);
std::string Sha256Hex(const std::string& bytes);

// HMAC-SHA-256, 32 bytes.
std::string HmacSha256(const std::string& key, const std::string& bytes);

// Lower-case hex. Decoding accepts both cases and refuses an odd length.
std::string HexEncode(const std::string& bytes);
std::optional<std::string> HexDecode(const std::string& text);

// Base64url without padding (RFC 4648 section 5). Decoding is strict: canonical
// trailing bits, no padding, no other characters.
std::string Base64UrlEncode(const std::string& bytes);
std::optional<std::string> Base64UrlDecode(const std::string& text);

// Compares in time that depends on the lengths only.
bool ConstantTimeEquals(const std::string& a, const std::string& b);

}  // namespace gatehouse
