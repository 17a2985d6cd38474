// What a request for a WebSocket must be before anybody answers 101, whether the socket
// ends here or is passed on: a handshake, from a page that may open one.
#pragma once

#include <optional>

#include "services/gateway/error_page.h"
#include "services/gateway/request_context.h"

namespace gatehouse::gateway {

// What is wrong with it, if anything is: 400, 403 ORIGIN_NOT_ALLOWED or 426.
std::optional<Problem> SocketRefused(const RequestContext& context);

}  // namespace gatehouse::gateway
