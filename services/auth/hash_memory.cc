#include "services/auth/hash_memory.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

// The sanitizers have an mmap of their own.
#if defined(__linux__) && defined(__LP64__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define GATEHOUSE_HAS_HASH_MEMORY 1
#endif

namespace gatehouse::auth {
namespace {

constexpr std::size_t kHugePage = 2 * 1024 * 1024;
// Far above anything but a password hash.
constexpr std::size_t kPieceMin = 4 * kHugePage;

thread_local bool is_wanted = false;
thread_local int pieces_laid = 0;

}  // namespace

HashMemory::HashMemory() {
  is_wanted = true;
  pieces_laid = 0;
}

HashMemory::~HashMemory() { is_wanted = false; }

int HashMemory::pieces() const { return pieces_laid; }

#ifdef GATEHOUSE_HAS_HASH_MEMORY
namespace {

void* Map(void* address, std::size_t length, int protection, int flags, int file, off_t offset) {
  return reinterpret_cast<void*>(  // NOLINT(performance-no-int-to-ptr): the kernel's answer.
      ::syscall(SYS_mmap, address, length, protection, flags, file, offset));
}

// As mmap, but the piece begins at a huge page, so that the kernel can use them.
void* MapOnHugePages(std::size_t length, int protection, int flags) {
  // What is cut off must begin at a page.
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  length = (length + page - 1) / page * page;
  void* const whole = Map(nullptr, length + kHugePage, protection, flags & ~MAP_POPULATE, -1, 0);
  if (whole == MAP_FAILED) return whole;
  auto* const begin = static_cast<char*>(whole);
  const std::size_t lead = -reinterpret_cast<std::uintptr_t>(begin) % kHugePage;
  if (lead > 0) ::munmap(begin, lead);
  if (lead < kHugePage) ::munmap(begin + lead + length, kHugePage - lead);
  // Both are mere advice: without them the hash is slower.
  ::madvise(begin + lead, length, MADV_HUGEPAGE);
#ifdef MADV_POPULATE_WRITE
  ::madvise(begin + lead, length, MADV_POPULATE_WRITE);
#endif
  ++pieces_laid;
  return begin + lead;
}

}  // namespace
#endif

}  // namespace gatehouse::auth

#ifdef GATEHOUSE_HAS_HASH_MEMORY
// libsodium offers no way to hand it memory, but calls this one instead of the C
// library's. Anybody else, and any other thread, gets the system call as ever.
extern "C" void* mmap(void* address, std::size_t length, int protection, int flags, int file,
                      off_t offset) noexcept {
  namespace auth = gatehouse::auth;
  if (auth::is_wanted && address == nullptr && file == -1 && length >= auth::kPieceMin) {
    return auth::MapOnHugePages(length, protection, flags);
  }
  return auth::Map(address, length, protection, flags, file, offset);
}
#endif
