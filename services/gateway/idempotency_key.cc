#include "services/gateway/idempotency_key.h"

#include "libs/base/uuid.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

// The name space of keys that are not UUIDs themselves.
constexpr char kKeySpace[] = "5b1f1a52-6f0e-4d0b-9a6b-0d6a8f3f7c11";

}  // namespace

absl::StatusOr<std::string> ReadIdempotencyKey(const RequestContext& context) {
  const auto sent = context.request().Find("Idempotency-Key");
  if (!sent) return UuidV7();
  const std::string key(Trim(*sent));
  if (key.empty() || key.size() > 255 || Printable(key, 255) != key) {
    return Error(absl::StatusCode::kInvalidArgument, "IDEMPOTENCY_KEY_INVALID",
                 "Idempotency-Key must be 1 to 255 printable ASCII characters");
  }
  if (IsUuid(key)) return AsciiLower(key);
  return UuidV5(kKeySpace, context.principal().user_id() + "/" + key);
}

}  // namespace gatehouse::gateway
