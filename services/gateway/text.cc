#include "services/gateway/text.h"

#include <algorithm>
#include <charconv>

namespace gatehouse::gateway {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

}  // namespace

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> SplitList(std::string_view list) {
  std::vector<std::string_view> parts;
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::string_view part = Trim(list.substr(0, comma));
    if (!part.empty()) parts.push_back(part);
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return parts;
}

std::string AsciiLower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), Lower);
  return lower;
}

bool SameAsciiText(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return Lower(x) == Lower(y); });
}

std::string Printable(std::string_view text, std::size_t bytes_max) {
  std::string clean(text.substr(0, bytes_max));
  for (char& c : clean) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return clean;
}

std::optional<std::int64_t> ParseInteger(std::string_view text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return number;
}

std::optional<std::int64_t> ParseDecimal(std::string_view text, int places) {
  const std::size_t mark = text.find_first_of("eE");
  std::string_view exponent_text = mark == std::string_view::npos ? "0" : text.substr(mark + 1);
  if (exponent_text.starts_with('+')) exponent_text.remove_prefix(1);
  const std::optional<std::int64_t> exponent = ParseInteger(exponent_text);
  if (!exponent || *exponent < -99 || *exponent > 99) return std::nullopt;
  std::string digits(text.substr(0, mark));
  std::int64_t shift = places + *exponent;
  if (const std::size_t point = digits.find('.'); point != std::string::npos) {
    shift -= static_cast<std::int64_t>(digits.size() - point - 1);
    digits.erase(point, 1);
  }
  const std::size_t first = digits.starts_with('-') ? 1 : 0;
  if (digits.find_first_not_of("0123456789", first) != std::string::npos) return std::nullopt;
  if (digits.size() == first) return std::nullopt;
  if (digits.find_first_not_of('0', first) == std::string::npos) return 0;
  for (; shift < 0 && digits.ends_with('0'); ++shift) digits.pop_back();
  if (shift < 0) return std::nullopt;
  digits.append(static_cast<std::size_t>(shift), '0');
  return ParseInteger(digits);
}

std::string DecimalText(std::int64_t units, int places) {
  std::string text = std::to_string(units);
  const std::size_t first = units < 0 ? 1 : 0;
  const auto wanted = static_cast<std::size_t>(places) + 1 + first;
  if (text.size() < wanted) text.insert(first, wanted - text.size(), '0');
  text.insert(text.size() - static_cast<std::size_t>(places), 1, '.');
  return text;
}

}  // namespace gatehouse::gateway
