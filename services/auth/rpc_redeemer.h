// Asks for passkeys and redeems them by RPC at the invitations service.
#pragma once

#include "libs/rpc/client.h"
#include "services/auth/signup_saga.h"

namespace gatehouse::auth {

// Thread-safe.
class RpcRedeemer final : public InvitationRedeemer {
 public:
  // `client` must outlive this.
  explicit RpcRedeemer(rpc::Client& client) : client_(client) {}

  absl::Status Check(const Signup& signup) override;
  absl::StatusOr<std::int64_t> Redeem(const Signup& signup) override;

 private:
  rpc::Client& client_;
};

}  // namespace gatehouse::auth
