// A worker process for the tests to freeze and to kill: runs jobs of the database
// that WORKER_DATABASE_URL names until its parent is gone.
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "services/jobs/builtin_types.h"
#include "services/jobs/jobs_testing.h"

int main() {
  using namespace gatehouse;
  const char* url = std::getenv("WORKER_DATABASE_URL");
  if (url == nullptr) return 2;
  const pid_t parent = getppid();
  pg::Database db({.url = url});
  const jobs::JobTypes types = jobs::BuiltinTypes(/*production=*/false);
  jobs::Runner runner(db, types, jobs::testing::QuickRunner(), [] {});
  runner.Start();
  while (getppid() == parent) std::this_thread::sleep_for(std::chrono::milliseconds(50));
}
