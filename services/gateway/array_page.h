// How a list that the documents show as a bare array is answered: what a body has
// no room for goes into header fields. Not for lists within an object.
#pragma once

#include <cstdint>
#include <string>

#include "services/gateway/request_context.h"

namespace gatehouse::gateway {

// 200 with the array `json`, X-Total-Count and, unless `next_page_token` is empty,
// X-Next-Cursor.
void ReplyArray(const Context& context, std::string json, std::int64_t total,
                const std::string& next_page_token);

}  // namespace gatehouse::gateway
