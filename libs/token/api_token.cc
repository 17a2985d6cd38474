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
constexpr std::size_t kTailLength = kRandomLength + kChecksumLength;
constexpr std::size_t kPrefixMax = 16;

// Table t advances a byte past t more: eight bytes then need eight look-ups that do
// not wait for each other (Intel's "slicing by 8").
using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr CrcTables MakeCrcTables() {
  CrcTables tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value & 1) ? (value >> 1) ^ 0xEDB88320u : value >> 1;
    tables[0][i] = value;
  }
  for (std::size_t t = 1; t < tables.size(); ++t) {
    for (std::size_t i = 0; i < 256; ++i) {
      tables[t][i] = tables[0][tables[t - 1][i] & 0xFF] ^ (tables[t - 1][i] >> 8);
    }
  }
  return tables;
}

constexpr CrcTables kCrcTables = MakeCrcTables();

// CRC-32 as in Ethernet and zlib, of the first `size` bytes.
std::uint32_t Crc32(const std::string& bytes, std::size_t size) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
  std::uint32_t crc = ~0u;
  std::size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    std::uint32_t next = 0;
    for (int i = 0; i < 4; ++i) {
      next ^= kCrcTables[7 - i][((crc >> (8 * i)) & 0xFF) ^ byte(at + i)];
    }
    for (int i = 4; i < 8; ++i) next ^= kCrcTables[7 - i][byte(at + i)];
    crc = next;
  }
  for (; at < size; ++at) crc = kCrcTables[0][(crc ^ byte(at)) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

std::array<char, kChecksumLength> Checksum(const std::string& bytes, std::size_t size) {
  std::array<char, kChecksumLength> text;
  std::uint32_t rest = Crc32(bytes, size);
  for (std::size_t i = kChecksumLength; i-- > 0; rest /= kBase) text[i] = kAlphabet[rest % kBase];
  return text;
}

constexpr std::array<bool, 256> MakeIsBase62() {
  std::array<bool, 256> is_base62{};
  for (int i = 0; i < kBase; ++i) is_base62[static_cast<unsigned char>(kAlphabet[i])] = true;
  return is_base62;
}

// Whether everything from `begin` on is base62.
bool IsBase62(const std::string& text, std::size_t begin) {
  static constexpr std::array<bool, 256> kIsBase62 = MakeIsBase62();
  for (std::size_t i = begin; i < text.size(); ++i) {
    if (!kIsBase62[static_cast<unsigned char>(text[i])]) return false;
  }
  return true;
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
  std::string token = prefix + "_" + RandomBase62(kRandomLength);
  const auto checksum = Checksum(token, token.size());
  return token.append(checksum.data(), checksum.size());
}

bool LooksLikeApiToken(const std::string& token) {
  // At least one character of prefix, and the underscore.
  if (token.size() < kTailLength + 2 || token.size() > kTailLength + 1 + kPrefixMax) return false;
  const std::size_t tail = token.size() - kTailLength;
  if (token[tail - 1] != '_' || !IsBase62(token, tail)) return false;
  const std::size_t body = token.size() - kChecksumLength;
  const auto checksum = Checksum(token, body);
  return token.compare(body, kChecksumLength, checksum.data(), checksum.size()) == 0;
}

std::string TokenDigest(const std::string& token) { return Sha256(token); }

}  // namespace gatehouse::token
