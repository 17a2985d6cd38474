#include "services/auth/rpc_redeemer.h"

#include "gatehouse/invitations/v1/invitations.methods.h"

namespace gatehouse::auth {
namespace {

constexpr std::chrono::milliseconds kTimeout{2000};

}  // namespace

absl::StatusOr<std::int64_t> RpcRedeemer::Redeem(const Signup& signup) {
  invitations::v1::RedeemInvitationRequest request;
  request.set_token_digest(signup.passkey_digest);
  request.set_redemption_id(signup.id);
  request.set_email(signup.email);
  rpc::CallOptions options;
  options.timeout = kTimeout;
  options.request_id = signup.origin.request_id;
  options.idempotent = true;
  GH_ASSIGN_OR_RETURN(
      const invitations::v1::RedeemInvitationResponse response,
      client_.Call(invitations::v1::InvitationService::kRedeemInvitation, request, options));
  return response.tenant_id();
}

}  // namespace gatehouse::auth
