#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <google/protobuf/unknown_field_set.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <fstream>

#include "grpc/health/v1/health.methods.h"
#include "libs/base/unique_fd.h"
#include "libs/metrics/metrics.h"
#include "libs/rpc/rpc_fixture.h"

namespace gatehouse::rpc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
namespace health = ::grpc::health::v1;

using Response = absl::StatusOr<invitations::RedeemInvitationResponse>;
using Request = invitations::RedeemInvitationRequest;

class LifecycleTest : public RpcTest {
 protected:
  health::HealthCheckResponse::ServingStatus HealthOf(const std::string& service) {
    health::HealthCheckRequest request;
    request.set_service(service);
    const auto response = client_->Call(health::Health::kCheck, request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->status() : health::HealthCheckResponse::UNKNOWN;
  }

  absl::Status StartSecond(const std::string& address) {
    ServerOptions options;
    options.address = address;
    return Server::Start(options, {}, *verifier_).status();
  }
};

using LifecycleDeathTest = LifecycleTest;

TEST_F(LifecycleTest, HealthFollowsSetServing) {
  Start();
  const auto kServing = health::HealthCheckResponse::SERVING;
  const auto kNotServing = health::HealthCheckResponse::NOT_SERVING;
  for (const char* service :
       {"", invitations::InvitationService::kFullName, auth::ControlService::kFullName}) {
    EXPECT_EQ(HealthOf(service), kNotServing) << service;
  }
  EXPECT_FALSE(client_->IsServing(seconds(5)));
  server_->SetServing(true);
  for (const char* service :
       {"", invitations::InvitationService::kFullName, auth::ControlService::kFullName}) {
    EXPECT_EQ(HealthOf(service), kServing) << service;
  }
  EXPECT_TRUE(client_->IsServing(seconds(5)));
  Slot<bool> serving;
  client_->CheckServing(seconds(5), [&](bool value) { serving.Set(value); });
  EXPECT_TRUE(*serving.Await());
  server_->SetServing(false);
  EXPECT_FALSE(client_->IsServing(seconds(5)));
  server_.reset();
  EXPECT_FALSE(client_->IsServing(seconds(5)));
  Slot<bool> gone;
  client_->CheckServing(seconds(5), [&](bool value) { gone.Set(value); });
  EXPECT_FALSE(*gone.Await());
}

TEST_F(LifecycleTest, HealthNeedsNoPassport) {
  Start();
  server_->SetServing(true);
  EXPECT_TRUE(NewClient(nullptr)->IsServing(seconds(5)));
}

TEST_F(LifecycleTest, DrainFinishesTheCallsInHand) {
  Gate& gate = gate_;
  redeem_ = [&](Call&, const Request&) -> Response {
    gate.Pass();
    invitations::RedeemInvitationResponse response;
    response.set_tenant_id(9);
    return response;
  };
  Start();
  server_->SetServing(true);
  auto outcome = std::make_shared<Outcome>();
  CallRedeemAsync(*client_, outcome);
  ASSERT_TRUE(gate.AwaitWaiting(1));
  std::atomic<bool> drained = false;
  std::thread drain([&] {
    server_->Drain(kBound);
    drained = true;
  });
  // Other calls are refused while the drain waits for the one in hand.
  EXPECT_TRUE(Eventually([&] {
    CallOptions options;
    options.timeout = milliseconds(100);
    return CallRedeem(*client_, options).status().code() == absl::StatusCode::kUnavailable;
  }));
  EXPECT_FALSE(drained);
  gate.Open();
  drain.join();
  ASSERT_TRUE(outcome->Await()->ok()) << outcome->Await()->status();
  EXPECT_EQ((*outcome->Await())->tenant_id(), 9);
  EXPECT_EQ(CallRedeem(*client_).status().code(), absl::StatusCode::kUnavailable);
  server_->Drain(seconds(5));
  server_->SetServing(true);  // Harmless after a drain.
}

TEST_F(LifecycleTest, DrainCancelsWhatOutlastsItsGrace) {
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
  CallRedeemAsync(*client_, outcome, options);
  ASSERT_TRUE(gate.AwaitWaiting(1));
  gate.Open();
  server_->Drain(milliseconds(20));
  EXPECT_TRUE(*cancelled.Await());
  EXPECT_FALSE(outcome->Await()->ok());
}

TEST_F(LifecycleTest, MethodsThatNobodyRegisteredAreUnimplemented) {
  Start();
  invitations::ListInvitationsRequest request;
  const absl::Status status =
      client_->Call(invitations::InvitationService::kListInvitations, request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(Reason(status), "METHOD_UNIMPLEMENTED");

  auto end = std::make_shared<Slot<absl::Status>>();
  client_->Watch(
      auth::ControlService::kWatchControl, auth::WatchControlRequest(), {},
      [](const auth::ControlUpdate&) {}, [end](const absl::Status& reason) { end->Set(reason); });
  EXPECT_EQ(end->Await()->code(), absl::StatusCode::kUnimplemented) << "a stream too";

  const Method<Request, invitations::RedeemInvitationResponse> unknown{"/no.such.Service/Method"};
  EXPECT_EQ(client_->Call(unknown, Request()).status().code(), absl::StatusCode::kUnimplemented);
}

TEST_F(LifecycleTest, ReflectionListsServicesAlsoThoseWithoutMethods) {
  options_.reflection = true;
  Start();
  // ServerReflectionRequest{list_services (field 7): ""}, without its proto.
  auth::TokenRevocation request;
  request.GetReflection()->MutableUnknownFields(&request)->AddLengthDelimited(7, "");
  auto answer = std::make_shared<Slot<std::string>>();
  auto handle = client_->Watch(
      StreamMethod<auth::TokenRevocation, auth::TokenRevocation>{
          "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"},
      request, {},
      [answer](const auth::TokenRevocation& bytes) { answer->Set(bytes.SerializeAsString()); },
      [](const absl::Status&) {});
  ASSERT_TRUE(answer->Await().has_value());
  EXPECT_THAT(*answer->Await(), HasSubstr(invitations::InvitationService::kFullName));
  EXPECT_THAT(*answer->Await(), HasSubstr(auth::ControlService::kFullName));
  EXPECT_THAT(*answer->Await(), HasSubstr("grpc.health.v1.Health"));
}

TEST_F(LifecycleTest, ASecondServerCannotTakeALivingSocket) {
  Start();
  const absl::Status status = StartSecond(options_.address);
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Reason(status), "ADDRESS_IN_USE");
  EXPECT_TRUE(CallRedeem(*client_).ok()) << "the first one still serves";
}

TEST_F(LifecycleTest, AStaleSocketFileIsNoObstacle) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const std::string path = Path("s.sock");
  path.copy(name.sun_path, sizeof(name.sun_path) - 1);
  {
    const UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
    ASSERT_EQ(::listen(dead.get(), 1), 0);
  }
  ASSERT_TRUE(std::filesystem::is_socket(path));
  Start();
  EXPECT_TRUE(CallRedeem(*client_).ok());
}

TEST_F(LifecycleTest, AddressesThatCannotBeListenedOnAreErrors) {
  EXPECT_EQ(Reason(StartSecond("unix:")), "ADDRESS_INVALID");
  EXPECT_EQ(Reason(StartSecond("unix:" + Path(std::string(120, 'x')))), "ADDRESS_INVALID");
  EXPECT_EQ(Reason(StartSecond("unix:" + Path("absent/s.sock"))), "LISTEN_FAILED");
  std::ofstream(Path("file")) << "not a socket";
  EXPECT_EQ(Reason(StartSecond("unix:" + Path("file"))), "LISTEN_FAILED");
  EXPECT_TRUE(std::filesystem::is_regular_file(Path("file"))) << "not ours to remove";
}

TEST_F(LifecycleTest, PortZeroIsReportedAsThePortThatWasChosen) {
  options_.address = "127.0.0.1:0";
  Start();
  EXPECT_EQ(server_->address().rfind("127.0.0.1:", 0), 0u);
  EXPECT_NE(server_->address(), "127.0.0.1:0");
  EXPECT_TRUE(CallRedeem(*client_).ok());
  EXPECT_EQ(Reason(StartSecond(server_->address())), "LISTEN_FAILED")
      << "no port is shared by SO_REUSEPORT";
}

TEST_F(LifecycleTest, AServerStartsAgainOnTheSameAddressAndClientsFindIt) {
  Start();
  EXPECT_TRUE(CallRedeem(*client_).ok());
  server_.reset();
  EXPECT_EQ(CallRedeem(*client_).status().code(), absl::StatusCode::kUnavailable);
  auto again = Server::Start(options_, {&invitations_}, *verifier_);
  ASSERT_TRUE(again.ok()) << again.status();
  server_ = *std::move(again);
  CallOptions options;
  options.wait_for_ready = true;
  EXPECT_TRUE(CallRedeem(*client_, options).ok());
}

// The whole answer to GET /metrics.
std::string Scrape(const std::string& address) {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port =
      htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  EXPECT_EQ(::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t got; (got = ::recv(socket.get(), buffer, sizeof(buffer), 0)) > 0;) {
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  return answer;
}

// The value of one series in `text`, 0 when it is absent.
long ValueOf(const std::string& text, const std::string& series) {
  const std::size_t at = text.find(series + " ");
  return at == std::string::npos ? 0 : std::stol(text.substr(at + series.size() + 1));
}

TEST_F(LifecycleTest, EveryOutcomeIsCountedUnderTheWellKnownNames) {
  invitations_.Unary(invitations::InvitationService::kRevokeInvitation, policy_,
                     [](Call&, const invitations::RevokeInvitationRequest& request)
                         -> absl::StatusOr<invitations::Invitation> {
                       if (request.id() == "7") return invitations::Invitation();
                       return Error(absl::StatusCode::kNotFound, "INVITATION_NOT_FOUND", "");
                     });
  redeem_ = nullptr;
  invitations_.UnaryLater(
      invitations::InvitationService::kRedeemInvitation, policy_,
      [](Call&, const Request&, const Reply<invitations::RedeemInvitationResponse>& reply) {
        reply(invitations::RedeemInvitationResponse());
      });
  Start();
  auto exposer = metrics::Exposer::Start("127.0.0.1:0");
  ASSERT_TRUE(exposer.ok()) << exposer.status();
  const std::string before = Scrape((*exposer)->address());

  invitations::RevokeInvitationRequest request;
  EXPECT_FALSE(client_->Call(invitations::InvitationService::kRevokeInvitation, request).ok());
  request.set_id("7");
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(client_->Call(invitations::InvitationService::kRevokeInvitation, request).ok());
  }

  EXPECT_TRUE(CallRedeem(*client_).ok());

  const std::string after = Scrape((*exposer)->address());
  const auto grown = [&](const std::string& series) {
    return ValueOf(after, series) - ValueOf(before, series);
  };
  const std::string labels =
      "grpc_method=\"RevokeInvitation\","
      "grpc_service=\"gatehouse.invitations.v1.InvitationService\"}";
  EXPECT_EQ(grown("grpc_server_handled_total{grpc_code=\"OK\"," + labels), 2);
  EXPECT_EQ(grown("grpc_server_handled_total{grpc_code=\"NotFound\"," + labels), 1);
  EXPECT_EQ(grown("grpc_server_handling_seconds_count{" + labels), 3);
  EXPECT_EQ(grown("grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"RedeemInvitation\","
                  "grpc_service=\"gatehouse.invitations.v1.InvitationService\"}"),
            1)
      << "one that answers later";
}

absl::StatusOr<invitations::RedeemInvitationResponse> Nothing(Call&, const Request&) {
  return invitations::RedeemInvitationResponse();
}

TEST_F(LifecycleDeathTest, RegistrationChecksAgainstTheProto) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  using Redeem = Method<Request, invitations::RedeemInvitationResponse>;
  EXPECT_DEATH(Service("gatehouse.no.Such"), "no linked proto declares it");
  EXPECT_DEATH(Service(invitations::InvitationService::kFullName)
                   .Unary(Redeem{"/gatehouse.invitations.v1.InvitationService/Redem"}, {}, Nothing),
               "not a method of this service");
  EXPECT_DEATH(Service(auth::ControlService::kFullName)
                   .Unary(invitations::InvitationService::kRedeemInvitation, {}, Nothing),
               "not a method of this service");
  EXPECT_DEATH(Service(invitations::InvitationService::kFullName)
                   .Unary(Redeem{"/gatehouse.invitations.v1.InvitationService/ListInvitations"}, {},
                          Nothing),
               "another request type");
  EXPECT_DEATH(Service(auth::ControlService::kFullName)
                   .Unary(Redeem{"/gatehouse.auth.v1.ControlService/WatchControl"}, {}, Nothing),
               "another kind of streaming");
  EXPECT_DEATH(Service(invitations::InvitationService::kFullName)
                   .Unary(invitations::InvitationService::kRedeemInvitation, {}, Nothing)
                   .Unary(invitations::InvitationService::kRedeemInvitation, {}, Nothing),
               "a handler already");
}

}  // namespace
}  // namespace gatehouse::rpc
