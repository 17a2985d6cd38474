// What an upstream's head must say to be unambiguous, and which of its fields are
// between it and us only. Stricter than RFC 9112 where it leaves a choice. Not the
// syntax of the lines, which is response_parser.h. Internal to libs/http.
#pragma once

#include "libs/http/response_head.h"

namespace gatehouse::http {

// Reads framing and connection out of the fields, then takes the fields away that go
// no further: framing, hop-by-hop, and what Connection names. `answers_head`: the
// request was HEAD. False when the framing is ambiguous or unknown.
bool CheckResponse(bool answers_head, ResponseHead* head);

}  // namespace gatehouse::http
