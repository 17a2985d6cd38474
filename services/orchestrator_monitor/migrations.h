// The migrations of the schema orchestrator_monitor, in order. Generated from
// the folder migrations/; nothing is applied here.
#pragma once

#include <vector>

#include "libs/pg/migrate.h"

namespace gatehouse::orchestrator_monitor {

std::vector<pg::Migration> Migrations();

}  // namespace gatehouse::orchestrator_monitor
