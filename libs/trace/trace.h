// W3C Trace Context: parse, child, format. Not an SDK and not an exporter.
#pragma once

#include <optional>
#include <string>

namespace gatehouse::trace {

struct TraceParent {
  std::string trace_id;  // 32 lower-case hex digits, not all zero
  std::string span_id;   // 16 lower-case hex digits, not all zero
  bool sampled = false;
};

// Strict by W3C Trace Context section 3.2.2: nullopt for upper case, version ff,
// all-zero ids or a wrong length.
std::optional<TraceParent> Parse(const std::string& header);

// A new trace (sampled), or a new span in the given one.
TraceParent Start();
TraceParent Child(const TraceParent& parent);
// Format(Start()), for every request.
std::string StartText();

// "00-<trace_id>-<span_id>-01", or "-00" when it is not sampled.
std::string Format(const TraceParent& parent);

}  // namespace gatehouse::trace
