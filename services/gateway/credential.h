// Finds the credential of a request. Does not check it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libs/http/message.h"

namespace gatehouse::gateway {

struct Route;

// The one path that takes its credential in the query, too.
inline constexpr char kStatusSocketPath[] = "/api/v1/ws/status";

inline constexpr char kSessionCookie[] = "access_token_cookie";
inline constexpr char kCsrfCookie[] = "csrf_token";

struct Credential {
  std::string token;
  bool from_cookie = false;
};

// "Authorization: Bearer …" or "Token …"; without that header the session
// cookie. nullopt when there is none, or an Authorization that is neither.
std::optional<Credential> FindCredential(const http::Request& request);

// The same for `route`. One for sockets also looks, between header and cookie, among
// the subprotocols: "bearer, <token>"; kStatusSocketPath takes
// "authorization.bearer.<token>" and "?token=<token>" as well.
std::optional<Credential> FindCredential(const http::Request& request, const Route& route);

// The subprotocol that the answer to a WebSocket's handshake selects: the one that
// carries or announces a credential, "" where none is offered.
std::string SubprotocolFor(const http::Request& request, const Route& route);

// The first cookie of that name, or "".
std::string_view FindCookie(const http::Request& request, std::string_view name);

// Whether a request that was authenticated by cookie proves that a page of ours
// sent it: X-CSRF-Token equals the cookie csrf_token.
bool HasCsrfProof(const http::Request& request);

}  // namespace gatehouse::gateway
