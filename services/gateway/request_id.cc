#include "services/gateway/request_id.h"

#include <chrono>
#include <cstdint>
#include <string_view>

#include "libs/base/random_id.h"

namespace gatehouse::gateway {
namespace {

constexpr std::size_t kRandomPerId = 10;

bool IsRequestId(std::string_view text) {
  if (text.empty() || text.size() > 128) return false;
  for (const char c : text) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-';
    if (!fits) return false;
  }
  return true;
}

// RFC 9562 section 5.7: 48 bits of milliseconds, then version, variant and 74
// random bits.
std::string NewRequestId() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto millis = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  unsigned char bytes[16];
  for (int i = 0; i < 6; ++i) bytes[i] = static_cast<unsigned char>(millis >> (40 - 8 * i));
  const unsigned char* const random = NextRandom(kRandomPerId);
  for (std::size_t i = 0; i < kRandomPerId; ++i) {
    bytes[6 + i] = random[i];
  }
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x70);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);

  constexpr char kHex[] = "0123456789abcdef";
  char id[36];
  char* at = id;
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *at++ = '-';
    *at++ = kHex[bytes[i] >> 4];
    *at++ = kHex[bytes[i] & 15];
  }
  return {id, sizeof id};
}

}  // namespace

std::string RequestId(const http::Request& request) {
  const auto sent = request.Find("X-Request-ID");
  return sent && IsRequestId(*sent) ? std::string(*sent) : NewRequestId();
}

}  // namespace gatehouse::gateway
