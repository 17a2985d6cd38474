// What openapi/compile.py makes of the data files in openapi/, as JSON text. Not the
// document: openapi.h completes it.
#pragma once

#include <string_view>

namespace gatehouse::gateway {

std::string_view OpenApiData();

}  // namespace gatehouse::gateway
