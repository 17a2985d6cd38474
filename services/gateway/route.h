// The edge's surface as data: one table of all routes, each with who may use it
// and under what limits. Not the dispatcher (gateway.h), and no route is open
// that does not say so.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gatehouse/type/v1/passport.pb.h"
#include "libs/http/router.h"
#include "libs/http/upstream_group.h"

namespace gatehouse::gateway {

class RequestContext;

enum class Audience {
  kNobody,      // What a route that forgot to say gets.
  kPublic,      // Anybody, without credentials.
  kOptional,    // Anybody; the handler is told of a user who holds `requirement`, if any.
  kUser,        // Any live credential that is not narrowed to scopes.
  kRole,        // A user of the role `requirement`.
  kPermission,  // A user who holds the permission `requirement`.
};

// Which bucket a request is counted in.
enum class Limit {
  kNone,     // Health.
  kSigned,   // None, for a partner who signs; forged signatures by address, as all guesses.
  kAddress,  // By client address: whatever takes a password, passkey or mailed code.
  kUser,     // By user; by address where nobody is known.
  kProxy,    // The same, in a bucket of its own: what goes to an upstream.
};

// What a request competes with when the gateway is full.
enum class Lane {
  kVital,   // Health: never refused.
  kAdmin,   // What needs a role or permission, on the gateway's own surfaces.
  kApi,     // Own routes.
  kProxy,   // Upstreams.
  kSocket,  // WebSockets and event streams.
};
inline constexpr std::size_t kLanes = 5;

// How long the client waits at most.
enum class Timeout {
  kQuick,     // 2 s: answered from memory.
  kStandard,  // 5 s: one call.
  kSlow,      // 15 s: password hashing and sagas.
  kProxy,     // As the upstream's own timeouts say.
  kStream,    // None.
};

// As `gateway routes` and CONFIG_FILE spell them.
const char* NameOf(Audience audience);
const char* NameOf(Limit limit);
const char* NameOf(Lane lane);

// Calls Reply or Fail of the context in the end, from any thread; never blocks.
using Handler = std::function<void(const std::shared_ptr<RequestContext>&)>;

struct Route {
  std::string method;
  std::string path;  // "/api/jobs/{id}/"
  Audience audience = Audience::kNobody;
  std::string requirement = "";  // Role or permission.
  Limit limit = Limit::kUser;
  Timeout timeout = Timeout::kStandard;
  // Open to a user who must change the password first.
  bool during_password_change = false;
  // What the surface's document calls a 401 and a FORBIDDEN; "": as everywhere.
  std::string code_401 = "";
  std::string code_403 = "";
  Handler handler = nullptr;
  // Where it goes instead of an RPC; null with `upstream` set: no address is known.
  std::string upstream = "";
  std::shared_ptr<http::UpstreamGroup> group = nullptr;
  // 0: as the configuration says for its class. Proxied bodies are streamed.
  std::size_t body_bytes_max = 0;
  bool checks_json = true;  // A proxied body must be JSON.
  bool is_socket = false;   // A WebSocket or an event stream.
};

// The lane of a route follows from the rest of it.
Lane LaneOf(const Route& route);

// Build once, then read from any thread.
class RouteTable {
 public:
  // Aborts on a second route of the same method and path.
  void Add(Route route);

  const std::vector<Route>& routes() const { return routes_; }
  const http::Router& router() const { return router_; }

  // One line per route, for people.
  std::string ToText() const;

 private:
  std::vector<Route> routes_;
  http::Router router_;
};

// Of the whole request; for kProxy and kStream, of one call that is made for it.
std::chrono::milliseconds DurationOf(Timeout timeout);

// Whether a user may take `route`, in full where it is kOptional. A narrowed
// credential opens only permission routes whose permission is among its scopes; with
// the scope "admin" it is as good as a whole one.
bool MayUse(const Route& route, const type::v1::Principal& principal);

}  // namespace gatehouse::gateway
