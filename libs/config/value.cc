#include "libs/config/value.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <set>

namespace gatehouse::config {
namespace {

constexpr std::size_t kStrongBytes = 32;
constexpr std::size_t kStrongDistinct = 8;
constexpr const char* kWeakWords[] = {"changeme", "change-me", "change_me", "secret",   "password",
                                      "default",  "example",   "generate",  "insecure", "12345678"};
constexpr double kSecondsMax = 1e9;

std::string ToLower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// A bound as it would be written: milliseconds as seconds.
std::string BoundText(Kind kind, std::int64_t bound) {
  if (kind != Kind::kSeconds) return std::to_string(bound);
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(),
                                 static_cast<double>(bound) / 1000.0);
  return {digits.data(), end.ptr};
}

std::string RangeText(const Setting& setting) {
  std::string number = setting.kind == Kind::kSeconds ? "a number of seconds" : "a whole number";
  const std::string min = BoundText(setting.kind, setting.min);
  const std::string max = BoundText(setting.kind, setting.max);
  if (setting.min == INT64_MIN && setting.max == INT64_MAX) return number;
  if (setting.max == INT64_MAX) return number + " of at least " + min;
  if (setting.min == INT64_MIN) return number + " of at most " + max;
  return number + " from " + min + " to " + max;
}

bool IsWithin(const Setting& setting, std::optional<std::int64_t> number) {
  return number.has_value() && *number >= setting.min && *number <= setting.max;
}

bool HasKind(const Setting& setting, const std::string& value) {
  switch (setting.kind) {
    case Kind::kText:
      return true;
    case Kind::kInt:
      return IsWithin(setting, ParseInt(value));
    case Kind::kBool:
      return ParseBool(value).has_value();
    case Kind::kSeconds: {
      const auto seconds = ParseSeconds(value);
      return seconds.has_value() && IsWithin(setting, seconds->count());
    }
  }
  return false;
}

}  // namespace

std::optional<std::int64_t> ParseInt(const std::string& text) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::optional<bool> ParseBool(const std::string& text) {
  const std::string lower = ToLower(text);
  for (const char* word : {"1", "true", "yes", "on"}) {
    if (lower == word) return true;
  }
  for (const char* word : {"0", "false", "no", "off"}) {
    if (lower == word) return false;
  }
  return std::nullopt;
}

std::optional<std::chrono::milliseconds> ParseSeconds(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, std::chars_format::fixed);
  if (error != std::errc() || stop != end) return std::nullopt;
  if (!std::isfinite(value) || value < 0 || value > kSecondsMax) return std::nullopt;
  return std::chrono::milliseconds(std::llround(value * 1000.0));
}

std::string Fault(const Setting& setting, const std::string& value) {
  if (value.empty()) return setting.required ? "is required: " + setting.help : "";
  if (!HasKind(setting, value)) {
    const std::string wanted = setting.kind == Kind::kBool ? "true or false" : RangeText(setting);
    return "must be " + wanted + (setting.secret ? "" : ", not \"" + value + "\"");
  }
  return setting.check ? setting.check(value) : "";
}

std::string Weakness(const std::string& value) {
  if (value.empty()) return "is required when ENV=production";
  if (value.size() < kStrongBytes) {
    return "is too short for ENV=production: at least " + std::to_string(kStrongBytes) + " bytes";
  }
  const std::string lower = ToLower(value);
  for (const char* word : kWeakWords) {
    if (lower.find(word) != std::string::npos) {
      return std::string("is too weak for ENV=production: it contains \"") + word + "\"";
    }
  }
  if (std::set<char>(value.begin(), value.end()).size() < kStrongDistinct) {
    return "is too weak for ENV=production: it repeats few characters";
  }
  return "";
}

}  // namespace gatehouse::config
