// The format of opaque credentials: "<prefix>_" + 43 base62 characters of which
// the last 6 are a CRC-32 of what stands before, so that garbage dies without a
// look-up. Says nothing about who owns one.
#pragma once

#include <string>

namespace gatehouse::token {

// A new token with 220 random bits. `prefix`: 1 to 16 characters: "ora", "gh", "ght".
std::string NewApiToken(const std::string& prefix);

// Whether form and checksum fit. Any prefix of that length.
bool LooksLikeApiToken(const std::string& token);

// What is stored and looked up: SHA-256 of the token, 32 bytes.
std::string TokenDigest(const std::string& token);

}  // namespace gatehouse::token
