// The part of a WebSocket's opening handshake that its answer needs (RFC 6455
// section 4.2.2). Checking one is in websocket.h. Internal to libs/http.
#pragma once

#include <string>
#include <string_view>

namespace gatehouse::http {

// Sec-WebSocket-Accept for a client's Sec-WebSocket-Key.
std::string AcceptFor(std::string_view key);

}  // namespace gatehouse::http
