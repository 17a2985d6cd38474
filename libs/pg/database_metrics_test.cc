#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "libs/base/unique_fd.h"
#include "libs/metrics/metrics.h"
#include "libs/pg/database.h"
#include "libs/pg/suite_database.h"

namespace gatehouse::pg::testing {
namespace {

// The number after `name` in what the process exposes now, or -1.
double Metric(const metrics::Exposer& exposer, const std::string& name) {
  const std::string& address = exposer.address();
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(std::stoi(address.substr(address.rfind(':') + 1)));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM, 0));
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
  std::string answer;
  char buffer[4096];
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) return -1;
  if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return -1;
  for (ssize_t n; (n = ::recv(socket.get(), buffer, sizeof(buffer), 0)) > 0;) {
    answer.append(buffer, static_cast<std::size_t>(n));
  }
  const std::size_t found = answer.find("\n" + name + " ");
  return found == std::string::npos ? -1 : std::stod(answer.substr(found + name.size() + 2));
}

using DatabaseMetricsTest = SuiteDatabase<kNoTables>;

TEST_F(DatabaseMetricsTest, CountsConnectionsInUse) {
  const auto exposer = metrics::Exposer::Start("127.0.0.1:0");
  ASSERT_TRUE(exposer.ok()) << exposer.status();
  const double before = Metric(**exposer, "gatehouse_pg_connections_in_use");
  double during = -1;
  const absl::Status status = db_.Statement([&](Tx&) {
    during = Metric(**exposer, "gatehouse_pg_connections_in_use");
    return absl::OkStatus();
  });
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(during, before + 1);
  EXPECT_EQ(Metric(**exposer, "gatehouse_pg_connections_in_use"), before);
}

TEST_F(DatabaseMetricsTest, CountsErrorsByReason) {
  const auto exposer = metrics::Exposer::Start("127.0.0.1:0");
  ASSERT_TRUE(exposer.ok()) << exposer.status();
  const std::string name = "gatehouse_pg_errors_total{reason=\"DATABASE_ERROR\"}";
  const double before = Metric(**exposer, name);
  ASSERT_GE(before, 0);
  const absl::Status status = db_.Statement([](Tx& tx) {
    tx.exec("SELECT 1 / 0");
    return absl::OkStatus();
  });
  EXPECT_EQ(Reason(status), "DATABASE_ERROR");
  EXPECT_EQ(Metric(**exposer, name), before + 1);
}

}  // namespace
}  // namespace gatehouse::pg::testing
