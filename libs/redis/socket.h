// A connected socket to a Redis, plain or through TLS, whose every step ends by a
// deadline. Knows no protocol above it. With TLS the server's certificate must be
// signed by the authorities given and name the host that was dialled. The process must
// ignore SIGPIPE (libs/service does).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "libs/base/clock.h"
#include "libs/base/unique_fd.h"
#include "libs/redis/url.h"

typedef struct ssl_st SSL;

namespace gatehouse::redis {

// Not thread-safe.
class Socket {
 public:
  // `ca_file`: PEM of the authorities to trust; empty: the system's. UNAVAILABLE /
  // REDIS_UNREACHABLE, or FAILED_PRECONDITION / REDIS_TLS_REFUSED when the certificate
  // is not to be trusted. The resolution of a name may take longer than the deadline.
  static absl::StatusOr<Socket> Connect(const Url& url, const std::string& ca_file,
                                        SteadyTime deadline);
  Socket(Socket&&) noexcept = default;
  Socket& operator=(Socket&&) noexcept = default;

  // All of `bytes`. UNAVAILABLE / REDIS_UNREACHABLE, DEADLINE_EXCEEDED / REDIS_LATE.
  absl::Status Write(std::string_view bytes, SteadyTime deadline);

  // What has come, at least one byte; the same errors, also at the end of the stream.
  absl::StatusOr<std::string> Read(SteadyTime deadline);

 private:
  struct FreeSsl {
    void operator()(SSL* ssl) const;
  };
  Socket(UniqueFd fd) : fd_(std::move(fd)) {}
  absl::Status BeginTls(const Url& url, const std::string& ca_file, SteadyTime deadline);
  absl::Status AwaitTls(int result, SteadyTime deadline);

  UniqueFd fd_;
  std::unique_ptr<SSL, FreeSsl> ssl_;  // Above the descriptor: goes first.
};

}  // namespace gatehouse::redis
