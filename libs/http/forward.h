// Has an exchange answered by an upstream: its request is sent on, its response
// streamed back, in the worker's own reactor, with back-pressure both ways, one
// retry of what cannot have been seen, and a tunnel after the upstream's 101.
// Decides neither which headers pass nor what a failure looks like: its owner does.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/http/message.h"
#include "libs/http/server.h"
#include "libs/http/upstream_group.h"

namespace gatehouse::http {

// The head of an upstream's response, without framing and hop-by-hop fields
// (RFC 9110 section 7.6.1), those that its Connection names included.
struct ForwardedHead {
  struct Field {
    std::string_view name;
    std::string_view value;
  };
  int status = 0;
  const std::vector<Field>& fields;
  bool is_event_stream = false;  // Content-Type: text/event-stream

  bool Has(std::string_view name) const;
};

enum class ForwardError {
  kNone,
  kNoEndpoint,   // The group has no address, or none could be resolved.
  kBreakerOpen,  // It has failed too often of late.
  kUnreachable,  // Connecting was refused or took too long.
  kHeadTimeout,  // It took the request and did not answer in time.
  kBadResponse,  // Its head or framing is not HTTP, or ambiguous.
  kBroken,       // It closed before its head was complete.
  kBodyRefused,  // The request's body: status says how.
};

struct ForwardReport {
  int status = 0;  // As the client was told; 0: it left first.
  ForwardError error = ForwardError::kNone;
  std::string endpoint;                  // "10.0.0.7:8080"; empty: none was chosen.
  std::chrono::microseconds connect{0};  // 0 on a pooled connection.
  std::chrono::microseconds head{0};     // From the first byte sent to the response's head.
  std::uint64_t request_bytes = 0;       // Of bodies, as they are without framing.
  std::uint64_t response_bytes = 0;
  int attempts = 0;
  bool is_truncated = false;  // The upstream broke off behind the head.
  bool client_left = false;
  bool was_tunnel = false;
};

// Called on the worker. Destroyed after Done.
class ForwardOwner {
 public:
  virtual ~ForwardOwner() = default;

  // Asked before WriteHead: what the client gets instead of the upstream's response,
  // which ends with that; nullopt passes it on. Not for the 101 of a tunnel.
  virtual std::optional<Response> Replace(const ForwardedHead&) { return std::nullopt; }

  // Appends the header lines ("Name: value\r\n") that the client shall get: of those
  // of the upstream, and its own. Without framing. Also for the 101 of a tunnel.
  virtual void WriteHead(const ForwardedHead& head, std::string* lines) = 0;

  // The answer where no head of the upstream can be passed on. `status`: of a
  // refused body, or that of the error (502, 503, 504).
  virtual Response MakeFailure(ForwardError error, int status,
                               std::chrono::milliseconds retry_after) = 0;

  // Looks at the request's body on its way: 0, or the status to refuse it with. What
  // it refuses does not reach the upstream, which sees a request broken off: the
  // last bytes wait for the verdict on them.
  virtual int CheckBody(std::string_view, bool /*is_last*/) { return 0; }

  // Of a tunnel or an event stream, at every tick: 0, or the WebSocket close code to
  // end it with. An event stream ends as if the upstream had ended it.
  virtual int CheckOpen(SteadyTime) { return 0; }
  virtual void OnTunnel() {}

  // Once, last.
  virtual void Done(const ForwardReport& report) = 0;
};

struct ForwardRequest {
  std::shared_ptr<UpstreamGroup> group;
  // Request line and header lines, each with its CRLF; without the empty line, without
  // framing, Connection, Expect and Upgrade.
  std::string head;
  // A second attempt can do no harm (RFC 9110 section 9.2.2). One is made only when
  // there is no body, the connection came from the pool and nothing was received.
  bool is_idempotent = false;
  // The client asks for a WebSocket: Connection and Upgrade are added, and a 101
  // makes a tunnel. Any other response is passed on as it is.
  bool upgrades = false;
};

// On the exchange's worker. The owner's Done comes in every case.
void Forward(const std::shared_ptr<Exchange>& exchange, ForwardRequest request,
             std::shared_ptr<ForwardOwner> owner);

// Whether a field is hop-by-hop by its name (RFC 9110 section 7.6.1).
bool IsHopByHop(std::string_view name);

}  // namespace gatehouse::http
