#include "services/gateway/common_headers.h"

#include <algorithm>

namespace gatehouse::gateway {
namespace {

constexpr char kPolicy[] = "Content-Security-Policy";
constexpr char kStrictTransport[] = "Strict-Transport-Security";
constexpr char kStrictTransportValue[] = "max-age=31536000";

struct Field {
  const char* name;
  const char* value;
};
constexpr Field kFields[] = {
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Permissions-Policy", "geolocation=(), microphone=(), camera=()"},
    {"Cache-Control", "no-store"},
};

// Calls `add(name, value)` for what `has` does not know yet.
template <typename Has, typename Add>
void VisitMissing(const std::string& request_id, const Options& options, ContentPolicy policy,
                  const Has& has, const Add& add) {
  if (!has("X-Request-ID")) add("X-Request-ID", request_id);
  for (const Field& field : kFields) {
    if (!has(field.name)) add(field.name, field.value);
  }
  if (!has(kPolicy)) add(kPolicy, PolicyText(policy));
  if (options.https_only && !has(kStrictTransport)) add(kStrictTransport, kStrictTransportValue);
}

}  // namespace

const char* PolicyText(ContentPolicy policy) {
  switch (policy) {
    case ContentPolicy::kNothing:
      return "default-src 'none'; frame-ancestors 'none'";
    case ContentPolicy::kSelf:
      return "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
  }
  return "";
}

void AddCommonHeaders(const std::string& request_id, const Options& options,
                      http::Response* response, ContentPolicy policy) {
  auto& headers = response->headers;
  const std::size_t own = headers.size();
  headers.reserve(own + std::size(kFields) + 3);
  const auto has = [&](std::string_view name) {
    return std::any_of(headers.begin(), headers.begin() + static_cast<std::ptrdiff_t>(own),
                       [&](const auto& header) { return http::SameName(header.name, name); });
  };
  VisitMissing(request_id, options, policy, has, [&](const char* name, const std::string& value) {
    headers.push_back({name, value});
  });
}

void AppendCommonLines(const std::string& request_id, const Options& options,
                       const std::function<bool(std::string_view)>& has, std::string* lines,
                       ContentPolicy policy) {
  VisitMissing(request_id, options, policy, has,
               [&](std::string_view name, std::string_view value) {
                 lines->append(name).append(": ").append(value).append("\r\n");
               });
}

}  // namespace gatehouse::gateway
