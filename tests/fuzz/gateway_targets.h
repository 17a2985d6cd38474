// The targets of the gateway and of libs/token.
#pragma once

#include <string_view>

namespace gatehouse::fuzz {

void JsonObject(std::string_view input);
void JsonStream(std::string_view input);
void SignedToken(std::string_view input);
void ConfigText(std::string_view input);

}  // namespace gatehouse::fuzz
