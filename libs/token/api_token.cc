#include "libs/token/api_token.h"

#include <array>
#include <cstdint>

#include "libs/base/secret.h"

namespace gatehouse::token {
namespace {

constexpr char kAlphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr int kBase = 62;
constexpr std::size_t kRandomLength = 37;  // 37 · log2(62) = 220.3 bits
constexpr std::size_t kChecksumLength = 6;

constexpr std::array<std::uint32_t, 256> MakeCrcTable() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value & 1) ? (value >> 1) ^ 0xEDB88320u : value >> 1;
    table[i] = value;
  }
  return table;
}

// CRC-32 as in Ethernet and zlib.
std::uint32_t Crc32(const std::string& bytes) {
  static constexpr std::array<std::uint32_t, 256> kTable = MakeCrcTable();
  std::uint32_t crc = ~0u;
  for (unsigned char byte : bytes) crc = kTable[(crc ^ byte) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

std::string Checksum(const std::string& bytes) {
  std::string text(kChecksumLength, kAlphabet[0]);
  std::uint32_t rest = Crc32(bytes);
  for (std::size_t i = kChecksumLength; i-- > 0; rest /= kBase) text[i] = kAlphabet[rest % kBase];
  return text;
}

bool IsBase62(const std::string& text) {
  return text.find_first_not_of(kAlphabet) == std::string::npos;
}

std::string RandomBase62(std::size_t length) {
  std::string text;
  while (text.size() < length) {
    for (unsigned char byte : RandomBytes(length)) {
      // 248 = 4 · 62: a byte above would make the first letters likelier.
      if (byte < 248 && text.size() < length) text.push_back(kAlphabet[byte % kBase]);
    }
  }
  return text;
}

}  // namespace

std::string NewApiToken(const std::string& prefix) {
  const std::string body = prefix + "_" + RandomBase62(kRandomLength);
  return body + Checksum(body);
}

bool LooksLikeApiToken(const std::string& token) {
  const std::size_t underscore = token.rfind('_');
  if (underscore == std::string::npos || underscore == 0) return false;
  const std::string tail = token.substr(underscore + 1);
  if (tail.size() != kRandomLength + kChecksumLength || !IsBase62(tail)) return false;
  const std::size_t body = token.size() - kChecksumLength;
  return token.substr(body) == Checksum(token.substr(0, body));
}

std::string TokenDigest(const std::string& token) { return Sha256(token); }

}  // namespace gatehouse::token
