// SQL for what a tenant has agreed on. Decides nothing.
#pragma once

#include "libs/pg/database.h"
#include "services/billing/profile.h"

namespace gatehouse::billing {

// Of a tenant that was never heard of: the defaults. The subscription is the newest
// one that has not ended, else the newest. In one statement.
Profile FindProfile(pg::Tx& tx, std::int64_t tenant_id);

// Stores the terms and permissions of a tenant whose account is locked.
void SaveProfile(pg::Tx& tx, const Profile& profile);

}  // namespace gatehouse::billing
