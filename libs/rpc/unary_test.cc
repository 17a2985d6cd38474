#include <gmock/gmock.h>

#include <atomic>

#include "libs/log/log.h"
#include "libs/metrics/metrics.h"
#include "libs/rpc/rpc_fixture.h"

namespace gatehouse::rpc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

using Response = absl::StatusOr<invitations::RedeemInvitationResponse>;
using Request = invitations::RedeemInvitationRequest;

class UnaryTest : public RpcTest {
 protected:
  std::atomic<int> code_ = 0;  // What a handler shall answer.
};

TEST_F(UnaryTest, HandlerSeesRequestCallerPrincipalAndIds) {
  Slot<std::string> seen;
  redeem_ = [&](Call& call, const Request& request) -> Response {
    seen.Set(request.token_digest() + "|" + call.caller() + "|" + call.principal().username() +
             "|" + call.request_id() + "|" + call.trace_parent() + "|" + log::Current().request_id +
             "|" + log::Current().trace_id);
    invitations::RedeemInvitationResponse response;
    response.set_tenant_id(42);
    response.set_invitation_id(std::string(100'000, 'x'));
    return response;
  };
  Start();
  CallOptions options;
  options.principal.set_username("ada");
  options.request_id = "req-1";
  options.trace_parent = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01";
  const Response response = CallRedeem(*client_, options, "secret");
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->tenant_id(), 42);
  EXPECT_EQ(response->invitation_id().size(), 100'000u);
  EXPECT_EQ(*seen.Await(),
            "secret|gateway|ada|req-1|00-0123456789abcdef0123456789abcdef-0123456789abcdef-01|"
            "req-1|0123456789abcdef0123456789abcdef");
}

TEST_F(UnaryTest, IdsAreMadeWhenTheyAreAbsentOrUnsafe) {
  Slot<std::string> request_id, trace_id;
  redeem_ = [&](Call& call, const Request&) -> Response {
    request_id.Set(call.request_id());
    trace_id.Set(log::Current().trace_id);
    return invitations::RedeemInvitationResponse();
  };
  Start();
  CallOptions options;
  options.request_id = "two\nlines";
  options.trace_parent = "00-zz";
  ASSERT_TRUE(CallRedeem(*client_, options).ok());
  EXPECT_EQ(request_id.Await()->size(), 36u);
  EXPECT_EQ(trace_id.Await()->size(), 32u);
}

TEST_F(UnaryTest, IdsOfTheRequestInHandFollowNestedCalls) {
  Slot<std::string> seen;
  redeem_ = [&](Call& call, const Request&) -> Response {
    seen.Set(call.request_id() + "|" + log::Current().trace_id);
    return invitations::RedeemInvitationResponse();
  };
  Start();
  const log::Scope scope({"outer-request", "0123456789abcdef0123456789abcdef"});
  ASSERT_TRUE(CallRedeem(*client_).ok());
  EXPECT_EQ(*seen.Await(), "outer-request|0123456789abcdef0123456789abcdef");
}

TEST_F(UnaryTest, CallersOutsideTheListAreRefusedBeforeTheHandler) {
  std::atomic<int> ran = 0;
  redeem_ = [&](Call&, const Request&) -> Response {
    ++ran;
    return invitations::RedeemInvitationResponse();
  };
  Start();
  auto jobs = NewClient(jobs_.get());
  const absl::Status status = CallRedeem(*jobs).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Reason(status), "CALLER_NOT_ALLOWED");
  EXPECT_EQ(ran, 0);
  EXPECT_TRUE(CallRedeem(*client_).ok());
  EXPECT_EQ(ran, 1);
}

TEST_F(UnaryTest, NobodyMayCallWithoutAList) {
  policy_.callers.clear();
  Start();
  EXPECT_EQ(Reason(CallRedeem(*client_).status()), "CALLER_NOT_ALLOWED");
}

TEST_F(UnaryTest, MissingAndForgedPassportsAreRefused) {
  std::atomic<int> ran = 0;
  redeem_ = [&](Call&, const Request&) -> Response {
    ++ran;
    return invitations::RedeemInvitationResponse();
  };
  Start();
  auto bare = NewClient(nullptr);
  EXPECT_EQ(Reason(CallRedeem(*bare).status()), "PASSPORT_INVALID");
  EXPECT_EQ(CallRedeem(*bare).status().code(), absl::StatusCode::kUnauthenticated);

  PassportIssuer impostor("gateway", token::SigningKey::Generate("gateway"), clock_);
  auto forged = NewClient(&impostor);
  EXPECT_EQ(Reason(CallRedeem(*forged).status()), "PASSPORT_INVALID");

  Client elsewhere("billing", server_->address(), gateway_.get());
  EXPECT_EQ(Reason(CallRedeem(elsewhere).status()), "PASSPORT_INVALID") << "another audience";
  EXPECT_EQ(ran, 0);
}

TEST_F(UnaryTest, ReasonsMetadataAndDetailsSurviveTheWire) {
  redeem_ = [&](Call&, const Request&) -> Response {
    return WithRetryDelay(
        WithFieldViolation(Error(absl::StatusCode::kFailedPrecondition, "INVITATION_EXPIRED",
                                 "zu spät: 100 %\n", {{"expired_on", "2026-11-21"}}),
                           "token", "is too old"),
        1500);
  };
  Start();
  const absl::Status status = CallRedeem(*client_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "zu spät: 100 %\n");
  EXPECT_EQ(Reason(status), "INVITATION_EXPIRED");
  EXPECT_EQ(ReasonMetadata(status, "expired_on"), "2026-11-21");
  EXPECT_EQ(FieldViolations(status),
            (std::multimap<std::string, std::string>{{"token", "is too old"}}));
  EXPECT_EQ(RetryDelayMillis(status), 1500);
}

TEST_F(UnaryTest, EveryCodeSurvivesTheWire) {
  redeem_ = [this](Call&, const Request&) -> Response {
    return Error(static_cast<absl::StatusCode>(code_.load()), "SOME_REASON", "text");
  };
  Start();
  for (code_ = 1; code_ <= 16; ++code_) {
    const absl::Status status = CallRedeem(*client_).status();
    EXPECT_EQ(static_cast<int>(status.code()), code_);
    EXPECT_EQ(Reason(status), "SOME_REASON");
  }
}

TEST_F(UnaryTest, DeadlineIsVisibleAndCapped) {
  policy_.deadline_max = milliseconds(2000);
  Slot<milliseconds> left;
  redeem_ = [&](Call& call, const Request&) -> Response {
    left.Set(std::chrono::duration_cast<milliseconds>(call.deadline() -
                                                      std::chrono::steady_clock::now()));
    return invitations::RedeemInvitationResponse();
  };
  Start();
  CallOptions options;
  options.timeout = milliseconds(1200);
  ASSERT_TRUE(CallRedeem(*client_, options).ok());
  // On the wire a timeout is rounded up to two or three digits.
  EXPECT_LE(*left.Await(), milliseconds(1300));
  EXPECT_GT(*left.Await(), milliseconds(0));
  for (const milliseconds timeout : {milliseconds(60'000), milliseconds::max()}) {
    options.timeout = timeout;
    ASSERT_TRUE(CallRedeem(*client_, options).ok());
    EXPECT_LE(*left.Await(), milliseconds(2000));
    EXPECT_GT(*left.Await(), milliseconds(1300)) << "the client's own is later";
  }
}

TEST_F(UnaryTest, AFullLaneAnswersOverloadedAndALateCallIsDropped) {
  options_.handler_threads = 1;
  options_.queue_max = 1;
  policy_.deadline_max = milliseconds(40);
  Gate& gate = gate_;
  std::atomic<int> ran = 0;
  redeem_ = [&](Call&, const Request&) -> Response {
    ++ran;
    gate.Pass();
    return invitations::RedeemInvitationResponse();
  };
  Start();
  auto first = std::make_shared<Outcome>();
  CallRedeemAsync(*client_, first);
  ASSERT_TRUE(gate.AwaitWaiting(1));
  // Of the next two one waits in the lane, which is then full for the other.
  auto second = std::make_shared<Outcome>();
  auto third = std::make_shared<Outcome>();
  CallRedeemAsync(*client_, second);
  CallRedeemAsync(*client_, third);
  ASSERT_TRUE(Eventually([&] { return second->count() + third->count() == 1; }));
  auto& refused = second->count() == 1 ? second : third;
  auto& queued = second->count() == 1 ? third : second;
  EXPECT_EQ(refused->Await()->status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Reason(refused->Await()->status()), "OVERLOADED");
  EXPECT_EQ(RetryDelayMillis(refused->Await()->status()), 1000);

  const SteadyTime expiry = std::chrono::steady_clock::now() + policy_.deadline_max;
  ASSERT_TRUE(Eventually([&] { return std::chrono::steady_clock::now() > expiry; }));
  gate.Open();
  ASSERT_TRUE(queued->Await().has_value());
  EXPECT_EQ(queued->Await()->status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Reason(queued->Await()->status()), "EXPIRED_IN_QUEUE");
  EXPECT_TRUE(first->Await()->ok());
  EXPECT_EQ(ran, 1);
}

TEST_F(UnaryTest, CancellationReachesTheHandler) {
  policy_.deadline_max = seconds(60);
  Gate& gate = gate_;
  Slot<bool> cancelled;
  redeem_ = [&](Call& call, const Request&) -> Response {
    gate.Pass();
    cancelled.Set(Eventually([&] { return call.IsCancelled(); }));
    return invitations::RedeemInvitationResponse();
  };
  Start();
  auto outcome = std::make_shared<Outcome>();
  CallOptions options;
  options.timeout = seconds(60);
  auto handle = CallRedeemAsync(*client_, outcome, options);
  ASSERT_TRUE(gate.AwaitWaiting(1));
  gate.Open();
  handle->Cancel();
  EXPECT_TRUE(*cancelled.Await());
  EXPECT_EQ(outcome->Await()->status().code(), absl::StatusCode::kCancelled);
  handle->Cancel();
  EXPECT_EQ(outcome->count(), 1);
}

TEST_F(UnaryTest, TheClientsDeadlineReachesTheHandlerAsCancellation) {
  Slot<bool> cancelled;
  redeem_ = [&](Call& call, const Request&) -> Response {
    cancelled.Set(Eventually([&] { return call.IsCancelled(); }));
    gate_.Pass();
    return invitations::RedeemInvitationResponse();
  };
  Start();
  CallOptions options;
  options.timeout = milliseconds(100);
  EXPECT_EQ(CallRedeem(*client_, options).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(*cancelled.Await());
  gate_.Open();
}

TEST_F(UnaryTest, AMalformedRequestIsRefused) {
  Start();
  // Field 2 is a message there, and a text that is not UTF-8 here.
  auth::ControlUpdate wrong;
  wrong.mutable_epoch()->set_subject("abc");
  wrong.GetReflection()->MutableUnknownFields(&wrong)->AddLengthDelimited(2, "\xFF\xFF");
  const Method<auth::ControlUpdate, invitations::RedeemInvitationResponse> method{
      invitations::InvitationService::kRedeemInvitation.path};
  const absl::Status status = client_->Call(method, wrong).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Reason(status), "REQUEST_MALFORMED");
}

TEST_F(UnaryTest, AMalformedResponseIsInternal) {
  redeem_ = [&](Call&, const Request&) -> Response {
    invitations::RedeemInvitationResponse response;
    response.GetReflection()->MutableUnknownFields(&response)->AddLengthDelimited(1, "\xFF\xFF");
    return response;
  };
  Start();
  const absl::Status status = CallRedeem(*client_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Reason(status), "RESPONSE_MALFORMED");
}

TEST_F(UnaryTest, MessagesAreLimited) {
  options_.message_bytes_max = 10'000;
  Start();
  EXPECT_TRUE(CallRedeem(*client_, {}, std::string(9'000, 'x')).ok());
  EXPECT_EQ(CallRedeem(*client_, {}, std::string(20'000, 'x')).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(UnaryTest, HandlersThatCallOutHaveTheirOwnLane) {
  // The ordinary lane is blocked; a method on the other lane still answers.
  options_.handler_threads = 1;
  options_.call_out_threads = 1;
  Gate& gate = gate_;
  redeem_ = [&](Call&, const Request&) -> Response {
    gate.Pass();
    return invitations::RedeemInvitationResponse();
  };
  Policy calls_out = policy_;
  calls_out.calls_out = true;
  invitations_.Unary(invitations::InvitationService::kRevokeInvitation, calls_out,
                     [](Call&, const invitations::RevokeInvitationRequest& request)
                         -> absl::StatusOr<invitations::Invitation> {
                       invitations::Invitation invitation;
                       invitation.set_id(request.id());
                       return invitation;
                     });
  Start();
  auto blocked = std::make_shared<Outcome>();
  CallRedeemAsync(*client_, blocked);
  ASSERT_TRUE(gate.AwaitWaiting(1));
  invitations::RevokeInvitationRequest request;
  request.set_id("i");
  const auto revoked = client_->Call(invitations::InvitationService::kRevokeInvitation, request);
  EXPECT_TRUE(revoked.ok()) << revoked.status();
  EXPECT_EQ(revoked->id(), "i");
  EXPECT_EQ(blocked->count(), 0);
  gate.Open();
  EXPECT_TRUE(blocked->Await()->ok());
}

TEST_F(UnaryTest, FailuresAreLoggedAtInfoInternalOnesAtWarningSuccessesAtDebug) {
  redeem_ = [this](Call&, const Request&) -> Response {
    if (code_ == 0) return invitations::RedeemInvitationResponse();
    return Error(static_cast<absl::StatusCode>(code_.load()), "SOME_REASON", "some text");
  };
  Start();
  CallOptions options;
  options.request_id = "req-7";
  const auto lines_of = [&](absl::StatusCode wanted) {
    code_ = static_cast<int>(wanted);
    ::testing::internal::CaptureStderr();
    (void)CallRedeem(*client_, options);
    return ::testing::internal::GetCapturedStderr();
  };
  log::SetLevel(log::Level::kInfo);
  EXPECT_EQ(lines_of(absl::StatusCode::kOk), "");
  const std::string failure = lines_of(absl::StatusCode::kNotFound);
  for (const char* part :
       {R"("level":"info")", R"("method":"/gatehouse.invitations.v1.InvitationService/)",
        R"("caller":"gateway")", R"("code":"NOT_FOUND")", R"("reason":"SOME_REASON")",
        R"("duration_us":)", R"("request_id":"req-7")"}) {
    EXPECT_THAT(failure, HasSubstr(part));
  }
  EXPECT_THAT(lines_of(absl::StatusCode::kInternal), HasSubstr(R"("level":"warning")"));
  log::SetLevel(log::Level::kDebug);
  EXPECT_THAT(lines_of(absl::StatusCode::kOk), HasSubstr(R"("code":"OK")"));
  log::SetLevel(log::Level::kInfo);
}

}  // namespace
}  // namespace gatehouse::rpc
