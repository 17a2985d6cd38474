// Runs the real program `auth` against a test's database, beside a stand-in for
// the invitations process. Never used by the program.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libs/rpc/client.h"
#include "libs/rpc/server.h"
#include "services/auth/auth_testing.h"

namespace gatehouse::auth::testing {

// Keys, a stand-in for invitations, and what the program's environment names.
class ProgramWorld {
 public:
  explicit ProgramWorld(AuthDatabase& database);
  ~ProgramWorld();

  FakeRedeemer& redeemer() { return redeemer_; }
  rpc::PassportIssuer& gateway() { return *gateway_; }
  std::map<std::string, std::string> Environment() const;

 private:
  std::string directory_;
  std::string database_url_;
  std::string auth_seed_;
  SystemClock clock_;
  FakeRedeemer redeemer_;
  rpc::Service invitations_;
  std::unique_ptr<rpc::PassportIssuer> gateway_;
  std::unique_ptr<rpc::PassportVerifier> verifier_;
  std::unique_ptr<rpc::Server> server_;
};

// One run of the program. Killed when destroyed.
class ProgramRun {
 public:
  // Adds `extra` to the world's environment.
  ProgramRun(ProgramWorld& world, const std::vector<std::string>& arguments,
             const std::map<std::string, std::string>& extra = {});
  ~ProgramRun();

  // Where RPCs are served, once they are; "" when the program ended before.
  std::string AwaitAddress();
  // Waits for the end: the exit code, or minus the signal.
  int Wait();
  // Standard output, after Wait.
  std::string output();

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  int ready_ = -1;
};

}  // namespace gatehouse::auth::testing
