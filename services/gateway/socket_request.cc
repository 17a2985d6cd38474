#include "services/gateway/socket_request.h"

#include "libs/http/websocket.h"
#include "services/gateway/cors.h"
#include "services/gateway/credential.h"

namespace gatehouse::gateway {

std::optional<Problem> SocketRefused(const RequestContext& context) {
  const http::Request& request = context.request();
  const bool has_body = !request.body.empty() || request.body_follows ||
                        request.Find("Transfer-Encoding").has_value();
  const int fault = http::CheckHandshake(request);
  if (const int status = fault == 0 && has_body ? 400 : fault; status != 0) {
    Problem problem = ProblemOf(status);
    if (status == 400) problem.message = "the WebSocket handshake is not valid";
    if (status == 426) {
      problem.headers.push_back({"Upgrade", "websocket"});
      problem.headers.push_back({"Sec-WebSocket-Version", "13"});
    }
    return problem;
  }
  const auto credential = FindCredential(request, *context.route());
  const bool by_cookie = credential && credential->from_cookie;
  if (MayConnect(context.snapshot().config.cors, request, by_cookie)) return std::nullopt;
  return ProblemOf(Error(absl::StatusCode::kPermissionDenied, "ORIGIN_NOT_ALLOWED",
                         "pages of this origin may not open a socket"));
}

}  // namespace gatehouse::gateway
