// What POST /auth/validate and POST /api/v1/auth/validate share: one judgement of a
// credential by auth, for an address that has not shown too many unknown ones.
#pragma once

#include <functional>

#include "gatehouse/auth/v1/token.pb.h"
#include "services/gateway/request_context.h"

namespace gatehouse::gateway {

// Calls `reply` with auth's verdict, or fails the request.
void ValidateThen(const Context& context, const auth::v1::ValidateTokenRequest& request,
                  std::function<void(const auth::v1::ValidateTokenResponse&)> reply);

}  // namespace gatehouse::gateway
