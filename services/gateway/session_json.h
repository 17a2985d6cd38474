// A login as every list of sessions spells it. Only spelling.
#pragma once

#include "gatehouse/auth/v1/session.pb.h"
#include "services/gateway/json_writer.h"

namespace gatehouse::gateway {

// `is_current`: it is the one by which the list was asked for.
void WriteSession(const auth::v1::Session& session, bool is_current, JsonWriter& json);

}  // namespace gatehouse::gateway
