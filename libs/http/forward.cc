#include "libs/http/forward.h"

#include <utility>

#include "libs/http/exchange.h"
#include "libs/http/forwarding.h"

namespace gatehouse::http {

void Forward(const std::shared_ptr<Exchange>& exchange, ForwardRequest request,
             std::shared_ptr<ForwardOwner> owner) {
  Outgoing& outgoing = static_cast<PendingExchange&>(*exchange).outgoing();
  const auto forwarding = std::make_shared<Forwarding>(outgoing, std::move(request), owner);
  Stream* stream = exchange->OpenStream(forwarding);
  if (stream != nullptr) return forwarding->Start(exchange, stream);
  forwarding->OnClosed();
}

}  // namespace gatehouse::http
