#include "libs/trace/trace.h"

#include "libs/base/random_id.h"

namespace gatehouse::trace {
namespace {

// version "-" trace-id "-" parent-id "-" trace-flags
constexpr std::size_t kTraceAt = 3;
constexpr std::size_t kTraceSize = 32;
constexpr std::size_t kSpanAt = 36;
constexpr std::size_t kSpanSize = 16;
constexpr std::size_t kFlagsAt = 53;
constexpr std::size_t kSize = 55;

bool IsLowerHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

bool IsAllZero(const std::string& id) { return id.find_first_not_of('0') == std::string::npos; }

// Appends an id of lower-case hex digits. One of all zeros is invalid; it never comes,
// and costs nothing to exclude.
void AppendId(std::size_t bytes, std::string* text) {
  constexpr char kHex[] = "0123456789abcdef";
  const unsigned char* const random = NextRandom(bytes);
  char digits[kTraceSize];
  unsigned char any = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    const unsigned char byte = i + 1 == bytes && any == 0 ? random[i] | 1 : random[i];
    any |= byte;
    digits[2 * i] = kHex[byte >> 4];
    digits[2 * i + 1] = kHex[byte & 15];
  }
  text->append(digits, 2 * bytes);
}

std::string NewId(std::size_t bytes) {
  std::string id;
  AppendId(bytes, &id);
  return id;
}

bool HasForm(const std::string& header) {
  if (header.size() < kSize) return false;
  for (std::size_t i = 0; i < kSize; ++i) {
    const bool dash = i == kTraceAt - 1 || i == kSpanAt - 1 || i == kFlagsAt - 1;
    if (dash ? header[i] != '-' : !IsLowerHex(header[i])) return false;
  }
  const std::string version = header.substr(0, 2);
  if (version == "ff") return false;
  // A later version may append fields, behind a dash; version 00 may not.
  return header.size() == kSize || (version != "00" && header[kSize] == '-');
}

}  // namespace

std::optional<TraceParent> Parse(const std::string& header) {
  if (!HasForm(header)) return std::nullopt;
  TraceParent parent;
  parent.trace_id = header.substr(kTraceAt, kTraceSize);
  parent.span_id = header.substr(kSpanAt, kSpanSize);
  if (IsAllZero(parent.trace_id) || IsAllZero(parent.span_id)) return std::nullopt;
  const char low = header[kFlagsAt + 1];
  parent.sampled = ((low <= '9' ? low - '0' : low - 'a' + 10) & 1) != 0;
  return parent;
}

TraceParent Start() { return {NewId(kTraceSize / 2), NewId(kSpanSize / 2), true}; }

TraceParent Child(const TraceParent& parent) {
  return {parent.trace_id, NewId(kSpanSize / 2), parent.sampled};
}

std::string StartText() {
  std::string text;
  text.reserve(kSize);
  text += "00-";
  AppendId(kTraceSize / 2, &text);
  text += '-';
  AppendId(kSpanSize / 2, &text);
  return text += "-01";
}

std::string Format(const TraceParent& parent) {
  return "00-" + parent.trace_id + '-' + parent.span_id + (parent.sampled ? "-01" : "-00");
}

}  // namespace gatehouse::trace
