#include "libs/http/worker.h"

#include <gmock/gmock.h>

#include <future>

#include "libs/http/listener.h"
#include "libs/http/testing.h"

namespace gatehouse::http {
namespace {

// A worker whose first request keeps its thread until Release.
class WorkerTest : public ::testing::Test {
 protected:
  WorkerTest() {
    auto listeners = Listen("127.0.0.1:0", 1);
    address_ = listeners->address;
    settings_.handler = [this](std::shared_ptr<Exchange> exchange) {
      if (exchange->request().path == "/block") {
        blocked_.set_value();
        released_.get_future().wait();
      }
      exchange->Reply(Response());
    };
    settings_.drained = [this] { drained_.set_value(); };
    worker_ = std::make_unique<Worker>(settings_, std::move(listeners->sockets[0]), &open_);
    reactor_ = *Reactor::Start({worker_.get()});
  }

  void Block(RawClient* client) {
    client->Send(Get("/block"));
    blocked_.get_future().wait();
  }
  void Release() { released_.set_value(); }

  std::string address_;
  std::promise<void> blocked_, released_, drained_;
  WorkerSettings settings_;
  std::atomic<int> open_ = 0;
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<Reactor> reactor_;
};

TEST_F(WorkerTest, DrainsTheWholeBacklog) {
  RawClient blocker(address_);
  Block(&blocker);
  std::vector<std::unique_ptr<RawClient>> waiting;
  for (int i = 0; i < 300; ++i) {
    waiting.push_back(std::make_unique<RawClient>(address_));
    ASSERT_TRUE(waiting.back()->connected());
    waiting.back()->Send(Get("/a"));
  }
  worker_->PostDrain(kPatience);
  Release();
  for (auto& client : waiting) ASSERT_TRUE(client->Read());
  EXPECT_FALSE(RawClient(address_).connected());
  waiting.clear();
  EXPECT_EQ(drained_.get_future().wait_for(kPatience), std::future_status::ready);
  worker_->PostEnd();
}

TEST_F(WorkerTest, EndsWhatIsOpenAndReportsOnce) {
  RawClient idle(address_);
  idle.Send(Get("/a"));
  ASSERT_TRUE(idle.Read());
  worker_->PostEnd();
  worker_->PostEnd();
  worker_->PostDrain(kPatience);
  EXPECT_EQ(drained_.get_future().wait_for(kPatience), std::future_status::ready);
  EXPECT_TRUE(idle.AwaitEnd());
  EXPECT_EQ(open_, 0);
}

TEST_F(WorkerTest, JoinsWhileConnectionsAreOpen) {
  RawClient idle(address_);
  idle.Send(Get("/a"));
  ASSERT_TRUE(idle.Read());
  reactor_.reset();
  EXPECT_EQ(open_, 1) << "Server::Drain ends them first; without it nothing breaks";
}

TEST(ConnectionTableTest, AnIdIsNeverUsedAgain) {
  auto listeners = Listen("127.0.0.1:0", 1);
  WorkerSettings settings;
  std::atomic<int> open = 0;
  Worker worker(settings, std::move(listeners->sockets[0]), &open);
  ConnectionTable table;
  std::vector<ConnectionId> ids;
  for (int i = 0; i < 1000; ++i) {
    const ConnectionId id = table.NextId();
    EXPECT_EQ(table.NextId(), id) << "until it is taken";
    Connection* connection = table.Insert(std::make_unique<Connection>(&worker, id, -1, ""));
    EXPECT_EQ(table.Find(id), connection);
    EXPECT_GE(id, ConnectionTable::kFirstId);
    EXPECT_LT(id, ConnectionId{1} << 63);
    for (ConnectionId old : ids) ASSERT_EQ(table.Find(old), nullptr);
    table.Remove(id);
    ids.push_back(id);
  }
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.Find(0), nullptr);
}

}  // namespace
}  // namespace gatehouse::http
