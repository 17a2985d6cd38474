// What a surface's document calls an error that the services call otherwise. Only
// the errors of calls; the edge's own are respelled by the route (route.h).
#pragma once

#include <span>

#include "services/gateway/request_context.h"

namespace gatehouse::gateway {

struct Spelling {
  const char* reason;  // As the service says.
  int status;          // As the surface says, from here on.
  const char* code;
  const char* message;  // nullptr: the service's.
};

// Fails the request with `status` of a call to auth, spelled as the first of
// `spellings` that has its reason, or as everywhere.
void FailAs(const Context& context, std::span<const Spelling> spellings,
            const absl::Status& status);

}  // namespace gatehouse::gateway
