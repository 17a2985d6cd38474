// Splits the text of a JSON object into its members; see JsonBody for the rules.
// Alone in its file because the parser's templates are slow to compile.
#pragma once

#include <string_view>
#include <vector>

#include "libs/status/status.h"
#include "services/gateway/json_body.h"

namespace gatehouse::gateway {

absl::Status ParseJsonObject(std::string_view text, std::vector<JsonBody::Member>* members);

}  // namespace gatehouse::gateway
