// A real redis-server of one's own for tests: on a unix socket, or on a free port of
// 127.0.0.1 through TLS under a certificate that it has just made. Not for use in a
// service.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace gatehouse::redis::testing {

// Not thread-safe. Aborts the test program when redis-server is missing.
class RedisServer {
 public:
  struct Options {
    std::string password = "";
    bool is_tls = false;
  };

  // Starts it and waits until it answers.
  explicit RedisServer(Options options);
  RedisServer() : RedisServer(Options{}) {}
  ~RedisServer();

  // With the password, if there is one.
  std::string url() const { return UrlOf("127.0.0.1"); }
  // The same through TLS under another name for the host.
  std::string UrlOf(const std::string& host) const;
  // Who has signed its certificate, which is good for 127.0.0.1 and localhost.
  std::string ca_file() const { return directory_ + "/ca.pem"; }

  void Kill();    // Everything that it held is lost.
  void Start();   // Again, where it was.
  void Freeze();  // SIGSTOP
  void Thaw();    // SIGCONT

 private:
  std::vector<std::string> Arguments() const;
  bool Spawn();

  const Options options_;
  std::string directory_;
  int port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace gatehouse::redis::testing
