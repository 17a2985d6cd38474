// What every answer carries beside its own: request id and security headers, and
// the CORS headers where its request has an Origin that may know. One place for own
// answers and those of upstreams.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "libs/http/message.h"
#include "services/gateway/options.h"

namespace gatehouse::gateway {

// Content that a page may load from its own host; everything else gets deny-all.
enum class ContentPolicy { kNothing, kSelf };
const char* PolicyText(ContentPolicy policy);

// Adds what `response` lacks.
void AddCommonHeaders(const std::string& request_id, const Options& options,
                      http::Response* response, ContentPolicy policy = ContentPolicy::kNothing);

// The same as header lines, without those for which `has` says that they are there.
void AppendCommonLines(const std::string& request_id, const Options& options,
                       const std::function<bool(std::string_view)>& has, std::string* lines,
                       ContentPolicy policy = ContentPolicy::kNothing);

}  // namespace gatehouse::gateway
