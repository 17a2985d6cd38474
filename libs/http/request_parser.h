// Reads the head of an HTTP/1.x request strictly, by Boost.Beast and checks on top
// of it. Only the syntax: what the fields mean is request_rules.h. Internal to
// libs/http.
#pragma once

#include <cstddef>
#include <string_view>

#include "libs/http/request_head.h"

namespace gatehouse::http {

inline constexpr std::size_t kTargetBytesMax = 8192;

struct HeadLimits {
  std::size_t head_bytes_max = 16384;
  int header_count_max = 100;
};

struct HeadScan {
  std::size_t length = 0;  // Of the whole head, final CRLF included; 0: not yet.
  int status = 0;          // Not 0: refuse with this status.
};

// Looks for the end of the head that begins `input`. `*scanned` says how much of
// it earlier calls have seen; begin with 0. Finds bare LF, a first byte that
// begins no method, and heads that are too long, before the head is complete.
HeadScan ScanHead(std::string_view input, const HeadLimits& limits, std::size_t* scanned);

// Splits a complete head. Returns 0, or the status to refuse it with; `*head` then
// holds what was understood.
int ParseHead(std::string_view bytes, const HeadLimits& limits, RequestHead* head);

}  // namespace gatehouse::http
