#include "services/auth/rpc_redeemer.h"

#include "gatehouse/invitations/v1/invitations.methods.h"

namespace gatehouse::auth {
namespace {

using invitations::v1::InvitationService;

rpc::CallOptions OptionsFor(const Signup& signup) {
  rpc::CallOptions options;
  options.timeout = std::chrono::milliseconds(2000);
  options.request_id = signup.origin.request_id;
  options.idempotent = true;
  return options;
}

}  // namespace

absl::Status RpcRedeemer::Check(const Signup& signup) {
  invitations::v1::CheckInvitationRequest request;
  request.set_token_digest(signup.passkey_digest);
  request.set_email(signup.email);
  return client_.Call(InvitationService::kCheckInvitation, request, OptionsFor(signup)).status();
}

absl::StatusOr<std::int64_t> RpcRedeemer::Redeem(const Signup& signup) {
  invitations::v1::RedeemInvitationRequest request;
  request.set_token_digest(signup.passkey_digest);
  request.set_redemption_id(signup.id);
  request.set_email(signup.email);
  request.set_username(signup.username);
  GH_ASSIGN_OR_RETURN(
      const invitations::v1::RedeemInvitationResponse response,
      client_.Call(InvitationService::kRedeemInvitation, request, OptionsFor(signup)));
  return response.tenant_id();
}

}  // namespace gatehouse::auth
