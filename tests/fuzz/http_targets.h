// The targets of libs/http.
#pragma once

#include <string_view>

namespace gatehouse::fuzz {

void RequestHead(std::string_view input);
void ChunkedBody(std::string_view input);
void TargetText(std::string_view input);
void ResponseHead(std::string_view input);
void WebSocketFrames(std::string_view input);

}  // namespace gatehouse::fuzz
