// A user's API tokens as /api/v1 spells them, the same for oneself and for an
// administrator. Not keys (routes_keys.cc), whose owners are chosen.
#pragma once

#include <string>

#include "gatehouse/auth/v1/token.pb.h"
#include "services/gateway/request_context.h"

namespace gatehouse::gateway {

// {"tokens":[…],"total"} of the user of that UUID, by the query's `limit` and
// `cursor`, with X-Next-Cursor.
void ListApiTokens(const Context& context, const std::string& user_id);

// A token of that user; both are UUIDs.
auth::v1::RevokeTokenRequest MakeRevocation(const std::string& user_id, const std::string& id);

// After it was revoked: dead here at once, and answered.
void ReplyRevoked(const Context& context, const std::string& token_id);

}  // namespace gatehouse::gateway
