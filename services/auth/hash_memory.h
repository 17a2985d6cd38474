// Memory for one password hash at a time. libsodium maps its 19 MiB anew for each
// hash, and nearly 5,000 page faults cost more than the hash itself; huge pages
// make them ten. Nothing is kept: what is mapped is unmapped when the hash is done.
#pragma once

namespace gatehouse::auth {

// While one lives, what its thread maps in large anonymous pieces lies on huge
// pages, where the kernel has any.
class HashMemory {
 public:
  HashMemory();
  ~HashMemory();
  HashMemory(const HashMemory&) = delete;
  HashMemory& operator=(const HashMemory&) = delete;

  // Pieces that were laid on huge pages meanwhile.
  int pieces() const;
};

}  // namespace gatehouse::auth
