// Keyset paging of List RPCs, newest first (AIP-158). The token is opaque text for
// the position of the last item seen; it grants nothing, and its lifetime has no end.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "libs/base/clock.h"

namespace gatehouse::rpc {

// Where a page ended: its last item's create or event time, and the item's UUID.
struct PagePosition {
  Time time;
  std::string id;
};

std::string PageToken(const PagePosition& last);

// nullopt for "", the first page; INVALID_ARGUMENT / PAGE_TOKEN_INVALID for text
// that PageToken did not make.
absl::StatusOr<std::optional<PagePosition>> ParsePageToken(const std::string& token);

// 0 → `fallback`, above `max` → `max`; INVALID_ARGUMENT / PAGE_SIZE_INVALID when
// negative.
absl::StatusOr<int> PageLimit(int page_size, int fallback, int max);

}  // namespace gatehouse::rpc
