// SQL for password resets by mail: digests only, never a code. Every function runs
// in the caller's transaction.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "libs/pg/database.h"

namespace gatehouse::auth {

// For how long a mailed code is good.
inline constexpr std::chrono::minutes kResetLife{30};
// More open resets of a user within an hour lead to no mail.
inline constexpr int kOpenResetsMax = 3;

// Without a user the row leads nowhere.
void InsertReset(pg::Tx& tx, const std::string& id, const std::optional<std::string>& user_id,
                 const std::string& digest);

// To whom a reset is mailed; nullopt when it has no active user, is used or is over.
// One statement.
struct ResetMail {
  std::string username;
  std::string email;
  int open_before = 0;  // Other open resets of the user, of the hour before this one.
};
std::optional<ResetMail> FindResetMail(pg::Tx& tx, const std::string& id);

// The user of an open reset.
std::optional<std::string> FindOpenReset(pg::Tx& tx, const std::string& digest);

// Uses up an open reset; false when it is not open any more. Of those who try, one
// succeeds.
bool UseReset(pg::Tx& tx, const std::string& digest);

// Uses up a reset whose code nobody gets.
void DropReset(pg::Tx& tx, const std::string& id);
// Uses up all resets of a user: the password has changed.
void DropResets(pg::Tx& tx, const std::string& user_id);

}  // namespace gatehouse::auth
