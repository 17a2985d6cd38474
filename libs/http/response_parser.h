// Reads the head of an HTTP/1.x response strictly, by Boost.Beast and checks on
// top of it. Only the syntax: what the fields mean is response_rules.h. Internal
// to libs/http.
#pragma once

#include <cstddef>
#include <string_view>

#include "libs/http/response_head.h"

namespace gatehouse::http {

inline constexpr std::size_t kResponseHeadBytesMax = 32 * 1024;
inline constexpr std::size_t kResponseFieldsMax = 100;

struct ResponseScan {
  std::size_t length = 0;  // Of the whole head, final CRLF included; 0: not yet.
  bool is_bad = false;
};

// Looks for the end of the head that begins `input`. `*scanned` says how much of
// it earlier calls have seen; begin with 0. Finds what is not HTTP/1, bare LF and
// heads that are too long before the head is complete.
ResponseScan ScanResponseHead(std::string_view input, std::size_t* scanned);

// Splits a complete head. False when it is malformed.
bool ParseResponseHead(std::string_view bytes, ResponseHead* head);

}  // namespace gatehouse::http
