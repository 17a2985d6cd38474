// Starts a test cluster, tells where it is, and waits to be killed: shows in a
// test that nothing stays behind. Not for use by people.
#include <unistd.h>

#include <iostream>

#include "libs/pg/testing.h"

int main() {
  gatehouse::pg::testing::Cluster& cluster = gatehouse::pg::testing::Cluster::Get();
  std::cout << cluster.directory() << " " << cluster.postmaster() << " ready" << std::endl;
  while (true) ::pause();
}
