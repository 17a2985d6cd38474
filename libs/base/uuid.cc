#include "libs/base/uuid.h"

#include <openssl/evp.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "libs/base/secret.h"

namespace gatehouse {
namespace {

constexpr std::size_t kBytes = 16;

std::string ToText(const std::string& bytes) {
  const std::string hex = HexEncode(bytes);
  return hex.substr(0, 8) + '-' + hex.substr(8, 4) + '-' + hex.substr(12, 4) + '-' +
         hex.substr(16, 4) + '-' + hex.substr(20, 12);
}

// Sets the version and the variant of RFC 9562.
void Stamp(std::string* bytes, unsigned version) {
  (*bytes)[6] = static_cast<char>(version << 4 | (static_cast<unsigned>((*bytes)[6]) & 0x0f));
  (*bytes)[8] = static_cast<char>(0x80 | (static_cast<unsigned>((*bytes)[8]) & 0x3f));
}

void PutBigEndian(std::string* bytes, std::size_t at, std::size_t count, std::uint64_t value) {
  for (std::size_t i = count; i > 0; --i, value >>= 8) {
    (*bytes)[at + i - 1] = static_cast<char>(value & 0xff);
  }
}

// The random part of the last v7 of this process. Ids of one millisecond count
// up from a random start in random steps, so that they sort in the order made.
struct Last {
  std::mutex mutex;
  std::int64_t millis = -1;  // guarded by mutex
  std::uint32_t high = 0;    // guarded by mutex; 12 bits
  std::uint64_t low = 0;     // guarded by mutex; 62 bits
};

Last& LastV7() {
  static Last last;
  return last;
}

}  // namespace

std::string UuidV7(Time now) {
  const std::int64_t millis =
      std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch()).count();
  const std::string random = RandomBytes(10);
  std::uint16_t random_high;
  std::uint64_t random_low;
  std::memcpy(&random_high, random.data(), sizeof random_high);
  std::memcpy(&random_low, random.data() + sizeof random_high, sizeof random_low);

  std::uint32_t high;
  std::uint64_t low;
  {
    Last& last = LastV7();
    const std::lock_guard lock(last.mutex);
    if (millis == last.millis) {
      // The start leaves the top bit free: no millisecond is long enough to overflow it.
      last.low += 1 + (random_low & 0xffffffff);
    } else {
      last.millis = millis;
      last.high = random_high & 0x0fff;
      last.low = random_low >> 3;
    }
    high = last.high;
    low = last.low;
  }

  std::string bytes(kBytes, '\0');
  PutBigEndian(&bytes, 0, 6, static_cast<std::uint64_t>(millis));
  PutBigEndian(&bytes, 6, 2, high);
  PutBigEndian(&bytes, 8, 8, low);
  Stamp(&bytes, 7);
  return ToText(bytes);
}

std::string UuidV7() { return UuidV7(std::chrono::system_clock::now()); }

std::string UuidV5(const std::string& name_space, const std::string& name) {
  if (!IsUuid(name_space)) std::abort();
  std::string hex;
  for (const char c : name_space) {
    if (c != '-') hex += c;
  }
  const std::string input = *HexDecode(hex) + name;
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned int size = 0;
  if (EVP_Digest(input.data(), input.size(), reinterpret_cast<unsigned char*>(digest.data()), &size,
                 EVP_sha1(), nullptr) != 1) {
    std::abort();
  }
  digest.resize(kBytes);
  Stamp(&digest, 5);
  return ToText(digest);
}

bool IsUuid(const std::string& text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return false;
    } else if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))) {
      return false;
    }
  }
  return true;
}

}  // namespace gatehouse
