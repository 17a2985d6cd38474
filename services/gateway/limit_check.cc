#include "services/gateway/limit_check.h"

#include <utility>

namespace gatehouse::gateway {

void AskLimit(const Context& context,
              const std::function<LimitVerdict(const LaterVerdict& later)>& take,
              std::function<void(const Context&, const LimitVerdict&)> go_on) {
  if (context->parts().leases == nullptr) return go_on(context, take(nullptr));
  // Moved on to the worker, so that the context ends there.
  const auto held = std::make_shared<Context>(context);
  const LimitVerdict verdict = take([held, go_on](const LimitVerdict& late) {
    Context moved = std::move(*held);
    const std::shared_ptr<http::Exchange> exchange = moved->exchange();
    exchange->Post([moved = std::move(moved), go_on, late] { go_on(moved, late); });
  });
  if (!verdict.is_pending) go_on(context, verdict);
}

}  // namespace gatehouse::gateway
