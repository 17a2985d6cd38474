// The pool with sockets that exist on paper only.
#include "libs/http/upstream_pool.h"

#include <gtest/gtest.h>

#include <map>

namespace gatehouse::http {
namespace {

using std::chrono::milliseconds;

// Remembers whom each socket belongs to and which were closed.
class PaperSockets final : public Outgoing {
 public:
  SocketId AddSocket(int, const sockaddr*, SocketSink* sink) override {
    sinks[++last_] = sink;
    return last_;
  }
  void SetSink(SocketId id, SocketSink* sink) override { sinks.at(id) = sink; }
  void CloseSocket(SocketId id) override { sinks.erase(id); }
  void Defer(std::function<void()> work) override { work(); }
  char* scratch() override { return nullptr; }
  SteadyTime now() const override { return time; }
  const std::string& date_line() override { return nothing_; }
  UpstreamPool& pool() override { return *pool_; }
  bool draining() const override { return false; }
  std::chrono::milliseconds drain_spread() const override { return {}; }

  std::map<SocketId, SocketSink*> sinks;
  SteadyTime time{std::chrono::hours(1)};

 private:
  SocketId last_ = 0;
  std::string nothing_;
  UpstreamPool* pool_ = nullptr;
};

class UpstreamPoolTest : public ::testing::Test {
 protected:
  SocketId Put(const std::shared_ptr<Endpoint>& endpoint, int most = 8,
               milliseconds life = milliseconds(1000)) {
    const SocketId id = sockets_.AddSocket(0, nullptr, nullptr);
    pool_.Put(endpoint, {id, static_cast<int>(id) + 100}, most, life);
    return id;
  }

  PaperSockets sockets_;
  UpstreamPool pool_{sockets_};
  std::shared_ptr<Endpoint> one_ = ResolveEndpoints("127.0.0.1", "1").at(0);
  std::shared_ptr<Endpoint> two_ = ResolveEndpoints("127.0.0.1", "2").at(0);
};

TEST_F(UpstreamPoolTest, GivesTheOneUsedLast) {
  const SocketId first = Put(one_);
  const SocketId second = Put(one_);
  const UpstreamPool::Idle taken = pool_.Take(*one_);
  EXPECT_EQ(taken.id, second);
  EXPECT_EQ(taken.fd, static_cast<int>(second) + 100);
  EXPECT_EQ(pool_.Take(*one_).id, first);
  EXPECT_EQ(pool_.Take(*one_).id, 0u);
  EXPECT_EQ(sockets_.sinks.size(), 2u) << "what is taken stays open";
}

TEST_F(UpstreamPoolTest, KeepsEndpointsApart) {
  const SocketId of_one = Put(one_);
  EXPECT_EQ(pool_.Take(*two_).id, 0u);
  EXPECT_EQ(pool_.Take(*one_).id, of_one);
}

TEST_F(UpstreamPoolTest, TheOldestGoesWhenThereAreTooMany) {
  const SocketId oldest = Put(one_, 2);
  Put(one_, 2);
  Put(two_, 2);
  EXPECT_EQ(sockets_.sinks.count(oldest), 1u);
  Put(one_, 2);
  EXPECT_EQ(sockets_.sinks.count(oldest), 0u);
  EXPECT_EQ(pool_.size(), 3u);
  const SocketId unwanted = Put(one_, 0);
  EXPECT_EQ(sockets_.sinks.count(unwanted), 0u);
}

TEST_F(UpstreamPoolTest, ClosesWhatEndsOrSpeaksUnasked) {
  const SocketId ends = Put(one_);
  const SocketId speaks = Put(one_);
  const SocketId stays = Put(one_);
  sockets_.sinks.at(ends)->OnReady(false, false, true);
  sockets_.sinks.at(speaks)->OnReady(true, true, false);
  sockets_.sinks.at(stays)->OnReady(false, true, false);
  EXPECT_EQ(sockets_.sinks.size(), 1u);
  EXPECT_EQ(pool_.Take(*one_).id, stays);
}

TEST_F(UpstreamPoolTest, ClosesWhatIsIdleForTooLong) {
  const SocketId longer = Put(one_, 8, milliseconds(2000));
  const SocketId shorter = Put(one_, 8, milliseconds(500));
  pool_.Tick(sockets_.time + milliseconds(499));
  EXPECT_EQ(pool_.size(), 2u);
  pool_.Tick(sockets_.time + milliseconds(500));
  EXPECT_EQ(sockets_.sinks.count(shorter), 0u);
  EXPECT_EQ(sockets_.sinks.count(longer), 1u);
  pool_.Tick(sockets_.time + milliseconds(2000));
  EXPECT_EQ(pool_.size(), 0u);
  EXPECT_TRUE(sockets_.sinks.empty());
}

TEST_F(UpstreamPoolTest, ClosesAll) {
  Put(one_);
  Put(two_);
  pool_.CloseAll();
  EXPECT_TRUE(sockets_.sinks.empty());
  EXPECT_EQ(pool_.Take(*one_).id, 0u);
}

}  // namespace
}  // namespace gatehouse::http
