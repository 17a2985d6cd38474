// What a page of another origin may do here: preflights, the header fields that let it
// read an answer, and whether it may open a socket. One rule for own answers and for
// those of upstreams. Knows no routes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/http/message.h"
#include "services/gateway/hot_config.h"

namespace gatehouse::gateway {

// The 204 to a preflight of an origin that may know, for a path that takes `methods`;
// nullopt when `request` is no preflight, its origin may not know, or there is no method.
std::optional<http::Response> AnswerPreflight(const CorsConfig& cors, const http::Request& request,
                                              const std::vector<std::string>& methods);

// Appends the header lines that let the request's origin read the answer; "Vary: Origin"
// alone where the answer would be another for another origin. Nothing without origins.
void AppendCorsLines(const CorsConfig& cors, const http::Request& request, std::string* lines);
void AddCorsHeaders(const CorsConfig& cors, const http::Request& request, http::Response* response);

// Whether a page may open a socket with this request: it has no Origin (no browser), the
// origin of this very host, or one that is allowed. `by_cookie`: its credential is the
// session cookie. That needs an origin that is listed and may use credentials: no
// browser asks before it opens a socket.
bool MayConnect(const CorsConfig& cors, const http::Request& request, bool by_cookie);

// Whether a field of a response is one of those that answer a browser's CORS questions.
bool IsCorsField(std::string_view name);

}  // namespace gatehouse::gateway
