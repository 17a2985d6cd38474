// SQL for signups under way. The row reserves its names from the moment it is
// inserted until it is removed, in the same transaction that inserts the user or
// after a refusal. Every function runs in the caller's transaction.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "libs/pg/database.h"
#include "services/auth/signup.h"

namespace gatehouse::auth {

// Inserts the row. ALREADY_EXISTS / USERNAME_TAKEN or EMAIL_TAKEN when another
// signup or a user holds a name; the transaction must then be rolled back.
absl::Status ReserveNames(pg::Tx& tx, const Signup& signup);

// The signup that holds the username or the address; the former first.
std::optional<Signup> FindSignup(pg::Tx& tx, const std::string& username, const std::string& email);

// Removes the row; false when it is gone already. Locks it, so of those who
// finish one signup only one removes it.
bool RemoveSignup(pg::Tx& tx, const std::string& id);

// Up to `limit` signups that nobody has tried to finish for `age` times one more
// than their attempts (at most 60 times), counted as tried from now on.
std::vector<Signup> ClaimStaleSignups(pg::Tx& tx, std::chrono::seconds age, int limit);

}  // namespace gatehouse::auth
