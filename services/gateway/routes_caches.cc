#include "gatehouse/auth/v1/control.methods.h"
#include "services/gateway/lease_keeper.h"
#include "services/gateway/request_context.h"
#include "services/gateway/routes.h"
#include "services/gateway/user_limiter.h"

namespace gatehouse::gateway {
namespace {

void ClearCaches(const Context& context) {
  auth::v1::FlushCachesRequest request;
  *request.mutable_origin() = context->Origin();
  context->CallOrFail(*context->upstreams().auth, auth::v1::ControlService::kFlushCaches, request,
                      [context](const auth::v1::FlushCachesResponse& flushed) {
                        // At once here; every gateway hears of it by auth's stream.
                        const Parts& parts = context->parts();
                        parts.authenticator.Clear();
                        parts.user_limiter.Clear();
                        const std::int64_t flush = flushed.sequence();
                        if (parts.leases != nullptr) parts.leases->Clear(flush, flush);
                        context->ReplyJson(200, R"({"message":"All caches cleared"})");
                      });
}

}  // namespace

void AddCacheRoutes(RouteTable& table) {
  table.Add({.method = "DELETE",
             .path = "/api/caches",
             .audience = Audience::kPermission,
             .requirement = "manage_gateway",
             .code_403 = "GTW008",
             .handler = ClearCaches});
}

}  // namespace gatehouse::gateway
