// Forward-only migrations of one schema. Not a schema differ: there is no way
// down, and a file that was applied must never change.
#pragma once

#include <string>
#include <vector>

#include "libs/status/status.h"

namespace gatehouse::pg {

struct Migration {
  std::string name;  // "0001_create_users"
  std::string sql;
};

// Applies what is missing, each in a transaction of its own, under an advisory
// lock, as the owner role that `owner_url` names. Records name and SHA-256 in
// <schema>.migrations. Returns the names applied now.
//
// Fails with UNAVAILABLE / DATABASE_UNAVAILABLE when the database cannot be
// reached, FAILED_PRECONDITION / MIGRATION_CHANGED when an applied file has
// another checksum, MIGRATION_UNKNOWN when the database is ahead of this
// program in a way it does not know, and INTERNAL / MIGRATION_FAILED with the
// database's text and the name of the file; earlier files stay applied.
absl::StatusOr<std::vector<std::string>> Migrate(const std::string& owner_url,
                                                 const std::string& schema,
                                                 const std::vector<Migration>& migrations);

}  // namespace gatehouse::pg
