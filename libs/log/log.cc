#include "libs/log/log.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "libs/base/time_text.h"
#include "libs/base/utf8.h"
#include "libs/log/output.h"

namespace gatehouse::log {
namespace {

constexpr const char* kLevelNames[] = {"debug", "info", "warning", "error"};
constexpr const char* kOwnNames[] = {"time", "level", "service", "message"};
constexpr const char* kSecretNames[] = {"password",      "secret", "token", "passkey",
                                        "authorization", "cookie", "dsn"};

std::atomic<Level> least_level{Level::kInfo};
std::atomic<Format> line_format{Format::kJson};

// Written by Init only, before any thread that logs.
std::string& ServiceName() {
  static std::string& name = *new std::string();
  return name;
}

thread_local Context current;

std::string ToLower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string ToUpper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

bool IsSecret(const std::string& name) {
  const std::string lower = ToLower(name);
  return std::any_of(std::begin(kSecretNames), std::end(kSecretNames),
                     [&](const char* word) { return lower.find(word) != std::string::npos; });
}

bool IsOwn(const std::string& name) {
  return std::find(std::begin(kOwnNames), std::end(kOwnNames), name) != std::end(kOwnNames);
}

void AppendControl(std::string* line, unsigned char c) {
  switch (c) {
    case '\n':
      *line += "\\n";
      return;
    case '\r':
      *line += "\\r";
      return;
    case '\t':
      *line += "\\t";
      return;
    default: {
      std::array<char, 8> escape;
      std::snprintf(escape.data(), escape.size(), "\\u%04x", c);
      *line += escape.data();
    }
  }
}

void AppendString(std::string* line, const std::string& text) {
  *line += '"';
  for (std::size_t at = 0; at < text.size();) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c == '"' || c == '\\') {
      *line += '\\';
      *line += text[at++];
    } else if (c < 0x20 || c == 0x7f) {
      AppendControl(line, c);
      ++at;
    } else if (const std::size_t length = Utf8Length(text, at); length > 0) {
      line->append(text, at, length);
      at += length;
    } else {
      *line += "\xef\xbf\xbd";
      ++at;
    }
  }
  *line += '"';
}

void AppendName(std::string* line, const std::string& name) {
  *line += *line == "{" ? "" : ",";
  AppendString(line, name);
  *line += ':';
}

void AppendText(std::string* line, const std::string& name, const std::string& text) {
  AppendName(line, name);
  AppendString(line, text);
}

// " key=value"; a value that could be mistaken for more than one is quoted.
void AppendPlain(std::string* line, const std::string& name, const std::string& text) {
  *line += ' ' + name + '=';
  const bool is_word = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
  });
  if (is_word) {
    *line += text;
  } else {
    AppendString(line, text);
  }
}

void AppendField(std::string* line, Format format, const std::string& name, const Value& value) {
  if (format == Format::kPlain) {
    return AppendPlain(line, name, IsSecret(name) ? "[redacted]" : value.text());
  }
  AppendName(line, IsOwn(name) ? name + '_' : name);
  if (IsSecret(name)) {
    *line += "\"[redacted]\"";
  } else if (value.raw()) {
    *line += value.text();
  } else {
    AppendString(line, value.text());
  }
}

// A short count happens only on a full pipe; the rest follows, so that the line
// stays whole for a single writer.
void WriteLine(const std::string& line) {
  std::size_t done = 0;
  while (done < line.size()) {
    const ssize_t written = ::write(STDERR_FILENO, line.data() + done, line.size() - done);
    if (written > 0) {
      done += static_cast<std::size_t>(written);
    } else if (errno != EINTR) {
      return;  // There is nowhere to report it.
    }
  }
}

}  // namespace

Value::Value(double number) : raw_(true) {
  if (!std::isfinite(number)) {
    text_ = "null";  // JSON has no other word for it.
    return;
  }
  std::array<char, 32> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  text_.assign(digits.data(), end);
}

void Init(const std::string& service, Level level) {
  ServiceName() = service;
  SetLevel(level);
}

Level ParseLevel(const std::string& text) {
  const std::string lower = ToLower(text);
  if (lower == "debug") return Level::kDebug;
  if (lower == "warning" || lower == "warn") return Level::kWarning;
  if (lower == "error") return Level::kError;
  return Level::kInfo;
}

void SetLevel(Level level) { least_level.store(level, std::memory_order_relaxed); }

bool Enabled(Level level) { return level >= least_level.load(std::memory_order_relaxed); }

Format ParseFormat(const std::string& text) {
  return ToLower(text) == "plain" ? Format::kPlain : Format::kJson;
}

void SetFormat(Format format) { line_format.store(format, std::memory_order_relaxed); }

namespace {

std::string LineStart(Format format, Level level, const std::string& message) {
  const std::string time = FormatTime(std::chrono::system_clock::now());
  const char* const name = kLevelNames[static_cast<std::size_t>(level)];
  std::string line;
  line.reserve(256);
  if (format == Format::kPlain) {
    line += time + ' ' + ToUpper(name) + ' ' + ServiceName() + ' ';
    // As in JSON, so that no message can make a line of its own.
    AppendString(&line, message);
    const std::size_t quote = line.size() - 1;
    line.erase(quote, 1);
    line.erase(line.find('"'), 1);
    return line;
  }
  line += '{';
  AppendText(&line, "time", time);
  AppendText(&line, "level", name);
  AppendText(&line, "service", ServiceName());
  AppendText(&line, "message", message);
  return line;
}

}  // namespace

void Write(Level level, const std::string& message, Fields fields) {
  if (!Enabled(level)) return;
  const auto has = [&](const std::string& name) {
    return std::any_of(fields.begin(), fields.end(),
                       [&](const auto& field) { return field.first == name; });
  };
  const Format format = line_format.load(std::memory_order_relaxed);
  std::string line = LineStart(format, level, message);
  for (const auto& [name, id] :
       {std::pair("request_id", &current.request_id), std::pair("trace_id", &current.trace_id)}) {
    if (!id->empty() && !has(name)) AppendField(&line, format, name, Value(*id));
  }
  for (const auto& [name, value] : fields) AppendField(&line, format, name, value);
  if (format == Format::kJson) line += '}';
  line += '\n';
  WriteLine(line);
}

namespace internal {

const std::string& Service() { return ServiceName(); }
Format CurrentFormat() { return line_format.load(std::memory_order_relaxed); }
void AppendQuoted(std::string* line, const std::string& text) { AppendString(line, text); }
void AppendPlainField(std::string* line, const std::string& name, const std::string& text) {
  AppendPlain(line, name, text);
}
void WriteWhole(const std::string& line) { WriteLine(line); }

}  // namespace internal

Scope::Scope(Context context) : previous_(std::exchange(current, std::move(context))) {}

Scope::~Scope() { current = std::move(previous_); }

const Context& Current() { return current; }

}  // namespace gatehouse::log
