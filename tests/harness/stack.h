// The suite's real programs, started together on a database of their own and on
// sockets in a directory of their own; any of them can be killed, frozen, cut off
// or armed with failpoints. Not a deployment.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/harness/http_client.h"
#include "tests/harness/process.h"
#include "tests/harness/proxy.h"

namespace gatehouse::pg::testing {
class TestDatabase;
}

namespace gatehouse::harness {

// Not thread-safe, but HttpClient's calls may run in threads.
class Stack {
 public:
  struct Options {
    Environment common;                      // For all processes.
    std::map<std::string, Environment> own;  // By process name; wins over common.
    int gateways = 1;                        // "gateway", "gateway-2", …
    // Calls from the first to the second go through a proxy that can be cut.
    std::vector<std::pair<std::string, std::string>> proxied;
  };

  explicit Stack(Options options);
  Stack() : Stack(Options{}) {}
  ~Stack();

  // Makes keys and database, migrates, bootstraps, starts all, waits until every
  // gateway finds every service. Call once. On failure the returned text says why;
  // "" is success.
  std::string Start();

  // Waits until every gateway calls itself healthy. A gateway looks once a second:
  // it may not have noticed yet what was killed just now.
  bool AwaitHealthy();

  Process& at(const std::string& name) { return *processes_.at(name); }
  Proxy& proxy(const std::string& caller, const std::string& callee);

  // Starts a process anew with failpoints armed ("" disarms).
  bool Restart(const std::string& name, const std::string& failpoints = "");

  HttpClient http(const std::string& gateway = "gateway");

  // A token of the bootstrap administrator; a passkey; a new user's token by a
  // fresh passkey; the tenant of a token. Abort the test when that fails.
  std::string AdminToken();
  std::string Passkey();
  std::string SignUp(const std::string& username);
  std::string TenantOf(const std::string& token);
  void Credit(const std::string& tenant, long cents);

  // Runs SQL as the superuser of the test's database; the first value, or "".
  std::string Sql(const std::string& sql);

  const std::string& directory() const { return directory_; }
  std::string Log(const std::string& name) { return at(name).Log(); }

  static constexpr char kAdminPassword[] = "correct horse battery staple 42";

 private:
  void AddProcess(const std::string& name, const std::string& program);
  std::string MakeKeys();

  const Options options_;
  std::string directory_;
  std::unique_ptr<pg::testing::TestDatabase> database_;
  std::map<std::string, std::unique_ptr<Process>> processes_;
  std::map<std::string, std::unique_ptr<Proxy>> proxies_;
};

// A password that the policy accepts.
inline constexpr char kPassword[] = "plum-anvil-orbit-73-quartz";

// The JSON text of a string.
std::string Quote(const std::string& text);

}  // namespace gatehouse::harness
