// The request header Idempotency-Key, which makes a retry safe. Not what is done once by
// it: that is for the service.
#pragma once

#include <string>

#include "services/gateway/request_context.h"

namespace gatehouse::gateway {

// The caller's key: a UUID as it is, in lower case; other text as a UUID derived from it
// and the caller; a new one when none is sent. INVALID_ARGUMENT / IDEMPOTENCY_KEY_INVALID
// unless it is 1 to 255 printable ASCII characters. Not on public routes.
absl::StatusOr<std::string> ReadIdempotencyKey(const RequestContext& context);

}  // namespace gatehouse::gateway
