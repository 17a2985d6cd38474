#include "services/gateway/array_page.h"

namespace gatehouse::gateway {

void ReplyArray(const Context& context, std::string json, std::int64_t total,
                const std::string& next_page_token) {
  http::Response response = JsonResponse(200, std::move(json));
  response.headers.push_back({"X-Total-Count", std::to_string(total)});
  if (!next_page_token.empty()) response.headers.push_back({"X-Next-Cursor", next_page_token});
  context->Reply(std::move(response));
}

}  // namespace gatehouse::gateway
