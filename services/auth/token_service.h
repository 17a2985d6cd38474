// gatehouse.auth.v1.TokenService over RPC: whom a credential stands for, and the
// tokens and keys that users make. Not logins (session_service.h).
#pragma once

#include <string>

#include "gatehouse/auth/v1/token.pb.h"
#include "libs/pg/database.h"
#include "libs/rpc/server.h"
#include "services/auth/control_hub.h"
#include "services/auth/credential_store.h"

namespace gatehouse::auth {

class TokenService {
 public:
  // Both must outlive this.
  TokenService(pg::Database& db, ControlHub& hub);

  rpc::Service& rpc() { return rpc_; }

 private:
  absl::StatusOr<v1::LookupTokenResponse> LookupToken(const v1::LookupTokenRequest& request);
  absl::StatusOr<v1::ValidateTokenResponse> ValidateToken(const v1::ValidateTokenRequest& request);
  absl::StatusOr<v1::CreateTokenResponse> CreateToken(rpc::Call& call,
                                                      const v1::CreateTokenRequest& request);
  absl::StatusOr<v1::ListTokensResponse> ListTokens(rpc::Call& call,
                                                    const v1::ListTokensRequest& request);
  absl::StatusOr<v1::RevokeTokenResponse> RevokeToken(rpc::Call& call,
                                                      const v1::RevokeTokenRequest& request);

  // Records the use of a found credential if its last is a minute old; what this has
  // done to its end.
  std::optional<RecordedUse> NoteUse(const CredentialRow& credential);

  pg::Database& db_;
  ControlHub& hub_;
  rpc::Service rpc_;
};

}  // namespace gatehouse::auth
