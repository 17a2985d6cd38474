// The upstream of tests/clients/upstream.mjs as a process that can be killed and
// started again at the same port.
#pragma once

#include <sys/types.h>

#include <string>

namespace gatehouse::harness {

// Not thread-safe. Destruction kills it.
class NodeUpstream {
 public:
  ~NodeUpstream();

  // False when it did not start. After a Kill: at the port that it had.
  bool Start();
  void Kill();  // SIGKILL, reaped.

  // "http://127.0.0.1:4711"
  std::string Url() const { return "http://127.0.0.1:" + port_; }
  const std::string& port() const { return port_; }

 private:
  pid_t pid_ = -1;
  std::string port_;
};

}  // namespace gatehouse::harness
