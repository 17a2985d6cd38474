#include "libs/rpc/feed_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <thread>
#include <vector>

#include "libs/rpc/open_feeds.h"

namespace gatehouse::rpc {
namespace {

absl::Status Gone() { return absl::CancelledError("gone"); }

// Writes nothing by itself: the test says when a write has ended.
class SlowWriter final : public FeedWriter {
 public:
  void StartWrite(std::string bytes) override {
    EXPECT_FALSE(writing);
    writing = true;
    written.push_back(std::move(bytes));
  }
  void EndStream(const absl::Status& status) override {
    EXPECT_FALSE(writing) << "an end overtook a write";
    EXPECT_FALSE(ended.has_value());
    ended = status;
  }
  void Complete(FeedQueue& queue, bool ok = true) {
    ASSERT_TRUE(writing);
    writing = false;
    queue.OnWritten(ok);
  }

  bool writing = false;
  std::vector<std::string> written;
  std::optional<absl::Status> ended;
};

TEST(FeedQueueTest, WritesOneAtATimeInOrder) {
  SlowWriter writer;
  FeedQueue queue(&writer, 10);
  EXPECT_TRUE(queue.Send("a"));
  EXPECT_TRUE(queue.Send("b"));
  EXPECT_TRUE(queue.Send("c"));
  EXPECT_EQ(writer.written, (std::vector<std::string>{"a"}));
  writer.Complete(queue);
  writer.Complete(queue);
  EXPECT_EQ(writer.written, (std::vector<std::string>{"a", "b", "c"}));
  writer.Complete(queue);
  EXPECT_FALSE(writer.writing);
  EXPECT_TRUE(queue.Send("d"));
  EXPECT_TRUE(writer.writing);
}

TEST(FeedQueueTest, RefusesWhatASlowReaderCannotTake) {
  SlowWriter writer;
  FeedQueue queue(&writer, 3);
  EXPECT_TRUE(queue.Send("being written"));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(queue.Send("waiting"));
  EXPECT_FALSE(queue.Send("too many"));
  EXPECT_FALSE(queue.ended());
  writer.Complete(queue);
  EXPECT_TRUE(queue.Send("room again"));
}

TEST(FeedQueueTest, FinishWritesWhatIsQueuedFirst) {
  SlowWriter writer;
  FeedQueue queue(&writer, 10);
  queue.Send("a");
  queue.Send("b");
  queue.Finish(absl::UnavailableError("over"));
  queue.Finish(absl::InternalError("only the first counts"));
  EXPECT_TRUE(queue.ended());
  EXPECT_FALSE(queue.Send("c"));
  EXPECT_FALSE(writer.ended);
  writer.Complete(queue);
  EXPECT_FALSE(writer.ended);
  writer.Complete(queue);
  EXPECT_EQ(writer.written, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(writer.ended, absl::UnavailableError("over"));
}

TEST(FeedQueueTest, AnIdleStreamEndsAtOnce) {
  SlowWriter writer;
  FeedQueue queue(&writer, 10);
  queue.Finish(absl::OkStatus());
  EXPECT_EQ(writer.ended, absl::OkStatus());
}

TEST(FeedQueueTest, AbandonDropsTheQueueAndWaitsForTheWrite) {
  SlowWriter writer;
  FeedQueue queue(&writer, 10);
  queue.Send("a");
  queue.Send("b");
  queue.Abandon(Gone());
  EXPECT_TRUE(queue.ended());
  EXPECT_FALSE(queue.Send("c"));
  EXPECT_FALSE(writer.ended) << "the writer still uses its buffer";
  writer.Complete(queue, false);
  EXPECT_EQ(writer.written, (std::vector<std::string>{"a"}));
  EXPECT_EQ(writer.ended, Gone());
}

TEST(FeedQueueTest, AbandonAfterFinishCutsItShort) {
  SlowWriter writer;
  FeedQueue queue(&writer, 10);
  queue.Send("a");
  queue.Send("b");
  queue.Finish(absl::OkStatus());
  queue.Abandon(Gone());
  writer.Complete(queue, false);
  EXPECT_EQ(writer.written, (std::vector<std::string>{"a"}));
  EXPECT_EQ(writer.ended, absl::OkStatus());
}

TEST(FeedQueueTest, ABrokenWriteEndsTheStream) {
  SlowWriter writer;
  FeedQueue queue(&writer, 10);
  queue.Send("a");
  queue.Send("b");
  writer.Complete(queue, false);
  EXPECT_TRUE(queue.ended());
  EXPECT_EQ(writer.ended->code(), absl::StatusCode::kCancelled);
}

// Stands for gRPC: ends each write on a thread of its own choice, and dies as soon
// as its stream has ended, while senders still hold the queue.
class ThreadedWriter final : public FeedWriter {
 public:
  ThreadedWriter() : thread_([this] { Run(); }) {}
  ~ThreadedWriter() override {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  void Bind(FeedQueue* queue) { queue_ = queue; }

  void StartWrite(std::string bytes) override {
    if (overlap_.exchange(true)) ADD_FAILURE() << "two writes at once";
    // Notified under the lock: as soon as it is released, the stream may end and
    // this object die, while the sender's thread is still on its way out.
    const std::lock_guard lock(mutex_);
    pending_ = true;
    last_ = std::move(bytes);
    changed_.notify_all();
  }
  void EndStream(const absl::Status&) override {
    if (overlap_.exchange(true)) ADD_FAILURE() << "an end during a write";
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  void AwaitEnd() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ended_; });
  }
  int written() const { return written_; }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return stop_ || pending_; });
      if (!pending_) return;
      pending_ = false;
      ++written_;
      overlap_ = false;
      lock.unlock();
      queue_->OnWritten(true);
      lock.lock();
    }
  }

  FeedQueue* queue_ = nullptr;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool pending_ = false;
  bool ended_ = false;
  bool stop_ = false;
  std::string last_;
  std::atomic<int> written_ = 0;
  std::atomic<bool> overlap_ = false;
  std::thread thread_;
};

TEST(FeedQueueTest, ManySendersAndOneWriterLoseNothing) {
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  auto writer = std::make_unique<ThreadedWriter>();
  auto queue = std::make_shared<FeedQueue>(writer.get(), 64);
  writer->Bind(queue.get());
  std::atomic<int> accepted = 0;
  std::vector<std::thread> senders;
  for (int t = 0; t < kThreads; ++t) {
    senders.emplace_back([&, queue] {
      for (int i = 0; i < kEach; ++i) accepted += queue->Send(std::to_string(i));
    });
  }
  for (std::thread& sender : senders) sender.join();
  queue->Finish(absl::OkStatus());
  writer->AwaitEnd();
  EXPECT_EQ(writer->written(), accepted);
  EXPECT_GT(accepted, 0);
}

TEST(FeedQueueTest, SendersOutliveTheWriter) {
  for (int round = 0; round < 100; ++round) {
    auto writer = std::make_unique<ThreadedWriter>();
    auto queue = std::make_shared<FeedQueue>(writer.get(), 8);
    writer->Bind(queue.get());
    std::atomic<bool> stop = false;
    std::vector<std::thread> senders;
    for (int t = 0; t < 2; ++t) {
      senders.emplace_back([&stop, queue] {
        while (!stop) queue->Send("message");
        EXPECT_FALSE(queue->Send("late"));
      });
    }
    std::thread canceller([queue] { queue->Abandon(Gone()); });
    std::thread finisher([queue] { queue->Finish(absl::OkStatus()); });
    writer->AwaitEnd();
    writer.reset();
    stop = true;
    canceller.join();
    finisher.join();
    for (std::thread& sender : senders) sender.join();
  }
}

TEST(OpenFeedsTest, EndsAllAndRefusesNewOnes) {
  SlowWriter writers[3];
  OpenFeeds feeds;
  auto first = std::make_shared<FeedQueue>(&writers[0], 4);
  auto second = std::make_shared<FeedQueue>(&writers[1], 4);
  auto third = std::make_shared<FeedQueue>(&writers[2], 4);
  EXPECT_TRUE(feeds.Add(first));
  EXPECT_TRUE(feeds.Add(second));
  feeds.Remove(first.get());
  feeds.Remove(third.get());
  feeds.FinishAll(absl::UnavailableError("draining"));
  EXPECT_FALSE(first->ended());
  EXPECT_TRUE(second->ended());
  EXPECT_EQ(writers[1].ended, absl::UnavailableError("draining"));
  EXPECT_FALSE(feeds.Add(third));
}

TEST(OpenFeedsTest, AwaitsTheLastRemoval) {
  for (int round = 0; round < 50; ++round) {
    SlowWriter writers[4];
    std::vector<std::shared_ptr<FeedQueue>> queues;
    auto feeds = std::make_unique<OpenFeeds>();
    for (SlowWriter& writer : writers) {
      queues.push_back(std::make_shared<FeedQueue>(&writer, 4));
      EXPECT_TRUE(feeds->Add(queues.back()));
    }
    feeds->FinishAll(Gone());
    std::atomic<int> removed = 0;
    std::vector<std::thread> enders;
    for (int t = 0; t < 2; ++t) {
      enders.emplace_back([&, t, feeds = feeds.get()] {
        for (std::size_t i = static_cast<std::size_t>(t); i < queues.size(); i += 2) {
          ++removed;
          feeds->Remove(queues[i].get());
        }
      });
    }
    feeds->AwaitEmpty();
    EXPECT_EQ(removed, 4);
    feeds.reset();
    for (std::thread& ender : enders) ender.join();
  }
}

TEST(OpenFeedsTest, FeedsComeAndGoWhileADrainBegins) {
  OpenFeeds feeds;
  std::atomic<int> left_open = 0;
  // Outlive all threads: any of them may be the one that ends a feed.
  std::vector<std::unique_ptr<SlowWriter>> all_writers[4];
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      auto& writers = all_writers[t];
      std::vector<std::shared_ptr<FeedQueue>> kept;
      for (int i = 0; i < 200; ++i) {
        writers.push_back(std::make_unique<SlowWriter>());
        auto feed = std::make_shared<FeedQueue>(writers.back().get(), 4);
        if (!feeds.Add(feed)) continue;
        if (i % 2 == 0) {
          feeds.Remove(feed.get());
        } else {
          kept.push_back(feed);
        }
      }
      feeds.FinishAll(Gone());
      for (const auto& feed : kept) left_open += !feed->ended();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(left_open, 0);
}

}  // namespace
}  // namespace gatehouse::rpc
