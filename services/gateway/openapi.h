// The OpenAPI document of a route table: paths, who may, limits and common errors
// come from the routes, enumerations from the protos, the rest (schemas, examples,
// words) from the data files in openapi/. Serves nothing: routes_documents.cc does.
#pragma once

#include <string>
#include <vector>

#include "services/gateway/route.h"

namespace gatehouse::gateway {

// OpenAPI 3.1 as compact JSON. A route that the data files do not describe gets a
// general description. Aborts when the data names a proto enum that is not linked.
std::string OpenApiDocument(const RouteTable& table);

// "METHOD /path" of all that the data files describe.
std::vector<std::string> DescribedOperations();

}  // namespace gatehouse::gateway
