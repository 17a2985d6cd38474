// Methods that answer later: within the handler, from another thread, after the client
// has gone, and while the server drains.
#include <gmock/gmock.h>

#include <atomic>
#include <vector>

#include "libs/log/log.h"
#include "libs/rpc/rpc_fixture.h"

namespace gatehouse::rpc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

using Answer = invitations::RedeemInvitationResponse;
using Request = invitations::RedeemInvitationRequest;
using AnswerLater = Reply<Answer>;

Answer Of(std::int64_t tenant) {
  Answer answer;
  answer.set_tenant_id(tenant);
  return answer;
}

class LaterTest : public RpcTest {
 protected:
  using Handler = std::function<void(Call&, const Request&, AnswerLater)>;

  void Serve(Handler handler) {
    invitations_.UnaryLater(invitations::InvitationService::kRedeemInvitation, policy_,
                            std::move(handler));
    redeem_ = nullptr;
    Start();
  }

  // Keeps the replies of all calls for the test to use.
  void ServeWaiting() {
    Serve([this](Call&, const Request&, AnswerLater reply) {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(reply));
    });
  }
  bool AwaitWaiting(std::size_t count) {
    return Eventually([&] {
      const std::lock_guard lock(mutex_);
      return waiting_.size() >= count;
    });
  }
  AnswerLater Take() {
    const std::lock_guard lock(mutex_);
    AnswerLater reply = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    return reply;
  }
  // A server waits for its calls; one that a failed test left must not hold it up.
  void TearDown() override {
    {
      const std::lock_guard lock(mutex_);
      for (const AnswerLater& reply : waiting_) reply(Of(0));
      waiting_.clear();
    }
    RpcTest::TearDown();
  }

  std::mutex mutex_;
  std::vector<AnswerLater> waiting_;  // guarded by mutex_
};

TEST_F(LaterTest, TheReplyMayComeWithinTheHandlerWhichMayGoOnUsingItsCall) {
  Slot<std::string> seen;
  Serve([&](Call& call, const Request& request, const AnswerLater& reply) {
    reply(Of(42));
    seen.Set(request.token_digest() + "|" + call.caller() + "|" + call.principal().username() +
             "|" + call.request_id() + "|" + log::Current().request_id);
  });
  CallOptions options;
  options.principal.set_username("ada");
  options.request_id = "req-1";
  const auto answer = CallRedeem(*client_, options, "secret");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->tenant_id(), 42);
  EXPECT_EQ(*seen.Await(), "secret|gateway|ada|req-1|req-1");
}

TEST_F(LaterTest, TheReplyMayComeFromAnotherThreadWhileTheHandlerStillRuns) {
  Slot<std::string> seen;
  Serve([&](Call& call, const Request& request, const AnswerLater& reply) {
    std::thread([reply] { reply(Of(7)); }).join();
    seen.Set(request.token_digest() + "|" + call.caller());
  });
  const auto answer = CallRedeem(*client_, {}, "secret");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->tenant_id(), 7);
  EXPECT_EQ(*seen.Await(), "secret|gateway");
}

TEST_F(LaterTest, EachCallGetsItsOwnReplyInAnyOrder) {
  // More calls than any thread of the server could wait in.
  constexpr int kCalls = 64;
  options_.handler_threads = 1;
  options_.queue_max = 1;
  Serve([this](Call&, const Request& request, const AnswerLater& reply) {
    const std::lock_guard lock(mutex_);
    const std::int64_t number = std::stoi(request.token_digest());
    waiting_.push_back([reply, number](const auto&) { reply(Of(number)); });
  });
  std::vector<std::shared_ptr<Outcome>> outcomes;
  for (int i = 0; i < kCalls; ++i) {
    outcomes.push_back(std::make_shared<Outcome>());
    Request request;
    request.set_token_digest(std::to_string(i));
    client_->CallAsync(
        invitations::InvitationService::kRedeemInvitation, request, CallOptions(),
        [outcome = outcomes.back()](absl::StatusOr<Answer> answer) { outcome->Set(answer); });
  }
  ASSERT_TRUE(AwaitWaiting(kCalls));
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < kCalls / 4; ++i) Take()(Of(0));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kCalls; ++i) {
    const auto answer = *outcomes[static_cast<std::size_t>(i)]->Await();
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->tenant_id(), i);
  }
}

TEST_F(LaterTest, ErrorsKeepTheirReasonAndMetadata) {
  ServeWaiting();
  auto outcome = std::make_shared<Outcome>();
  CallRedeemAsync(*client_, outcome);
  ASSERT_TRUE(AwaitWaiting(1));
  Take()(Error(absl::StatusCode::kFailedPrecondition, "RESERVE_INSUFFICIENT", "too little",
               {{"balance_nanos", "5"}}));
  const absl::Status status = outcome->Await()->status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Reason(status), "RESERVE_INSUFFICIENT");
  EXPECT_EQ(ReasonMetadata(status, "balance_nanos"), "5");
}

TEST_F(LaterTest, AReplyAfterTheClientsDeadlineIsHarmless) {
  ServeWaiting();
  CallOptions options;
  options.timeout = milliseconds(50);
  ASSERT_TRUE(Eventually([&] {
    EXPECT_EQ(CallRedeem(*client_, options).status().code(), absl::StatusCode::kDeadlineExceeded);
    const std::lock_guard lock(mutex_);
    return !waiting_.empty();  // A slow machine may have dropped it as too late.
  }));
  Take()(Of(1));
  auto outcome = std::make_shared<Outcome>();
  CallRedeemAsync(*client_, outcome);
  ASSERT_TRUE(AwaitWaiting(1));
  Take()(Of(2));
  EXPECT_EQ((*outcome->Await())->tenant_id(), 2) << "the server goes on";
}

TEST_F(LaterTest, AReplyAfterACancelOrInItsMidstIsHarmless) {
  ServeWaiting();
  for (int round = 0; round < 50; ++round) {
    auto outcome = std::make_shared<Outcome>();
    const auto handle = CallRedeemAsync(*client_, outcome);
    ASSERT_TRUE(AwaitWaiting(1));
    const AnswerLater reply = Take();
    std::thread cancel([&] { handle->Cancel(); });
    if (round % 2 == 0) cancel.join();
    reply(Of(3));
    if (cancel.joinable()) cancel.join();
    const auto answer = *outcome->Await();
    EXPECT_TRUE(answer.ok() || answer.status().code() == absl::StatusCode::kCancelled)
        << answer.status();
    EXPECT_EQ(outcome->count(), 1);
  }
}

TEST_F(LaterTest, DrainWaitsForTheRepliesAndRefusesNewCalls) {
  ServeWaiting();
  auto outcome = std::make_shared<Outcome>();
  CallRedeemAsync(*client_, outcome);
  ASSERT_TRUE(AwaitWaiting(1));
  std::atomic<bool> drained = false;
  std::thread drain([&] {
    server_->Drain(kBound);
    drained = true;
  });
  EXPECT_TRUE(Eventually([&] {
    CallOptions options;
    options.timeout = milliseconds(100);
    return CallRedeem(*client_, options).status().code() == absl::StatusCode::kUnavailable;
  }));
  EXPECT_FALSE(drained);
  while (true) {
    const AnswerLater reply = Take();
    reply(Of(9));
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) break;
  }
  drain.join();
  ASSERT_TRUE(outcome->Await()->ok()) << outcome->Await()->status();
  EXPECT_EQ((*outcome->Await())->tenant_id(), 9);
}

TEST_F(LaterTest, DrainCancelsWhatOutlastsItsGraceAndReturnsOnceThatIsAnswered) {
  ServeWaiting();
  auto outcome = std::make_shared<Outcome>();
  CallOptions options;
  options.timeout = seconds(60);
  CallRedeemAsync(*client_, outcome, options);
  ASSERT_TRUE(AwaitWaiting(1));
  std::atomic<bool> drained = false;
  std::thread drain([&] {
    server_->Drain(milliseconds(20));
    drained = true;
  });
  EXPECT_FALSE(outcome->Await()->ok());
  EXPECT_FALSE(drained) << "who holds the reply may still use it";
  Take()(Of(1));
  drain.join();
  EXPECT_TRUE(drained);
}

TEST_F(LaterTest, CallersOutsideTheListAndMalformedRequestsNeverReachTheHandler) {
  std::atomic<int> ran = 0;
  Serve([&](Call&, const Request&, const AnswerLater& reply) {
    ++ran;
    reply(Of(1));
  });
  EXPECT_EQ(Reason(CallRedeem(*NewClient(jobs_.get())).status()), "CALLER_NOT_ALLOWED");
  EXPECT_EQ(Reason(CallRedeem(*NewClient(nullptr)).status()), "PASSPORT_INVALID");
  auth::ControlUpdate wrong;
  wrong.GetReflection()->MutableUnknownFields(&wrong)->AddLengthDelimited(2, "\xFF\xFF");
  const Method<auth::ControlUpdate, Answer> method{
      invitations::InvitationService::kRedeemInvitation.path};
  const absl::Status status = client_->Call(method, wrong).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Reason(status), "REQUEST_MALFORMED");
  EXPECT_EQ(ran, 0);
}

TEST_F(LaterTest, ACallIsLoggedOnceWithItsIdsWhenItIsAnswered) {
  ServeWaiting();
  log::SetLevel(log::Level::kDebug);
  ::testing::internal::CaptureStderr();
  auto outcome = std::make_shared<Outcome>();
  CallOptions options;
  options.request_id = "req-9";
  CallRedeemAsync(*client_, outcome, options);
  EXPECT_TRUE(AwaitWaiting(1));
  Take()(Error(absl::StatusCode::kNotFound, "HOLD_NOT_FOUND", "no hold"));
  outcome->Await();
  log::SetLevel(log::Level::kInfo);
  const std::string lines = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 1) << lines;
  for (const char* part : {R"("request_id":"req-9")", R"("reason":"HOLD_NOT_FOUND")",
                           R"("caller":"gateway")", R"("code":"NOT_FOUND")"}) {
    EXPECT_THAT(lines, ::testing::HasSubstr(part));
  }
}

}  // namespace
}  // namespace gatehouse::rpc
