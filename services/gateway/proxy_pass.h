// Has a request answered by an upstream in the name of the user: strips what a
// client may not say of itself, sets the six context headers, and decides what of
// the answer reaches the client. Admission has let the request in.
#pragma once

#include <memory>

#include "libs/http/upstream_group.h"
#include "services/gateway/context_headers.h"
#include "services/gateway/request_context.h"

namespace gatehouse::gateway {

// `group` null: the documented 502. A request that asks for a WebSocket on a route of
// Lane::kSocket becomes a tunnel. On the exchange's worker.
void ProxyPass(const Context& context, const std::shared_ptr<http::UpstreamGroup>& group);

}  // namespace gatehouse::gateway
