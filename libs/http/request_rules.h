// What a request's head must say to be unambiguous: one framing, one host, a
// target that is a path. Stricter than RFC 9112 where it leaves a choice. Not the
// syntax of the lines, which is request_parser.h. Internal to libs/http.
#pragma once

#include <string_view>

#include "libs/http/request_head.h"

namespace gatehouse::http {

// Reads framing, connection and expectation out of the fields, and brings the
// target into origin form. Returns 0, or the status to refuse the request with.
int CheckHead(RequestHead* head);

// Whether `host` is a host name, an IPv4 or bracketed IPv6 address, with an
// optional port (RFC 9110 section 7.2).
bool IsHostValid(std::string_view host);

}  // namespace gatehouse::http
