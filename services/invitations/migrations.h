// The schema's migrations, embedded from migrations/*.sql in order. Not the
// code that applies them (libs/pg/migrate.h).
#pragma once

#include <vector>

#include "libs/pg/migrate.h"

namespace gatehouse::invitations {

std::vector<pg::Migration> Migrations();

}  // namespace gatehouse::invitations
