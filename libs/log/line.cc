#include "libs/log/line.h"

#include <array>
#include <charconv>
#include <chrono>

#include "libs/base/time_text.h"
#include "libs/log/output.h"

namespace gatehouse::log {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

// Lines are built here; the memory stays with the thread.
std::string& Buffer() {
  thread_local std::string buffer;
  return buffer;
}

// Lines that wait for the end of a batch.
struct Waiting {
  bool is_open = false;
  std::string lines;
};
Waiting& WaitingLines() {
  thread_local Waiting waiting;
  return waiting;
}
constexpr std::size_t kWaitingBytesMax = 32 * 1024;

void WriteWaiting(Waiting* waiting) {
  if (waiting->lines.empty()) return;
  internal::WriteWhole(waiting->lines);
  waiting->lines.clear();
}

// What FormatTime says, without formatting date and clock more than once a second.
void AppendTime(std::string* line) {
  thread_local seconds whole{-1};
  thread_local std::string prefix;  // "2026-11-21T10:00:00."
  const auto now = std::chrono::system_clock::now();
  const auto second = std::chrono::floor<seconds>(now.time_since_epoch());
  if (second != whole) {
    whole = second;
    prefix = FormatTime(now);
    prefix.resize(prefix.find('.') + 1);
  }
  const auto micros =
      std::chrono::duration_cast<microseconds>(now.time_since_epoch() - second).count();
  std::array<char, 8> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), 1000000 + micros);
  line->append(prefix).append(digits.data() + 1, end.ptr).append(1, 'Z');
}

// Whether it stands between quotes as it is.
bool IsSimple(std::string_view text) {
  for (const char c : text) {
    if (c < 0x20 || c > 0x7e || c == '"' || c == '\\') return false;
  }
  return true;
}

}  // namespace

Line::Line(std::string_view message, std::string_view request_id, std::string_view trace_id)
    : buffer_(Buffer()), is_plain_(internal::CurrentFormat() == Format::kPlain) {
  buffer_.clear();
  if (is_plain_) {
    AppendTime(&buffer_);
    buffer_.append(" INFO ").append(internal::Service()).append(" ").append(message);
  } else {
    buffer_ += "{\"time\":\"";
    AppendTime(&buffer_);
    buffer_ += "\",\"level\":\"info\"";
    Text("service", internal::Service()).Text("message", message);
  }
  if (!request_id.empty()) Text("request_id", request_id);
  if (!trace_id.empty()) Text("trace_id", trace_id);
}

Line& Line::Text(std::string_view name, std::string_view value) {
  if (is_plain_) {
    internal::AppendPlainField(&buffer_, std::string(name), std::string(value));
    return *this;
  }
  buffer_.append(",\"").append(name).append("\":");
  if (IsSimple(value)) {
    buffer_.append(1, '"').append(value).append(1, '"');
  } else {
    internal::AppendQuoted(&buffer_, std::string(value));
  }
  return *this;
}

Line& Line::Number(std::string_view name, std::int64_t value) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  buffer_.append(is_plain_ ? " " : ",\"").append(name).append(is_plain_ ? "=" : "\":");
  buffer_.append(digits.data(), end.ptr);
  return *this;
}

void Line::Write() {
  if (!Enabled(Level::kInfo)) return;
  buffer_ += is_plain_ ? "\n" : "}\n";
  Waiting& waiting = WaitingLines();
  if (!waiting.is_open) return internal::WriteWhole(buffer_);
  waiting.lines += buffer_;
  if (waiting.lines.size() > kWaitingBytesMax) WriteWaiting(&waiting);
}

LineBatch::LineBatch() { WaitingLines().is_open = true; }

LineBatch::~LineBatch() {
  Waiting& waiting = WaitingLines();
  waiting.is_open = false;
  WriteWaiting(&waiting);
}

}  // namespace gatehouse::log
