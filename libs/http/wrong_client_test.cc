// Replies made on other threads, for clients half of which have left: not one may
// reach a client that did not ask for it.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <random>
#include <thread>

#include "libs/http/testing.h"

namespace gatehouse::http {
namespace {

// Takes exchanges and answers them with their query, from a thread of its own.
class Answerer {
 public:
  Answerer() : thread_([this] { Run(); }) {}
  ~Answerer() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopped_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

  void Take(std::shared_ptr<Exchange> exchange) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      queue_.push_back(std::move(exchange));
    }
    changed_.notify_one();
  }

 private:
  void Run() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return stopped_ || !queue_.empty(); });
      if (queue_.empty()) return;
      std::deque<std::shared_ptr<Exchange>> taken;
      taken.swap(queue_);
      lock.unlock();
      for (const auto& exchange : taken) {
        exchange->Reply({200, {}, std::string(exchange->request().query)});
      }
      taken.clear();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Exchange>> queue_;
  bool stopped_ = false;
  std::thread thread_;
};

struct Tally {
  std::atomic<int> next = 0;
  std::atomic<int> right = 0;
  std::atomic<int> wrong = 0;
  std::atomic<int> missing = 0;
  std::atomic<int> left = 0;
};

// Sends requests until `count` ids are spent: some clients leave at once, the others
// check that their answers carry their own ids, several on one connection.
void RunClient(const std::string& address, int seed, int count, Tally* tally) {
  std::mt19937 random(static_cast<unsigned>(seed));
  while (tally->next < count) {
    RawClient client(address);
    if (!client.connected()) {
      ++tally->missing;
      continue;
    }
    const bool leaves = random() % 2 == 0;
    const int requests = leaves ? 1 : 1 + static_cast<int>(random() % 3);
    for (int i = 0; i < requests; ++i) {
      const std::string id = std::to_string(tally->next++);
      client.Send(Get("/async?" + id));
      if (leaves) {
        ++tally->left;
        if (random() % 2 == 0) client.Reset();
        break;
      }
      const auto received = client.Read();
      if (!received) {
        ++tally->missing;
      } else if (received.body == id) {
        ++tally->right;
      } else {
        ++tally->wrong;
      }
    }
  }
}

class WrongClientTest : public ::testing::TestWithParam<int> {};

TEST_P(WrongClientTest, NoReplyOfFiftyThousandReachesAnotherClient) {
  constexpr int kRequests = 50000;
  constexpr int kClients = 6;
  std::vector<std::unique_ptr<Answerer>> answerers;
  for (int i = 0; i < 2; ++i) answerers.push_back(std::make_unique<Answerer>());
  ServerOptions options;
  options.address = "127.0.0.1:0";
  options.workers = GetParam();
  std::atomic<unsigned> turn = 0;
  auto server = Server::Start(options, [&](std::shared_ptr<Exchange> exchange) {
    answerers[turn++ % answerers.size()]->Take(std::move(exchange));
  });
  ASSERT_TRUE(server.ok()) << server.status();

  Tally tally;
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&, i] { RunClient((*server)->address(), i, kRequests, &tally); });
  }
  for (std::thread& client : clients) client.join();

  EXPECT_EQ(tally.wrong, 0);
  EXPECT_EQ(tally.missing, 0);
  EXPECT_GT(tally.right, kRequests / 3);
  EXPECT_GT(tally.left, kRequests / 10) << "the test must have clients that leave";
  EXPECT_GE(tally.next, kRequests);
}

// Together 100,000 requests; one worker reuses descriptors fastest.
INSTANTIATE_TEST_SUITE_P(Workers, WrongClientTest, ::testing::Values(1, 2),
                         [](const auto& info) { return std::to_string(info.param); });

}  // namespace
}  // namespace gatehouse::http
