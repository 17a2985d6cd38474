#include "libs/metrics/metrics.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <thread>

#include "libs/base/unique_fd.h"

namespace gatehouse::metrics {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

int PortOf(const Exposer& exposer) {
  return std::stoi(exposer.address().substr(exposer.address().rfind(':') + 1));
}

// The whole answer to GET `path`; "" when nobody listens.
std::string Get(int port, const std::string& path) {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return "";
  const std::string request =
      "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "";
  std::string answer;
  char buffer[4096];
  for (ssize_t got; (got = ::recv(socket.get(), buffer, sizeof buffer, 0)) > 0;) {
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  return answer;
}

std::unique_ptr<Exposer> StartAnywhere() {
  auto exposer = Exposer::Start("127.0.0.1:0");
  EXPECT_TRUE(exposer.ok()) << exposer.status();
  return *std::move(exposer);
}

TEST(MetricsTest, TheSameNameAndLabelsGiveTheSameHandle) {
  Counter& ok = GetCounter("test_same_total", "Calls.", {{"code", "OK"}});
  EXPECT_EQ(&ok, &GetCounter("test_same_total", "Calls.", {{"code", "OK"}}));
  EXPECT_NE(&ok, &GetCounter("test_same_total", "Calls.", {{"code", "NOT_FOUND"}}));
  EXPECT_EQ(&GetGauge("test_same", "Now."), &GetGauge("test_same", "Now."));
  EXPECT_EQ(&GetHistogram("test_same_seconds", "Time."),
            &GetHistogram("test_same_seconds", "Time."));
}

TEST(MetricsTest, ServesWhatWasCounted) {
  GetCounter("test_served_total", "Served calls.", {{"code", "OK"}}).Increment();
  GetCounter("test_served_total", "Served calls.", {{"code", "OK"}}).Increment(2);
  GetGauge("test_level", "A level.").Set(5);
  GetGauge("test_level", "A level.").Add(-1.5);
  Histogram& histogram = GetHistogram("test_latency_seconds", "Latency.", {{"method", "Get"}});
  histogram.Observe(0.0004);
  histogram.Observe(3);
  GetHistogram("test_size_bytes", "Size.", {}, {10, 20}).Observe(15);

  const auto exposer = StartAnywhere();
  const std::string answer = Get(PortOf(*exposer), "/metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(answer, HasSubstr("# HELP test_served_total Served calls.\n"));
  EXPECT_THAT(answer, HasSubstr("# TYPE test_served_total counter\n"));
  EXPECT_THAT(answer, HasSubstr("test_served_total{code=\"OK\"} 3\n"));
  EXPECT_THAT(answer, HasSubstr("test_level 3.5\n"));
  EXPECT_THAT(answer, HasSubstr("test_latency_seconds_count{method=\"Get\"} 2\n"));
  EXPECT_THAT(answer, AllOf(HasSubstr("le=\"0.0005\"} 1\n"), HasSubstr("le=\"10\"} 2\n")));
  EXPECT_THAT(answer, HasSubstr("test_size_bytes_bucket{le=\"10\"} 0\n"));
  EXPECT_THAT(answer, HasSubstr("test_size_bytes_bucket{le=\"20\"} 1\n"));
}

TEST(MetricsTest, TellsEverySeriesOfAName) {
  GetCounter("test_told_total", "Calls.", {{"code", "OK"}}).Increment(3);
  GetCounter("test_told_total", "Calls.", {{"code", "NOT_FOUND"}}).Increment();
  GetGauge("test_told", "Now.").Set(-2);
  GetHistogram("test_told_seconds", "Time.").Observe(7);
  std::map<std::string, double> by_code;
  for (const Sample& sample : Samples("test_told_total")) {
    by_code[sample.labels.at("code")] = sample.value;
  }
  EXPECT_EQ(by_code, (std::map<std::string, double>{{"NOT_FOUND", 1}, {"OK", 3}}));
  ASSERT_EQ(Samples("test_told").size(), 1u);
  EXPECT_EQ(Samples("test_told").at(0).value, -2);
  EXPECT_EQ(Samples("test_told_seconds").at(0).value, 1);
  EXPECT_TRUE(Samples("test_nothing").empty());
}

TEST(MetricsTest, ServesOnlyItsPath) {
  const auto exposer = StartAnywhere();
  EXPECT_THAT(Get(PortOf(*exposer), "/"),
              AllOf(StartsWith("HTTP/1.1 404"), Not(HasSubstr("HELP"))));
}

TEST(ExposerTest, ReportsThePortThatTheSystemChose) {
  const auto exposer = StartAnywhere();
  EXPECT_THAT(exposer->address(), StartsWith("127.0.0.1:"));
  EXPECT_GT(PortOf(*exposer), 0);
}

TEST(ExposerTest, ATakenPortIsAnError) {
  const auto exposer = StartAnywhere();
  const auto second = Exposer::Start(exposer->address());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Reason(second.status()), "METRICS_ADDRESS_UNAVAILABLE");
}

TEST(ExposerTest, AnAddressWithoutAPortIsAnError) {
  EXPECT_EQ(Reason(Exposer::Start("localhost").status()), "METRICS_ADDRESS_INVALID");
}

TEST(ExposerTest, StopsListeningWhenDestroyed) {
  auto exposer = StartAnywhere();
  const int port = PortOf(*exposer);
  EXPECT_NE(Get(port, "/metrics"), "");
  exposer.reset();
  EXPECT_EQ(Get(port, "/metrics"), "");
}

TEST(MetricsTest, RacingThreadsLoseNoIncrement) {
  constexpr int kThreads = 4;
  constexpr int kEach = 10000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([t] {
      Counter& counter = GetCounter("test_raced_total", "Raced.");
      for (int i = 0; i < kEach; ++i) counter.Increment();
      for (int i = 0; i < 100; ++i) {
        GetCounter("test_made_total", "Made.", {{"i", std::to_string(i)}, {"t", "x"}}).Increment();
      }
      GetGauge("test_raced", "Raced.", {{"t", std::to_string(t)}}).Set(t);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto exposer = StartAnywhere();
  const std::string answer = Get(PortOf(*exposer), "/metrics");
  EXPECT_THAT(answer, HasSubstr("test_raced_total 40000\n"));
  EXPECT_THAT(answer, HasSubstr("test_made_total{i=\"99\",t=\"x\"} 4\n"));
}

TEST(MetricsTest, NothingIsShownOrCountedWhileTheyAreOff) {
  Counter& counter = GetCounter("test_off_total", "Calls.");
  Gauge& gauge = GetGauge("test_off", "Now.");
  counter.Increment();
  const auto exposer = StartAnywhere();
  SetEnabled(false);
  counter.Increment();
  gauge.Set(3);
  const std::string off = Get(PortOf(*exposer), "/metrics");
  SetEnabled(true);
  EXPECT_THAT(off, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(off, Not(HasSubstr("test_off")));
  const std::string on = Get(PortOf(*exposer), "/metrics");
  EXPECT_THAT(on, HasSubstr("\ntest_off_total 1\n"));
  EXPECT_THAT(on, HasSubstr("\ntest_off 3\n")) << "gauges are right afterwards";
}

}  // namespace
}  // namespace gatehouse::metrics
