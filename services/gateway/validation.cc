#include "services/gateway/validation.h"

#include <utility>

#include "gatehouse/auth/v1/token.methods.h"

namespace gatehouse::gateway {

void ValidateThen(const Context& context, const auth::v1::ValidateTokenRequest& request,
                  std::function<void(const auth::v1::ValidateTokenResponse&)> reply) {
  if (auto refused = context->GuessesRefused()) return context->Fail(*std::move(refused));
  context->Call(*context->upstreams().auth, auth::v1::TokenService::kValidateToken, request,
                [context, reply = std::move(reply)](
                    const absl::StatusOr<auth::v1::ValidateTokenResponse>& valid) {
                  if (valid.ok()) return reply(*valid);
                  if (absl::IsUnauthenticated(valid.status())) context->NoteGuess();
                  context->Fail(valid.status(), "auth");
                });
}

}  // namespace gatehouse::gateway
