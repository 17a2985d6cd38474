#include <atomic>
#include <filesystem>
#include <thread>
#include <vector>

#include "libs/rpc/rpc_fixture.h"

namespace gatehouse::rpc {
namespace {

using std::chrono::milliseconds;
using Sender = FeedSender<auth::ControlUpdate>;

auth::ControlUpdate Update(std::int64_t sequence, std::size_t padding = 0) {
  auth::ControlUpdate update;
  update.set_sequence(sequence);
  update.mutable_epoch()->set_subject(std::string(padding, 'p'));
  return update;
}

int ThreadCount() {
  int count = 0;
  for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    ++count;
  }
  return count;
}

class FeedTest : public RpcTest {
 protected:
  // Keeps every sender, as a hub would.
  struct Hub {
    void Add(std::shared_ptr<Call> call, Sender sender) {
      const std::lock_guard lock(mutex);
      calls.push_back(std::move(call));
      senders.push_back(std::move(sender));
    }
    std::size_t size() {
      const std::lock_guard lock(mutex);
      return senders.size();
    }
    Sender sender(std::size_t index) {
      const std::lock_guard lock(mutex);
      return senders[index];
    }
    std::shared_ptr<Call> call(std::size_t index) {
      const std::lock_guard lock(mutex);
      return calls[index];
    }
    std::mutex mutex;
    std::vector<std::shared_ptr<Call>> calls;
    std::vector<Sender> senders;
  };

  // What a client has read.
  struct Reader {
    std::mutex mutex;
    std::vector<std::int64_t> sequences;
    Slot<absl::Status> end;
    std::size_t size() {
      const std::lock_guard lock(mutex);
      return sequences.size();
    }
  };

  FeedTest() {
    watch_ = [this](std::shared_ptr<Call> call, const auth::WatchControlRequest& request,
                    Sender sender) {
      gateway_id_.Set(request.gateway_id());
      hub_.Add(std::move(call), std::move(sender));
    };
  }

  std::shared_ptr<CancelHandle> Watch(Client& client, std::shared_ptr<Reader> reader,
                                      std::function<void()> before_read = {},
                                      const CallOptions& options = {}) {
    auth::WatchControlRequest request;
    request.set_gateway_id("gateway-1");
    return client.Watch(
        auth::ControlService::kWatchControl, request, options,
        [reader, before_read](const auth::ControlUpdate& update) {
          if (before_read) before_read();
          const std::lock_guard lock(reader->mutex);
          reader->sequences.push_back(update.sequence());
        },
        [reader](const absl::Status& status) { reader->end.Set(status); });
  }

  Hub hub_;
  Slot<std::string> gateway_id_;
};

TEST_F(FeedTest, DeliversInOrderAndEndsWithItsStatus) {
  Start();
  auto reader = std::make_shared<Reader>();
  CallOptions options;
  options.principal.set_username("ada");
  Watch(*client_, reader, {}, options);
  ASSERT_EQ(*gateway_id_.Await(), "gateway-1");
  ASSERT_TRUE(Eventually([&] { return hub_.size() == 1; }));
  EXPECT_EQ(hub_.call(0)->caller(), "gateway");
  EXPECT_EQ(hub_.call(0)->principal().username(), "ada");
  for (int i = 1; i <= 500; ++i) ASSERT_TRUE(hub_.sender(0).Send(Update(i)));
  hub_.sender(0).Finish(Error(absl::StatusCode::kAborted, "RESYNC", "again, please"));
  EXPECT_FALSE(hub_.sender(0).Send(Update(501)));
  EXPECT_TRUE(hub_.sender(0).ended());
  ASSERT_TRUE(reader->end.Await().has_value());
  EXPECT_EQ(reader->end.Await()->code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Reason(*reader->end.Await()), "RESYNC");
  ASSERT_EQ(reader->size(), 500u);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(reader->sequences[static_cast<std::size_t>(i)], i + 1);
}

TEST_F(FeedTest, PolicyAndPassportGuardFeedsToo) {
  Start();
  auto jobs = NewClient(jobs_.get());
  auto refused = std::make_shared<Reader>();
  Watch(*jobs, refused);
  EXPECT_EQ(Reason(*refused->end.Await()), "CALLER_NOT_ALLOWED");
  auto bare = NewClient(nullptr);
  auto unknown = std::make_shared<Reader>();
  Watch(*bare, unknown);
  EXPECT_EQ(Reason(*unknown->end.Await()), "PASSPORT_INVALID");
  EXPECT_EQ(hub_.size(), 0u);
}

TEST_F(FeedTest, ASlowReaderMakesSendRefuse) {
  Start();
  Gate& gate = gate_;
  auto reader = std::make_shared<Reader>();
  Watch(*client_, reader, [&gate] { gate.Pass(); });
  ASSERT_TRUE(Eventually([&] { return hub_.size() == 1; }));
  Sender sender = hub_.sender(0);
  std::size_t accepted = 0;
  while (accepted < 100'000 && sender.Send(Update(static_cast<int>(accepted), 4096))) ++accepted;
  EXPECT_GE(accepted, 1024u);
  EXPECT_LT(accepted, 100'000u) << "the queue is bounded";
  EXPECT_FALSE(sender.ended()) << "a full queue does not end the stream";
  gate.Open();
  ASSERT_TRUE(Eventually([&] { return reader->size() == accepted; }));
  EXPECT_TRUE(sender.Send(Update(-1))) << "room again";
  ASSERT_TRUE(Eventually([&] { return reader->size() == accepted + 1; }));
  EXPECT_EQ(reader->end.count(), 0);
}

TEST_F(FeedTest, IdleFeedsCostNoThread) {
  constexpr std::size_t kFeeds = 200;
  Start();
  std::vector<std::shared_ptr<Reader>> readers;
  for (std::size_t i = 0; i < kFeeds; ++i) readers.push_back(std::make_shared<Reader>());
  // gRPC starts its few threads with the first streams.
  for (std::size_t i = 0; i < 20; ++i) Watch(*client_, readers[i]);
  ASSERT_TRUE(Eventually([&] { return hub_.size() == 20; }));
  const int before = ThreadCount();
  for (std::size_t i = 20; i < kFeeds; ++i) Watch(*client_, readers[i]);
  ASSERT_TRUE(Eventually([&] { return hub_.size() == kFeeds; }));
  EXPECT_LE(ThreadCount(), before + 4);
  for (std::size_t i = 0; i < kFeeds; ++i) EXPECT_TRUE(hub_.sender(i).Send(Update(1)));
  for (const auto& reader : readers) {
    ASSERT_TRUE(Eventually([&] { return reader->size() == 1; }));
  }
}

TEST_F(FeedTest, AClientThatLeavesEndsTheFeed) {
  Start();
  auto reader = std::make_shared<Reader>();
  auto handle = Watch(*client_, reader);
  ASSERT_TRUE(Eventually([&] { return hub_.size() == 1; }));
  EXPECT_TRUE(hub_.sender(0).Send(Update(1)));
  ASSERT_TRUE(Eventually([&] { return reader->size() == 1; }));
  EXPECT_FALSE(hub_.call(0)->IsCancelled());
  handle->Cancel();
  EXPECT_EQ(reader->end.Await()->code(), absl::StatusCode::kCancelled);
  ASSERT_TRUE(Eventually([&] { return hub_.sender(0).ended(); }));
  ASSERT_TRUE(Eventually([&] { return hub_.call(0)->IsCancelled(); }));
  EXPECT_FALSE(hub_.sender(0).Send(Update(2)));
  hub_.sender(0).Finish(absl::OkStatus());
  handle->Cancel();
  EXPECT_EQ(reader->end.count(), 1);
}

TEST_F(FeedTest, ClientsLeaveWhileManyThreadsSend) {
  Start();
  std::atomic<bool> stop = false;
  std::vector<std::thread> senders;
  for (int t = 0; t < 3; ++t) {
    senders.emplace_back([&, t] {
      for (std::size_t i = 0; !stop; ++i) {
        const std::size_t open = hub_.size();
        if (open == 0) continue;
        hub_.sender((i + static_cast<std::size_t>(t)) % open).Send(Update(1, 512));
      }
    });
  }
  for (int round = 0; round < 15; ++round) {
    auto client = NewClient(gateway_.get());
    std::vector<std::shared_ptr<Reader>> readers;
    std::vector<std::shared_ptr<CancelHandle>> handles;
    for (int i = 0; i < 4; ++i) {
      readers.push_back(std::make_shared<Reader>());
      handles.push_back(Watch(*client, readers.back()));
    }
    ASSERT_TRUE(Eventually([&] { return readers[0]->size() > 0; }));
    handles[0]->Cancel();
    handles[1]->Cancel();
    client.reset();  // Cancels the others and waits for their ends.
    for (const auto& reader : readers) EXPECT_EQ(reader->end.count(), 1);
  }
  stop = true;
  for (std::thread& sender : senders) sender.join();
  ASSERT_TRUE(Eventually([&] {
    for (std::size_t i = 0; i < hub_.size(); ++i) {
      if (!hub_.sender(i).ended()) return false;
    }
    return true;
  }));
}

TEST_F(FeedTest, AFeedWhoseSenderIsDroppedEnds) {
  watch_ = [](std::shared_ptr<Call>, const auth::WatchControlRequest&, Sender sender) {
    sender.Send(Update(1));
  };
  Start();
  auto reader = std::make_shared<Reader>();
  Watch(*client_, reader);
  EXPECT_EQ(Reason(*reader->end.Await()), "FEED_CLOSED");
  EXPECT_EQ(reader->size(), 1u);
}

TEST_F(FeedTest, AMalformedMessageEndsTheWatch) {
  Start();
  auto end = std::make_shared<Slot<absl::Status>>();
  std::atomic<int> messages = 0;
  // Field 2 of an update is a message that holds a length beyond its end there.
  client_->Watch(
      StreamMethod<auth::WatchControlRequest, auth::ControlSnapshot>{
          auth::ControlService::kWatchControl.path},
      auth::WatchControlRequest(), {}, [&](const auth::ControlSnapshot&) { ++messages; },
      [end](const absl::Status& status) { end->Set(status); });
  ASSERT_TRUE(Eventually([&] { return hub_.size() == 1; }));
  auth::ControlUpdate update;
  update.GetReflection()->MutableUnknownFields(&update)->AddLengthDelimited(1, "\x0A\x7F");
  EXPECT_TRUE(hub_.sender(0).Send(update));
  EXPECT_EQ(Reason(*end->Await()), "RESPONSE_MALFORMED");
  EXPECT_EQ(messages, 0);
  ASSERT_TRUE(Eventually([&] { return hub_.sender(0).ended(); })) << "the server is told";
}

TEST_F(FeedTest, AStreamOutlivesTheTimeoutOfCalls) {
  policy_.deadline_max = milliseconds(10);
  Start();
  auto reader = std::make_shared<Reader>();
  CallOptions options;
  options.timeout = milliseconds(10);
  Watch(*client_, reader, {}, options);
  ASSERT_TRUE(Eventually([&] { return hub_.size() == 1; }));
  const SteadyTime later = std::chrono::steady_clock::now() + milliseconds(60);
  ASSERT_TRUE(Eventually([&] { return std::chrono::steady_clock::now() > later; }));
  EXPECT_TRUE(hub_.sender(0).Send(Update(1)));
  ASSERT_TRUE(Eventually([&] { return reader->size() == 1; }));
  EXPECT_FALSE(hub_.call(0)->IsCancelled());
}

TEST_F(FeedTest, ADrainEndsFeedsAndRefusesNewOnes) {
  Start();
  auto reader = std::make_shared<Reader>();
  Watch(*client_, reader);
  ASSERT_TRUE(Eventually([&] { return hub_.size() == 1; }));
  EXPECT_TRUE(hub_.sender(0).Send(Update(1)));
  server_->Drain(std::chrono::seconds(5));
  EXPECT_EQ(reader->end.Await()->code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Reason(*reader->end.Await()), "DRAINING");
  EXPECT_EQ(reader->size(), 1u) << "what was queued is delivered first";
  EXPECT_FALSE(hub_.sender(0).Send(Update(2)));
  auto late = std::make_shared<Reader>();
  Watch(*client_, late);
  EXPECT_EQ(late->end.Await()->code(), absl::StatusCode::kUnavailable);
}

TEST_F(FeedTest, ADrainDoesNotWaitForASlowReader) {
  Start();
  Gate& gate = gate_;
  auto reader = std::make_shared<Reader>();
  Watch(*client_, reader, [&gate] { gate.Pass(); });
  ASSERT_TRUE(Eventually([&] { return hub_.size() == 1; }));
  Sender sender = hub_.sender(0);
  while (sender.Send(Update(1, 4096))) continue;
  server_->Drain(milliseconds(50));
  EXPECT_TRUE(sender.ended());
  gate.Open();
  EXPECT_EQ(reader->end.Await()->code(), absl::StatusCode::kUnavailable);
}

TEST_F(FeedTest, SendersOutliveTheServer) {
  Start();
  auto reader = std::make_shared<Reader>();
  Watch(*client_, reader);
  ASSERT_TRUE(Eventually([&] { return hub_.size() == 1; }));
  server_.reset();
  EXPECT_FALSE(hub_.sender(0).Send(Update(1)));
  EXPECT_TRUE(hub_.sender(0).ended());
  EXPECT_TRUE(hub_.call(0)->IsCancelled());
  EXPECT_EQ(hub_.call(0)->caller(), "gateway");
  ASSERT_TRUE(reader->end.Await().has_value());
}

}  // namespace
}  // namespace gatehouse::rpc
