#include "services/gateway/api_tokens.h"

#include "gatehouse/auth/v1/token.methods.h"

namespace gatehouse::gateway {
namespace {

using auth::v1::TokenService;

void WriteToken(const auth::v1::Token& token, JsonWriter& json) {
  json.BeginObject().Field("id", token.id()).Field("name", token.name());
  json.TimeField("expires_at", token.has_expire_time(), token.expire_time());
  json.Field("is_revoked", token.is_revoked());
  json.TimeField("last_used_at", token.has_last_used_time(), token.last_used_time());
  json.TimeField("created_at", token.has_create_time(), token.create_time()).EndObject();
}

absl::StatusOr<auth::v1::ListTokensRequest> ReadList(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(Query query, context.Arguments());
  auth::v1::ListTokensRequest request;
  request.set_kind(auth::v1::CREDENTIAL_KIND_API);
  request.set_page_size(static_cast<int>(query.Number("limit", 500, 1, 500)));
  request.set_page_token(query.Text("cursor").value_or(""));
  GH_RETURN_IF_ERROR(query.Finish());
  return request;
}

// The array stands in an object, yet its cursor in the header: the documents give
// the object these two members.
void ReplyList(const Context& context, const auth::v1::ListTokensResponse& page) {
  JsonWriter json;
  json.BeginObject().Key("tokens").BeginArray();
  for (const auto& token : page.tokens()) WriteToken(token, json);
  json.EndArray().Field("total", page.total()).EndObject();
  http::Response response = JsonResponse(200, json.Take());
  if (!page.next_page_token().empty()) {
    response.headers.push_back({"X-Next-Cursor", page.next_page_token()});
  }
  context->Reply(std::move(response));
}

}  // namespace

void ListApiTokens(const Context& context, const std::string& user_id) {
  auto request = ReadList(*context);
  if (!request.ok()) return context->Fail(request.status());
  request->set_user_id(user_id);
  context->CallOrFail(
      *context->upstreams().auth, TokenService::kListTokens, *request,
      [context](const auth::v1::ListTokensResponse& page) { ReplyList(context, page); });
}

auth::v1::RevokeTokenRequest MakeRevocation(const std::string& user_id, const std::string& id) {
  auth::v1::RevokeTokenRequest request;
  request.set_id(id);
  request.set_user_id(user_id);
  return request;
}

void ReplyRevoked(const Context& context, const std::string& token_id) {
  context->parts().control.Revoke(token_id, std::chrono::steady_clock::now());
  context->ReplyJson(200, R"({"status":"success","message":"Token revoked"})");
}

}  // namespace gatehouse::gateway
