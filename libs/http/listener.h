// Sockets that listen, one per worker, on one port that is ours alone. Does not
// accept. Internal to libs/http.
#pragma once

#include <sys/socket.h>

#include <string>
#include <vector>

#include "libs/base/unique_fd.h"
#include "libs/status/status.h"

namespace gatehouse::http {

struct Listeners {
  std::vector<UniqueFd> sockets;
  std::string address;  // "127.0.0.1:8000", "[::1]:8000"; the port that was chosen.
  // While it is open nobody else starts on this port of this machine.
  UniqueFd lock;
};

// `address` is numeric. The sockets share the port by SO_REUSEPORT, which would let
// another process of the same user join silently; hence the lock, and a look whether
// anybody listens already. INVALID_ARGUMENT / ADDRESS_INVALID, ALREADY_EXISTS /
// PORT_IN_USE, UNAVAILABLE / LISTEN_FAILED.
absl::StatusOr<Listeners> Listen(const std::string& address, int count);

// "127.0.0.1" or "::1"; an IPv4 client of an IPv6 socket is shown as IPv4.
std::string HostText(const sockaddr_storage& address);

}  // namespace gatehouse::http
