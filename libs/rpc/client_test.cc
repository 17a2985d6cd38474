#include "libs/rpc/client.h"

#include <atomic>
#include <map>
#include <thread>
#include <vector>

#include "libs/rpc/open_calls.h"
#include "libs/rpc/rpc_fixture.h"

namespace gatehouse::rpc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

using Response = absl::StatusOr<invitations::RedeemInvitationResponse>;
using Request = invitations::RedeemInvitationRequest;

class ClientTest : public RpcTest {
 protected:
  // Serves `handler` on an address of its own, as one more replica.
  std::unique_ptr<Server> StartReplica(Service& service, const std::string& address,
                                       Redeem handler) {
    service.Unary(invitations::InvitationService::kRedeemInvitation, policy_, std::move(handler));
    ServerOptions options;
    options.address = address;
    auto server = Server::Start(options, {&service}, *verifier_);
    EXPECT_TRUE(server.ok()) << server.status();
    return *std::move(server);
  }
};

TEST_F(ClientTest, IdempotentCallsAreTriedThreeTimesOthersOnce) {
  std::atomic<int> attempts = 0;
  redeem_ = [&](Call&, const Request&) -> Response {
    ++attempts;
    return Error(absl::StatusCode::kUnavailable, "NOT_NOW", "");
  };
  Start();
  EXPECT_EQ(Reason(CallRedeem(*client_).status()), "NOT_NOW");
  EXPECT_EQ(attempts, 1);
  CallOptions options;
  options.idempotent = true;
  EXPECT_EQ(Reason(CallRedeem(*client_, options).status()), "NOT_NOW");
  EXPECT_EQ(attempts, 4);
  auto outcome = std::make_shared<Outcome>();
  CallRedeemAsync(*client_, outcome, options);
  EXPECT_EQ(Reason(outcome->Await()->status()), "NOT_NOW");
  EXPECT_EQ(attempts, 7);
}

TEST_F(ClientTest, ARetryThatSucceedsIsASuccess) {
  std::atomic<int> attempts = 0;
  redeem_ = [&](Call&, const Request&) -> Response {
    if (++attempts % 3 != 0) return Error(absl::StatusCode::kUnavailable, "NOT_NOW", "");
    invitations::RedeemInvitationResponse response;
    response.set_tenant_id(3);
    return response;
  };
  Start();
  CallOptions options;
  options.idempotent = true;
  const Response response = CallRedeem(*client_, options);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->tenant_id(), 3);
  auto outcome = std::make_shared<Outcome>();
  CallRedeemAsync(*client_, outcome, options);
  ASSERT_TRUE(outcome->Await()->ok()) << outcome->Await()->status();
  EXPECT_EQ(attempts, 6);
}

TEST_F(ClientTest, OtherErrorsAreFinal) {
  std::atomic<int> attempts = 0;
  redeem_ = [&](Call&, const Request&) -> Response {
    ++attempts;
    return Error(absl::StatusCode::kAborted, "CONFLICT", "");
  };
  Start();
  CallOptions options;
  options.idempotent = true;
  EXPECT_EQ(Reason(CallRedeem(*client_, options).status()), "CONFLICT");
  EXPECT_EQ(attempts, 1);
}

TEST_F(ClientTest, RetriesStayInsideTheDeadline) {
  std::atomic<int> attempts = 0;
  redeem_ = [&](Call&, const Request&) -> Response {
    ++attempts;
    return WithRetryDelay(Error(absl::StatusCode::kUnavailable, "NOT_NOW", ""), 60'000);
  };
  Start();
  CallOptions options;
  options.idempotent = true;
  options.timeout = milliseconds(2000);
  EXPECT_EQ(Reason(CallRedeem(*client_, options).status()), "NOT_NOW");
  EXPECT_EQ(attempts, 1) << "the wait would outlast the deadline";
}

TEST_F(ClientTest, CancelEndsTheWaitBetweenAttempts) {
  Gate& gate = gate_;
  redeem_ = [&](Call&, const Request&) -> Response {
    gate.Pass();
    return WithRetryDelay(Error(absl::StatusCode::kUnavailable, "NOT_NOW", ""), 15'000);
  };
  Start();
  CallOptions options;
  options.idempotent = true;
  options.timeout = seconds(60);
  auto outcome = std::make_shared<Outcome>();
  auto handle = CallRedeemAsync(*client_, outcome, options);
  gate.Open();
  ASSERT_TRUE(gate.AwaitWaiting(1));
  const SteadyTime start = std::chrono::steady_clock::now();
  handle->Cancel();
  EXPECT_EQ(outcome->Await()->status().code(), absl::StatusCode::kCancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(14)) << "it did not sit it out";
}

TEST_F(ClientTest, AnAbsentTargetIsUnavailableAtOnce) {
  Client client("invitations", "unix:" + Path("nobody.sock"), gateway_.get());
  CallOptions options;
  options.timeout = seconds(60);
  const SteadyTime start = std::chrono::steady_clock::now();
  EXPECT_EQ(CallRedeem(client, options).status().code(), absl::StatusCode::kUnavailable);
  auto outcome = std::make_shared<Outcome>();
  CallRedeemAsync(client, outcome, options);
  EXPECT_EQ(outcome->Await()->status().code(), absl::StatusCode::kUnavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(30));
}

TEST_F(ClientTest, WaitForReadyWaitsForALateServer) {
  Client early("invitations", options_.address, gateway_.get());
  CallOptions options;
  options.wait_for_ready = true;
  options.timeout = kBound;
  auto outcome = std::make_shared<Outcome>();
  CallRedeemAsync(early, outcome, options);
  EXPECT_EQ(CallRedeem(early).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(outcome->count(), 0);
  Start();
  ASSERT_TRUE(outcome->Await()->ok()) << outcome->Await()->status();
}

TEST_F(ClientTest, WaitForReadyEndsAtTheDeadline) {
  Client client("invitations", "unix:" + Path("nobody.sock"), gateway_.get());
  CallOptions options;
  options.wait_for_ready = true;
  options.timeout = milliseconds(50);
  EXPECT_EQ(CallRedeem(client, options).status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(ClientTest, TwoAddressesShareTheCalls) {
  std::atomic<int> first_calls = 0, second_calls = 0;
  Service first(invitations::InvitationService::kFullName);
  Service second(invitations::InvitationService::kFullName);
  auto first_server = StartReplica(first, "127.0.0.1:0", [&](Call&, const Request&) -> Response {
    ++first_calls;
    return invitations::RedeemInvitationResponse();
  });
  auto second_server = StartReplica(second, "127.0.0.1:0", [&](Call&, const Request&) -> Response {
    ++second_calls;
    return invitations::RedeemInvitationResponse();
  });
  Client client("invitations", "ipv4:" + first_server->address() + "," + second_server->address(),
                gateway_.get());
  // Until both are connected, one may get all.
  ASSERT_TRUE(Eventually([&] {
    EXPECT_TRUE(CallRedeem(client).ok());
    return first_calls > 0 && second_calls > 0;
  }));
  first_calls = second_calls = 0;
  for (int i = 0; i < 40; ++i) EXPECT_TRUE(CallRedeem(client).ok());
  EXPECT_EQ(first_calls, 20);
  EXPECT_EQ(second_calls, 20);

  first_server.reset();
  CallOptions options;
  options.idempotent = true;
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(CallRedeem(client, options).ok());
}

TEST_F(ClientTest, NamesAreResolvedAndTheUnhealthyGetNoCalls) {
  options_.address = "127.0.0.1:0";
  Start();
  const std::string port = server_->address().substr(server_->address().rfind(':') + 1);
  Client client("invitations", "dns:///localhost:" + port, gateway_.get());
  EXPECT_EQ(CallRedeem(client).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(client.IsServing(seconds(5)));
  server_->SetServing(true);
  ASSERT_TRUE(Eventually([&] { return CallRedeem(client).ok(); }));
  EXPECT_TRUE(client.IsServing(seconds(5)));
}

TEST_F(ClientTest, CallsFromManyThreadsKeepApart) {
  redeem_ = [&](Call& call, const Request& request) -> Response {
    invitations::RedeemInvitationResponse response;
    response.set_invitation_id(request.token_digest() + "/" + call.principal().username());
    return response;
  };
  Start();
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      CallOptions options;
      options.principal.set_username("user-" + std::to_string(t));
      for (int i = 0; i < 150; ++i) {
        const std::string digest = std::to_string(t * 1000 + i);
        const Response response = CallRedeem(*client_, options, digest);
        if (!response.ok() ||
            response->invitation_id() != digest + "/" + options.principal.username()) {
          ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(ClientTest, EveryAsynchronousCallEndsOnceWhateverCancels) {
  Start();
  std::vector<std::shared_ptr<Outcome>> outcomes;
  std::vector<std::shared_ptr<CancelHandle>> handles;
  for (int i = 0; i < 200; ++i) {
    outcomes.push_back(std::make_shared<Outcome>());
    handles.push_back(CallRedeemAsync(*client_, outcomes.back()));
    if (i % 3 == 0) handles.back()->Cancel();
  }
  std::vector<std::thread> cancellers;
  for (int t = 0; t < 2; ++t) {
    cancellers.emplace_back([&] {
      for (const auto& handle : handles) handle->Cancel();
    });
  }
  for (const auto& outcome : outcomes) ASSERT_TRUE(outcome->Await().has_value());
  for (std::thread& canceller : cancellers) canceller.join();
  client_.reset();
  for (const auto& handle : handles) handle->Cancel();  // Handles outlive the client.
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(outcome->count(), 1);
    EXPECT_TRUE(outcome->Await()->ok() ||
                outcome->Await()->status().code() == absl::StatusCode::kCancelled);
  }
}

TEST_F(ClientTest, DestructionCancelsAndWaitsForCallbacks) {
  policy_.deadline_max = seconds(60);
  Gate& gate = gate_;
  redeem_ = [&](Call& call, const Request&) -> Response {
    gate.Pass();
    EXPECT_TRUE(Eventually([&] { return call.IsCancelled(); }));
    return invitations::RedeemInvitationResponse();
  };
  Start();
  auto outcome = std::make_shared<Outcome>();
  CallOptions options;
  options.timeout = seconds(60);
  CallRedeemAsync(*client_, outcome, options);
  ASSERT_TRUE(gate.AwaitWaiting(1));
  client_.reset();
  EXPECT_EQ(outcome->count(), 1) << "its callback has returned";
  EXPECT_EQ(outcome->Await()->status().code(), absl::StatusCode::kCancelled);
  gate.Open();
}

class CountingHandle final : public CancelHandle {
 public:
  void Cancel() override { ++cancelled; }
  std::atomic<int> cancelled = 0;
};

TEST(OpenCallsTest, CancelsAllWaitsForTheLastAndRefusesLateOnes) {
  for (int round = 0; round < 50; ++round) {
    auto calls = std::make_unique<OpenCalls>();
    std::vector<std::shared_ptr<CountingHandle>> handles;
    for (int i = 0; i < 8; ++i) {
      handles.push_back(std::make_shared<CountingHandle>());
      ASSERT_TRUE(calls->Add(handles.back()));
    }
    std::atomic<int> removed = 0;
    std::vector<std::thread> enders;
    for (int t = 0; t < 2; ++t) {
      enders.emplace_back([&, t, calls = calls.get()] {
        for (std::size_t i = static_cast<std::size_t>(t); i < handles.size(); i += 2) {
          ++removed;
          calls->Remove(handles[i].get());
        }
      });
    }
    calls->CancelAllAndWait();
    EXPECT_EQ(removed, 8);
    EXPECT_FALSE(calls->Add(std::make_shared<CountingHandle>()));
    calls.reset();
    for (std::thread& ender : enders) ender.join();
  }
}

}  // namespace
}  // namespace gatehouse::rpc
