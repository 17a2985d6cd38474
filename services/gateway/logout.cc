#include "services/gateway/logout.h"

#include "gatehouse/auth/v1/session.methods.h"
#include "services/gateway/cookies.h"

namespace gatehouse::gateway {

void LogOut(const Context& context, const std::string& message) {
  auth::v1::LogOutRequest request;
  request.set_credential_id(context->identity()->token_id);
  *request.mutable_origin() = context->Origin();
  context->CallOrFail(*context->upstreams().auth, auth::v1::SessionService::kLogOut, request,
                      [context, message](const auth::v1::LogOutResponse&) {
                        // At once here; the other gateways hear of it by auth's stream.
                        context->parts().control.Revoke(context->identity()->token_id,
                                                        std::chrono::steady_clock::now());
                        JsonWriter json;
                        json.BeginObject().Field("message", message).EndObject();
                        http::Response response = JsonResponse(200, json.Take());
                        DeleteLoginCookies(context->parts().options, context->request(), &response);
                        context->Reply(std::move(response));
                      });
}

}  // namespace gatehouse::gateway
