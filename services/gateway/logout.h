// Ends the login that a request presents: the same on every surface, but for the
// words. Not the ending of other logins (routes_auth.cc).
#pragma once

#include <string>

#include "services/gateway/request_context.h"

namespace gatehouse::gateway {

// Revokes the presented credential, at this gateway at once, deletes the cookies
// and answers 200 {"message": `message`}.
void LogOut(const Context& context, const std::string& message);

}  // namespace gatehouse::gateway
