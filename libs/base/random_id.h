// Random bytes for identifiers that are made with every request: asked of the system in
// bulk, each used once. Not for secrets (secret.h): they lie in memory beforehand.
#pragma once

#include <cstddef>

namespace gatehouse {

// The next `count` of this thread, at most 64; good until the next call on it.
const unsigned char* NextRandom(std::size_t count);

}  // namespace gatehouse
