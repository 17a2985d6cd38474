#include "services/gateway/event_position.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/ascii.h"

namespace gatehouse::gateway {
namespace {

constexpr char kNothing[] = "0";
constexpr std::size_t kTextBytesMax = 512;

// Only digits, without a sign.
template <typename Number>
bool ParseDigits(std::string_view text, Number* number) {
  if (text.empty() || !absl::ascii_isdigit(static_cast<unsigned char>(text[0]))) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

// What stands before the next `separator`, which goes too.
std::string_view Next(std::string_view* text, char separator) {
  const std::size_t end = std::min(text->find(separator), text->size());
  const std::string_view part = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return part;
}

std::optional<FeedPosition> ParseFeed(std::string_view text) {
  FeedPosition position;
  if (!ParseDigits(Next(&text, '.'), &position.incarnation) ||
      !ParseDigits(Next(&text, '.'), &position.transaction_id) ||
      !ParseDigits(text, &position.sequence)) {
    return std::nullopt;
  }
  return position;
}

}  // namespace

std::string ToText(const HubPosition& position) {
  std::string text;
  for (const auto& [letter, feed] : position) {
    if (!text.empty()) text += '-';
    text += letter + std::to_string(feed.incarnation) + '.' + std::to_string(feed.transaction_id) +
            '.' + std::to_string(feed.sequence);
  }
  return text.empty() ? kNothing : text;
}

std::optional<HubPosition> ParseHubPosition(std::string_view text) {
  HubPosition position;
  if (text == kNothing) return position;
  if (text.empty() || text.size() > kTextBytesMax || text.back() == '-') return std::nullopt;
  while (!text.empty()) {
    const std::string_view part = Next(&text, '-');
    if (part.empty() || !absl::ascii_islower(static_cast<unsigned char>(part[0]))) {
      return std::nullopt;
    }
    const std::optional<FeedPosition> feed = ParseFeed(part.substr(1));
    if (!feed || !position.emplace(part[0], *feed).second) return std::nullopt;
  }
  return position;
}

}  // namespace gatehouse::gateway
