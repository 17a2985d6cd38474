// Billing as it runs: two processes on one database, called over gRPC with the keys of
// jobs and the gateway, killed at any moment. A trigger of the test's own writes down every
// version of accounts and holds. Judges nothing.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libs/rpc/client.h"
#include "tests/billing_history/history.h"
#include "tests/harness/process.h"

namespace gatehouse::pg::testing {
class TestDatabase;
}

namespace gatehouse::history {

inline constexpr int kReplicas = 2;

// A tenant as it begins. Without a policy it has no account yet.
struct Tenancy {
  std::int64_t tenant = 0;
  std::string policy{};
  std::optional<std::int64_t> overdraft_nanos{};
  std::optional<std::int64_t> ceiling_nanos{};
};

Terms TermsOf(const Tenancy& tenancy);

// Clients may be used by any thread; the rest by the one that made it, since processes
// end with the thread that started them.
class World {
 public:
  World();
  ~World();

  // "" when it runs, else why not. Call once.
  std::string Start(const std::vector<Tenancy>& tenancies);

  rpc::Client& jobs(int replica) { return *clients_[static_cast<std::size_t>(replica)].jobs; }
  rpc::Client& gateway(int replica) { return *clients_[static_cast<std::size_t>(replica)].gateway; }

  // kill -9, and up again; "" or why it does not come up.
  std::string KillReplica(int replica);
  std::string KillReplicas();
  // kill -9 of PostgreSQL, and up again; of it and a replica.
  std::string KillDatabase();
  std::string KillDatabaseAndReplica(int replica);

  // Whether all reservations end soon; those of a second do by themselves.
  bool AwaitNothingReserved();
  Books ReadBooks();
  // Exit code of `billing verify-ledger`, and what it says.
  int VerifyLedger(std::string* said);

 private:
  struct Clients {
    std::unique_ptr<rpc::Client> jobs, gateway;
  };
  std::string MakeKeys();
  std::string StartReplica(int replica);
  std::unique_ptr<rpc::PassportIssuer> IssuerOf(const std::string& process);

  const SystemClock clock_;
  std::string directory_;
  std::unique_ptr<pg::testing::TestDatabase> database_;
  std::vector<std::unique_ptr<harness::Process>> replicas_;
  std::unique_ptr<rpc::PassportIssuer> jobs_, gateway_;
  std::vector<Clients> clients_;
};

}  // namespace gatehouse::history
