// One connection to a Redis for one thread: made when it is needed, made anew with
// back-off when it broke. Every call ends by its timeout. Knows no command but those
// that open a connection (AUTH, SELECT).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/redis/reply.h"
#include "libs/redis/socket.h"
#include "libs/redis/url.h"

namespace gatehouse::redis {

using Command = std::vector<std::string>;

struct ClientOptions {
  std::string ca_file = "";  // For rediss://; empty: the system's authorities.
  std::chrono::milliseconds connect_timeout{1000};
  std::chrono::milliseconds timeout{200};  // Of all commands of one call together.
  std::chrono::milliseconds back_off_min{50};
  std::chrono::milliseconds back_off_max{2000};
};

// Not thread-safe.
class Client {
 public:
  explicit Client(Url url, ClientOptions options = {});

  // The replies to `commands`, which go out in one piece, in order. UNAVAILABLE /
  // REDIS_UNREACHABLE, at once while the back-off lasts; DEADLINE_EXCEEDED /
  // REDIS_LATE; FAILED_PRECONDITION / REDIS_REFUSED when the password or the database
  // is not accepted, REDIS_TLS_REFUSED; DATA_LOSS / REDIS_PROTOCOL_BROKEN. After any
  // error the connection is gone, and whether a command was done is not known.
  absl::StatusOr<std::vector<Reply>> Call(const std::vector<Command>& commands);

  bool is_connected() const { return connection_.has_value(); }

  // Until the next attempt to connect may be made; 0: now.
  std::chrono::milliseconds back_off_left() const;

 private:
  struct Connection {
    Socket socket;
    std::unique_ptr<ReplyReader> reader = std::make_unique<ReplyReader>();
  };

  absl::Status Connect();
  absl::StatusOr<std::vector<Reply>> Exchange(const std::vector<Command>& commands,
                                              SteadyTime deadline);

  const Url url_;
  const ClientOptions options_;
  std::optional<Connection> connection_;
  std::chrono::milliseconds back_off_{0};
  SteadyTime connect_after_{};
};

}  // namespace gatehouse::redis
