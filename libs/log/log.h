// One line per event on standard error, JSON or plain: time, level, service, message,
// the ids of the request in hand, and fields. Thread-safe; a line is one write(2).
// Callers never log secrets; fields named like one are redacted all the same. Not
// for the output of a command.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <utility>

namespace gatehouse::log {

enum class Level { kDebug, kInfo, kWarning, kError };

// The value of a field: text (escaped, invalid UTF-8 replaced) or a number.
class Value {
 public:
  Value(const char* text) : text_(text) {}                          // NOLINT: implicit by design
  Value(std::string text) : text_(std::move(text)) {}               // NOLINT
  Value(bool flag) : text_(flag ? "true" : "false"), raw_(true) {}  // NOLINT
  Value(double number);                                             // NOLINT
  template <typename T>
  requires std::is_integral_v<T> Value(T number)
      : text_(std::to_string(number)), raw_(true) {}  // NOLINT

  const std::string& text() const { return text_; }
  bool raw() const { return raw_; }

 private:
  std::string text_;
  bool raw_ = false;
};

// A field named like a part of the line (time, level, service, message) gets a "_"
// behind its name; one named like an id of the context replaces that id.
using Fields = std::initializer_list<std::pair<const char*, Value>>;

// Sets the service name and the least level written. Call once at start.
void Init(const std::string& service, Level level);

// "debug", "info", "warning" (or "warn"), "error", any case; kInfo otherwise.
Level ParseLevel(const std::string& text);
void SetLevel(Level level);
bool Enabled(Level level);

// kPlain: 2026-01-31T12:00:00.000Z INFO gateway message key=value key="some value".
enum class Format { kJson, kPlain };
// "json" or "plain", any case; kJson otherwise.
Format ParseFormat(const std::string& text);
void SetFormat(Format format);

void Write(Level level, const std::string& message, Fields fields);
inline void Debug(const std::string& m, Fields f = {}) { Write(Level::kDebug, m, f); }
inline void Info(const std::string& m, Fields f = {}) { Write(Level::kInfo, m, f); }
inline void Warning(const std::string& m, Fields f = {}) { Write(Level::kWarning, m, f); }
inline void Error(const std::string& m, Fields f = {}) { Write(Level::kError, m, f); }

// The ids of the request that this thread works on; put on every line.
struct Context {
  std::string request_id;
  std::string trace_id;  // 32 hex digits
};

// Sets the thread's context for its own lifetime. Thread-locals do not follow a
// hop to another thread: make one inside the function that was posted.
class Scope {
 public:
  explicit Scope(Context context);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Context previous_;
};
const Context& Current();

}  // namespace gatehouse::log
