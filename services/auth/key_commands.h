// What an operator does with the keys of access tokens at a shell: rotates and
// lists them. The keys themselves are key_ring's.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "libs/pg/database.h"
#include "libs/service/process.h"
#include "services/auth/key_ring.h"

namespace gatehouse::auth {

// Above what others cache the published keys for.
inline constexpr std::chrono::seconds kRotationWait{600};
inline constexpr std::chrono::seconds kRotationWaitMax{86400};

// Publishes a new key that signs after `wait`, audited. Returns what was done, a
// sentence each. Errors: those of KeyRing::Ensure.
absl::StatusOr<std::vector<std::string>> RotateKeys(pg::Database& db, KeyRing& keys,
                                                    std::chrono::seconds wait);

// One line per key that is not retired, the newest first.
absl::StatusOr<std::vector<std::string>> DescribeKeys(pg::Database& db);

// The value of "--wait-seconds N" in the arguments of rotate-keys. INVALID_ARGUMENT /
// ARGUMENTS_INVALID for anything else.
absl::StatusOr<std::chrono::seconds> RotationWait(const std::vector<std::string>& arguments);

// rotate-keys and list-keys.
std::vector<service::Command> KeyCommands();

}  // namespace gatehouse::auth
