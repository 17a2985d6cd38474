#include "services/auth/rpc_redeemer.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "gatehouse/invitations/v1/invitations.methods.h"
#include "libs/base/secret.h"
#include "libs/rpc/server.h"

namespace gatehouse::auth {
namespace {

using invitations::v1::CheckInvitationRequest;
using invitations::v1::CheckInvitationResponse;
using invitations::v1::InvitationService;
using invitations::v1::RedeemInvitationRequest;
using invitations::v1::RedeemInvitationResponse;

// A server that remembers the last request and answers as it is told.
class RpcRedeemerTest : public ::testing::Test {
 protected:
  RpcRedeemerTest() {
    token::SigningKey key = token::SigningKey::Generate("auth");
    verifier_ = std::make_unique<rpc::PassportVerifier>(
        "invitations", std::map<std::string, std::string>{{"auth", key.public_key()}}, clock_);
    issuer_ = std::make_unique<rpc::PassportIssuer>("auth", std::move(key), clock_);
    invitations_.Unary(
        InvitationService::kCheckInvitation, {.callers = {"auth"}},
        [this](rpc::Call&,
               const CheckInvitationRequest& request) -> absl::StatusOr<CheckInvitationResponse> {
          checked_ = request;
          GH_RETURN_IF_ERROR(answer_);
          return CheckInvitationResponse();
        });
    invitations_.Unary(
        InvitationService::kRedeemInvitation, {.callers = {"auth"}},
        [this](rpc::Call&,
               const RedeemInvitationRequest& request) -> absl::StatusOr<RedeemInvitationResponse> {
          redeemed_ = request;
          GH_RETURN_IF_ERROR(answer_);
          RedeemInvitationResponse response;
          response.set_tenant_id(7);
          return response;
        });
    auto server = rpc::Server::Start({.address = "127.0.0.1:0"}, {&invitations_}, *verifier_);
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    client_ = std::make_unique<rpc::Client>("invitations", server_->address(), issuer_.get());
  }

  const Signup signup_{.id = "0198c0de-0000-7000-8000-00000000ada0",
                       .username = "ada",
                       .email = "ada@example.com",
                       .password_hash = "never sent",
                       .passkey_digest = Sha256("p1"),
                       .origin = {}};
  absl::Status answer_;
  CheckInvitationRequest checked_;
  RedeemInvitationRequest redeemed_;
  SystemClock clock_;
  rpc::Service invitations_{InvitationService::kFullName};
  std::unique_ptr<rpc::PassportIssuer> issuer_;
  std::unique_ptr<rpc::PassportVerifier> verifier_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<rpc::Client> client_;
};

TEST_F(RpcRedeemerTest, ChecksByDigestAndAddress) {
  EXPECT_TRUE(RpcRedeemer(*client_).Check(signup_).ok());
  EXPECT_EQ(checked_.token_digest(), signup_.passkey_digest);
  EXPECT_EQ(checked_.email(), "ada@example.com");
  EXPECT_EQ(redeemed_.token_digest(), "") << "a check redeems nothing";
}

TEST_F(RpcRedeemerTest, RedeemsUnderTheSignupsIdAndTellsTheUsername) {
  const auto tenant_id = RpcRedeemer(*client_).Redeem(signup_);
  ASSERT_TRUE(tenant_id.ok()) << tenant_id.status();
  EXPECT_EQ(*tenant_id, 7);
  EXPECT_EQ(redeemed_.token_digest(), signup_.passkey_digest);
  EXPECT_EQ(redeemed_.redemption_id(), signup_.id);
  EXPECT_EQ(redeemed_.email(), "ada@example.com");
  EXPECT_EQ(redeemed_.username(), "ada");
}

TEST_F(RpcRedeemerTest, RefusalsArriveWithTheirReason) {
  answer_ = Error(absl::StatusCode::kFailedPrecondition, "INVITATION_EXPIRED", "expired");
  EXPECT_EQ(Reason(RpcRedeemer(*client_).Check(signup_)), "INVITATION_EXPIRED");
  const absl::Status refused = RpcRedeemer(*client_).Redeem(signup_).status();
  EXPECT_EQ(Reason(refused), "INVITATION_EXPIRED");
  EXPECT_TRUE(IsDefiniteRefusal(refused));
}

TEST_F(RpcRedeemerTest, AnUnreachableServiceIsNoDefiniteRefusal) {
  server_.reset();
  EXPECT_FALSE(IsDefiniteRefusal(RpcRedeemer(*client_).Check(signup_)));
  EXPECT_FALSE(IsDefiniteRefusal(RpcRedeemer(*client_).Redeem(signup_).status()));
  EXPECT_FALSE(RpcRedeemer(*client_).Check(signup_).ok());
}

}  // namespace
}  // namespace gatehouse::auth
