// The two cookies of a browser's login: access_token_cookie, which scripts cannot
// read, and csrf_token, which they send back as X-CSRF-Token. One of each, never a
// second with another Domain. Does not check them (credential.h).
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "libs/http/message.h"
#include "services/gateway/options.h"

namespace gatehouse::gateway {

// `request`, here and below: whose Host decides whether the cookies carry the
// configured Domain; a browser drops one of a foreign domain.

// Logs the browser in with `token`, for `age`, or until it is closed; with a new
// csrf_token of the same life.
void AddLoginCookies(const Options& options, const http::Request& request, const std::string& token,
                     std::optional<std::chrono::seconds> age, http::Response* response);

// Sends both cookies of `request` again, with a new life.
void RenewLoginCookies(const Options& options, const http::Request& request,
                       std::chrono::seconds age, http::Response* response);

// Logs the browser out.
void DeleteLoginCookies(const Options& options, const http::Request& request,
                        http::Response* response);

// Whether `response` itself says what becomes of the session cookie.
bool SetsSessionCookie(const http::Response& response);

}  // namespace gatehouse::gateway
