#include "libs/trace/trace.h"

#include "libs/base/secret.h"

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

// Random bytes of this thread, asked of the system in bulk and used once: ids are made
// for every request.
std::string NextRandom(std::size_t count) {
  constexpr std::size_t kBulk = 4096;
  thread_local std::string bytes;
  thread_local std::size_t used = 0;
  if (bytes.size() - used < count) {
    bytes = RandomBytes(kBulk);
    used = 0;
  }
  used += count;
  return bytes.substr(used - count, count);
}

// An id of all zeros is invalid; it never comes, and costs nothing to exclude.
std::string RandomId(std::size_t bytes) {
  while (true) {
    std::string id = HexEncode(NextRandom(bytes));
    if (!IsAllZero(id)) return id;
  }
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

TraceParent Start() { return {RandomId(kTraceSize / 2), RandomId(kSpanSize / 2), true}; }

TraceParent Child(const TraceParent& parent) {
  return {parent.trace_id, RandomId(kSpanSize / 2), parent.sampled};
}

std::string Format(const TraceParent& parent) {
  return "00-" + parent.trace_id + '-' + parent.span_id + (parent.sampled ? "-01" : "-00");
}

}  // namespace gatehouse::trace
