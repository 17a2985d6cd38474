#include "libs/rpc/listen_address.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "libs/base/unique_fd.h"

namespace gatehouse::rpc {
namespace {

constexpr char kUnix[] = "unix:";

std::string PathOf(const std::string& address) {
  const std::string path = address.substr(sizeof(kUnix) - 1);
  return path.rfind("//", 0) == 0 ? path.substr(2) : path;
}

}  // namespace

bool IsUnixAddress(const std::string& address) { return address.rfind(kUnix, 0) == 0; }

absl::Status CheckNobodyListens(const std::string& address) {
  if (!IsUnixAddress(address)) return absl::OkStatus();  // The kernel refuses a second TCP bind.
  const std::string path = PathOf(address);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(name.sun_path)) {
    return Error(absl::StatusCode::kInvalidArgument, "ADDRESS_INVALID",
                 "the path of a unix socket has 1 to 107 bytes: " + address);
  }
  std::memcpy(name.sun_path, path.c_str(), path.size() + 1);
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.valid()) {
    return Error(absl::StatusCode::kUnavailable, "LISTEN_FAILED",
                 std::string("no socket: ") + std::strerror(errno));
  }
  const int connected =
      ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name));
  // EAGAIN: a listener is there and its backlog is full.
  if (connected == 0 || errno == EAGAIN) {
    return Error(absl::StatusCode::kAlreadyExists, "ADDRESS_IN_USE",
                 "another process listens on " + address);
  }
  return absl::OkStatus();
}

}  // namespace gatehouse::rpc
