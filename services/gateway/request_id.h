// Names requests for logs and clients. Not secrets and not keys: the ids that
// are made here are unique, but cheap.
#pragma once

#include <string>

#include "libs/http/message.h"

namespace gatehouse::gateway {

// The caller's X-Request-ID when it is 1–128 of [A-Za-z0-9._-], else a UUIDv7.
// Workers share nothing to make one, and ask the system for random bytes only
// once in hundreds of ids.
std::string RequestId(const http::Request& request);

}  // namespace gatehouse::gateway
