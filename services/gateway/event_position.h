// Where the hub stands in the feed of each service, and that as compact text for
// clients to bring back. Pure. Not a position in one feed on the wire (event.proto).
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::gateway {

// As event.v1.Cursor.
struct FeedPosition {
  std::int64_t incarnation = 0;
  std::uint64_t transaction_id = 0;
  std::int64_t sequence = 0;
  auto operator<=>(const FeedPosition&) const = default;
};

// By the first letter of the service's name.
using HubPosition = std::map<char, FeedPosition>;

// "a1.743.9-j1.771.42"; "0" when there is nothing.
std::string ToText(const HubPosition& position);

// nullopt for what ToText does not write.
std::optional<HubPosition> ParseHubPosition(std::string_view text);

}  // namespace gatehouse::gateway
