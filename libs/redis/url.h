// Where a Redis is and how to come in, as one text:
//   redis://[user:password@]host[:port][/database]
//   rediss://…    the same through TLS
//   unix:/path/to/socket[?database=N&password=…]
// Connects to nothing (client.h).
#pragma once

#include <cstdint>
#include <string>

#include "libs/status/status.h"

namespace gatehouse::redis {

struct Url {
  std::string host;
  std::uint16_t port = 6379;
  std::string path;  // Of a unix socket; then there is no host.
  bool is_tls = false;
  std::string user;      // Empty: the default user.
  std::string password;  // Empty: none. Never logged.
  int database = 0;

  // Without user and password: for logs.
  std::string ToText() const;
};

// INVALID_ARGUMENT / REDIS_URL_INVALID; the message repeats nothing of `text`, which
// may hold a password.
absl::StatusOr<Url> ParseUrl(const std::string& text);

}  // namespace gatehouse::redis
