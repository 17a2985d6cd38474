// The routes that stay open: the live protocol's sockets, its events as a stream, and
// the status socket.
#include <optional>
#include <utility>

#include "libs/http/websocket.h"
#include "services/gateway/credential.h"
#include "services/gateway/event_stream.h"
#include "services/gateway/live_session.h"
#include "services/gateway/proxy_pass.h"
#include "services/gateway/request_context.h"
#include "services/gateway/routes.h"
#include "services/gateway/socket_request.h"
#include "services/gateway/status_session.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

constexpr std::size_t kPatternListBytesMax = 16384;

// A place among the user's sockets; null when the request was refused for want of one.
std::shared_ptr<void> TakePlace(const Context& context) {
  std::shared_ptr<void> place = context->parts().sockets.TakePlace(
      context->principal().user_id(), context->snapshot().config.sockets_per_user_max);
  if (!place) context->Fail(SocketsTooMany());
  return place;
}

template <typename Session>
void OpenSocket(const Context& context) {
  if (const auto refused = SocketRefused(*context)) return context->Fail(*refused);
  std::shared_ptr<void> place = TakePlace(context);
  if (!place) return;
  std::string lines;
  context->AppendCommonLines([](std::string_view) { return false; }, &lines);
  const std::string subprotocol = SubprotocolFor(context->request(), *context->route());
  http::AcceptWebSocket(context->exchange(), std::move(lines), subprotocol, {},
                        std::make_shared<Session>(context, std::move(place)));
}

// With core-manager behind the gateway the protocol is its own.
void OpenLive(const Context& context) {
  const auto& groups = context->snapshot().groups;
  const auto found = groups.find(kCoreManager);
  if (found != groups.end() && found->second) return ProxyPass(context, found->second);
  OpenSocket<LiveSession>(context);
}

absl::StatusOr<Subscriptions> PatternsOf(Query* query) {
  std::vector<std::string> patterns;
  const std::string list = query->Text("events").value_or("*");
  if (list.size() > kPatternListBytesMax) query->Note("events", "is too long");
  for (const std::string_view pattern : SplitList(list)) patterns.emplace_back(pattern);
  Subscriptions subscriptions;
  if (const std::string problem = subscriptions.Add(patterns); !problem.empty()) {
    query->Note("events", problem);
  }
  GH_RETURN_IF_ERROR(query->Finish());
  return subscriptions;
}

void OpenEvents(const Context& context) {
  absl::StatusOr<Query> query = context->Arguments();
  if (!query.ok()) return context->Fail(query.status());
  absl::StatusOr<Subscriptions> subscriptions = PatternsOf(&*query);
  if (!subscriptions.ok()) return context->Fail(subscriptions.status());
  std::shared_ptr<void> place = TakePlace(context);
  if (!place) return;
  const auto header = context->request().Find("Last-Event-ID");
  std::string last_id = header ? std::string(*header) : query->Text("last_event_id").value_or("");
  EventStream::Open(std::make_shared<EventStream>(context, std::move(place),
                                                  *std::move(subscriptions), std::move(last_id)));
}

Route SocketRoute(std::string path, Handler handler) {
  Route route{.method = "GET", .path = std::move(path), .audience = Audience::kUser};
  route.limit = Limit::kUser;
  route.timeout = Timeout::kStream;
  route.handler = std::move(handler);
  route.is_socket = true;
  return route;
}

}  // namespace

void AddLiveRoutes(RouteTable& table) {
  table.Add(SocketRoute("/api/v1/ws", OpenLive));
  table.Add(SocketRoute("/ws", OpenLive));
  table.Add(SocketRoute("/api/v1/events", OpenEvents));
  table.Add(SocketRoute(kStatusSocketPath, OpenSocket<StatusSession>));
}

}  // namespace gatehouse::gateway
