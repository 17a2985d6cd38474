// One line of the log for what is written with every request: built field by field in
// a buffer of the thread, without a temporary per field. The same lines as log.h's, in
// the same formats; names are the caller's constants and are not checked for secrets.
// For anything else use log.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gatehouse::log {

// Used on one thread, one at a time.
class Line {
 public:
  // Level info. An id that is empty is left out. `message` is a constant.
  Line(std::string_view message, std::string_view request_id, std::string_view trace_id);
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  Line& Text(std::string_view name, std::string_view value);
  Line& Number(std::string_view name, std::int64_t value);

  // Once, last: one write(2), unless the level is not written at all, or a batch waits.
  void Write();

 private:
  std::string& buffer_;
  const bool is_plain_;
};

// While one lives, lines of its thread wait and go out together, whole, when it ends or
// they are many: for a loop that serves many requests at a time. Lines of log.h do not
// wait. Not nested.
class LineBatch {
 public:
  LineBatch();
  ~LineBatch();
  LineBatch(const LineBatch&) = delete;
  LineBatch& operator=(const LineBatch&) = delete;
};

}  // namespace gatehouse::log
