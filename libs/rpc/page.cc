#include "libs/rpc/page.h"

#include <algorithm>
#include <charconv>

#include "libs/base/secret.h"
#include "libs/base/time_text.h"
#include "libs/base/uuid.h"
#include "libs/status/status.h"

namespace gatehouse::rpc {
namespace {

absl::Status Invalid(const std::string& reason, const std::string& field,
                     const std::string& description) {
  return WithFieldViolation(
      Error(absl::StatusCode::kInvalidArgument, reason, field + " " + description), field,
      description);
}

std::optional<PagePosition> Decode(const std::string& token) {
  const std::optional<std::string> text = Base64UrlDecode(token);
  const std::size_t slash = text ? text->find('/') : std::string::npos;
  if (slash == std::string::npos) return std::nullopt;
  std::int64_t micros = 0;
  const auto parsed = std::from_chars(text->data(), text->data() + slash, micros);
  PagePosition position{FromMicros(micros), text->substr(slash + 1)};
  // One spelling each: what reads otherwise was not ours.
  if (parsed.ec != std::errc() || micros < 0 || !IsUuid(position.id) ||
      PageToken(position) != token) {
    return std::nullopt;
  }
  return position;
}

}  // namespace

std::string PageToken(const PagePosition& last) {
  return Base64UrlEncode(std::to_string(ToMicros(last.time)) + "/" + last.id);
}

absl::StatusOr<std::optional<PagePosition>> ParsePageToken(const std::string& token) {
  if (token.empty()) return std::optional<PagePosition>();
  std::optional<PagePosition> position = Decode(token);
  if (!position) return Invalid("PAGE_TOKEN_INVALID", "page_token", "is not from a page");
  return position;
}

absl::StatusOr<int> PageLimit(int page_size, int fallback, int max) {
  if (page_size < 0) return Invalid("PAGE_SIZE_INVALID", "page_size", "must not be negative");
  return page_size == 0 ? fallback : std::min(page_size, max);
}

}  // namespace gatehouse::rpc
