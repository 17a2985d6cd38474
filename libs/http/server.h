// The edge's HTTP/1.1 listener: Pistache's reactor and transport underneath, our
// own accept, framing, limits, timers and output. One worker per thread, nothing
// shared between workers. A reply can reach only the connection and the request
// that it was made for. Not TLS and not HTTP/2: those end in front.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libs/http/message.h"
#include "libs/http/stream.h"
#include "libs/status/status.h"

namespace gatehouse::http {

// One request and its one reply.
class Exchange {
 public:
  virtual ~Exchange() = default;

  // Immutable while the exchange lives.
  virtual const Request& request() const = 0;

  // Sends the reply; the first call wins, later ones do nothing. From any thread;
  // costs a hop to the worker unless called on it. A client that has left gets
  // nothing, whoever has its descriptor now.
  virtual void Reply(Response response) = 0;

  // `gone` is called on the worker, at most once, if the client leaves before the
  // reply. One that has only ended its own side counts as having left, since nobody
  // can tell; a reply is sent to it all the same. Call on the worker, before the
  // handler returns.
  virtual void OnGone(std::function<void()> gone) = 0;

  // Calls `work` on the exchange's worker, unless the client has left. Any thread.
  virtual void Post(std::function<void()> work) = 0;

  // Takes the reply over, piece by piece: Reply does nothing from here on, and the
  // function given to OnGone is forgotten. On the worker; nullptr when the client has
  // left or was answered. The connection keeps `owner` until the stream has ended.
  virtual Stream* OpenStream(std::shared_ptr<StreamOwner> owner) = 0;

  // Which worker's it is: 0 … workers - 1.
  virtual int worker() const = 0;
};

// How the body of a request is to be read. Asked on the worker when its head is
// complete, where a body is announced.
struct BodyPlan {
  std::size_t bytes_max = 1 << 20;  // 413 above
  // The handler is called at once and reads the body by a stream. If it replies
  // instead, the connection ends with the reply.
  bool streams = false;
};

// Makes the answer to a request that has no exchange: 400, 408, 413, 414, 431,
// 501, 505, 503… `request` is what was understood of it (headers may be empty). Called
// on the workers, also on several at once.
using ErrorPage = std::function<Response(int status, const Request& request)>;

struct ServerOptions {
  std::string address = "127.0.0.1:8000";  // port 0 lets the system choose
  int workers = 2;
  std::size_t head_bytes_max = 16384;    // 431 above, 414 when the target alone is longer than 8192
  int header_count_max = 100;            // 431 above
  std::size_t body_bytes_max = 1 << 20;  // 413 above
  std::chrono::milliseconds head_timeout{10000};           // From the first byte of a head
  std::chrono::milliseconds body_timeout{30000};           // Without progress
  std::chrono::milliseconds idle_timeout{75000};           // Between requests
  std::chrono::milliseconds write_timeout{30000};          // Of a client that does not read
  int connections_max = 20000;                             // Above: accepted and closed with 503
  ErrorPage error_page;                                    // Default: a plain text body
  std::function<BodyPlan(const Request& head)> body_plan;  // Default: body_bytes_max, whole
};

class Server {
 public:
  // Called on a worker when a request is complete; must not block. It must see to
  // it that Reply is called in the end; destroying the last reference to the
  // exchange without a reply answers 500.
  using Handler = std::function<void(std::shared_ptr<Exchange>)>;

  // `options.address` is numeric. Raises the process's soft limit of descriptors to
  // what connections_max needs, as far as the hard limit allows. ALREADY_EXISTS /
  // PORT_IN_USE, INVALID_ARGUMENT / ADDRESS_INVALID, UNAVAILABLE / LISTEN_FAILED,
  // RESOURCE_EXHAUSTED / REACTOR_START.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       Handler handler);
  ~Server();

  // "127.0.0.1:8000": where it really listens.
  const std::string& address() const { return address_; }

  // Stops accepting (after what is in the backlog), closes idle connections, lets
  // requests in hand finish (what would never end by itself is asked to within half of
  // `grace`, 3 s at most), ends the rest after `grace`, joins the workers.
  // Idempotent.
  void Drain(std::chrono::milliseconds grace);

  int workers() const;

  // Calls `work` on that worker, unless the server has ended. Any thread.
  void Post(int worker, std::function<void()> work);

  struct Stats {
    std::uint64_t connections_open = 0;
    std::uint64_t requests = 0;
  };
  Stats stats() const;

 private:
  Server() = default;
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::string address_;
};

}  // namespace gatehouse::http
