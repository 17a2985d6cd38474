// The head of a request on its way to an upstream: what of the client's fields passes,
// and what the gateway says in its own name, above all the six context headers. Decides
// by names and values alone; sends nothing.
#pragma once

#include <string>
#include <string_view>

#include "gatehouse/type/v1/passport.pb.h"
#include "libs/http/message.h"
#include "services/gateway/options.h"

namespace gatehouse::gateway {

struct UpstreamHead {
  const http::Request& request;
  const Options& options;
  std::string_view authority;            // Of the upstream: what it gets as Host.
  const type::v1::Principal* principal;  // Null: nobody is known, no context is set.
  std::string_view request_id;
  std::string_view trace_parent;
};

// The request line and the header lines, each with its CRLF, without framing, Connection,
// Expect and Upgrade, as http::ForwardRequest wants them. Fields keep their order and
// repeats. Left out or replaced, in every spelling: hop-by-hop fields and those that
// Connection names, context headers, what proxies say of the client (X-Forwarded-*,
// Forwarded, X-Real-IP, …), what makes an upstream take the request for another one
// (X-Original-URL, X-HTTP-Method-Override, …), the gateway's own cookies and
// X-CSRF-Token, an Authorization that is no JWT, and the token among the subprotocols.
std::string WriteUpstreamHead(const UpstreamHead& head);

// Whether a header belongs to the space of context headers, in any spelling: X-User-…
// and X-Client-… of any case, with whatever is no letter or digit for "-".
bool IsContextHeader(std::string_view name);

// Appends the six context headers of `principal`. A credential that is narrowed to
// scopes says no more than these: the permissions among them, and the role "user".
void AppendContextLines(const type::v1::Principal& principal, std::string* lines);

// The first subprotocol that the upstream is not shown because it carries or announces a
// credential ("bearer, <token>", "authorization.bearer.<token>"), as it was offered; "".
std::string_view CredentialSubprotocol(const http::Request& request);

// Whether a pair "name=value", of Cookie or at the beginning of Set-Cookie, is one of the
// gateway's own two.
bool IsOurCookie(std::string_view pair);

}  // namespace gatehouse::gateway
