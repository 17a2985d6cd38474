#include "libs/base/random_id.h"

#include <string>

#include "libs/base/secret.h"

namespace gatehouse {

const unsigned char* NextRandom(std::size_t count) {
  constexpr std::size_t kBulk = 4096;
  thread_local std::string bytes;
  thread_local std::size_t used = 0;
  if (bytes.size() - used < count) {
    bytes = RandomBytes(kBulk);
    used = 0;
  }
  used += count;
  return reinterpret_cast<const unsigned char*>(bytes.data()) + used - count;
}

}  // namespace gatehouse
