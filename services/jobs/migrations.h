// The SQL files of migrations/, embedded by the build. Not a migration tool:
// that is libs/pg/migrate.h.
#pragma once

#include <vector>

#include "libs/pg/migrate.h"

namespace gatehouse::jobs {

std::vector<pg::Migration> Migrations();

}  // namespace gatehouse::jobs
