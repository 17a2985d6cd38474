// The strict envelope of /platform and /api/caches: every answer is HTTP 200 and
// says its status in the body. Only for clients that ask for it by
// STRICT_RESPONSE_ENVELOPE; not the error object (error_page.h).
#pragma once

#include <string_view>

#include "libs/http/message.h"

namespace gatehouse::gateway {

bool IsEnveloped(std::string_view path);

// {"status_code":200,"response":{…},…} with the payload's members beside, or
// {"status_code":401,"error_code":…,"error_message":…}. Leaves what is not JSON as
// it is.
void Enclose(http::Response* response);

}  // namespace gatehouse::gateway
