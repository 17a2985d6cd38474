// Asks a limit about a request and goes on with what it says, on the request's worker:
// at once, or when a bucket that gateways share has answered. Knows no limit itself.
#pragma once

#include <functional>

#include "services/gateway/request_context.h"
#include "services/gateway/token_buckets.h"

namespace gatehouse::gateway {

// `take` takes from the limit; it gets null where nobody shares it. `go_on` is called
// once, and never when the client has left meanwhile; it should hold no context, which
// it is given. On the worker.
void AskLimit(const Context& context,
              const std::function<LimitVerdict(const LaterVerdict& later)>& take,
              std::function<void(const Context&, const LimitVerdict&)> go_on);

}  // namespace gatehouse::gateway
