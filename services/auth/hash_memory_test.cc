#include "services/auth/hash_memory.h"

#include <gtest/gtest.h>
#include <sodium.h>
#include <sys/mman.h>

#include <array>
#include <fstream>
#include <thread>

namespace gatehouse::auth {
namespace {

constexpr std::size_t kPiece = 19 * 1024 * 1024;

bool Hash() {
  std::array<char, crypto_pwhash_STRBYTES> hash;
  return sodium_init() >= 0 &&
         crypto_pwhash_str_alg(hash.data(), "kestrel-plum-91", 15, 2, kPiece,
                               crypto_pwhash_ALG_ARGON2ID13) == 0 &&
         crypto_pwhash_str_verify(hash.data(), "kestrel-plum-91", 15) == 0;
}

// Pages that the process has mapped.
long MappedPages() {
  long pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages;
}

// A large anonymous piece, written to from end to end.
bool MapAndUnmap(std::size_t bytes) {
  auto* const piece = static_cast<char*>(
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (piece == MAP_FAILED) return false;
  piece[0] = piece[bytes / 2] = piece[bytes - 1] = 1;
  return ::munmap(piece, bytes) == 0;
}

TEST(HashMemoryTest, IsWhatLibsodiumHashesIn) {
  const HashMemory memory;
  ASSERT_TRUE(Hash());
  EXPECT_EQ(memory.pieces(), 2) << "one for the hash, one for the check";
}

TEST(HashMemoryTest, ConcernsItsOwnThreadAndLifeOnly) {
  {
    const HashMemory memory;
    std::thread([] { EXPECT_TRUE(Hash()); }).join();
    EXPECT_EQ(memory.pieces(), 0);
  }
  ASSERT_TRUE(Hash());
  const HashMemory next;
  EXPECT_EQ(next.pieces(), 0);
}

TEST(HashMemoryTest, LeavesSmallPiecesAlone) {
  const HashMemory memory;
  EXPECT_TRUE(MapAndUnmap(1024 * 1024));
  EXPECT_EQ(memory.pieces(), 0);
}

TEST(HashMemoryTest, KeepsNothingMapped) {
  const HashMemory memory;
  ASSERT_TRUE(Hash());
  const long before = MappedPages();
  // Lengths on and off the borders of pages and huge pages.
  for (std::size_t more : {0, 1, 1024, 4095, 4096, 1024 * 1024, 2 * 1024 * 1024}) {
    EXPECT_TRUE(MapAndUnmap(kPiece + more)) << more;
  }
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(Hash());
  EXPECT_EQ(MappedPages(), before);
}

}  // namespace
}  // namespace gatehouse::auth
