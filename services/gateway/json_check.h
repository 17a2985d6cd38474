// Checks that a body is one JSON text while it passes by in pieces, without keeping it:
// strict syntax, strict UTF-8, a bounded depth. Says nothing about what it means.
#pragma once

#include <memory>
#include <string_view>

namespace gatehouse::gateway {

// Not thread-safe.
class JsonCheck {
 public:
  JsonCheck();
  ~JsonCheck();

  // The next piece. nullptr while it is good; else JSON_MALFORMED or JSON_TOO_DEEP, from
  // then on. Nothing at all is good.
  const char* Feed(std::string_view bytes, bool is_last);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;  // From the first byte on.
  const char* refusal_ = nullptr;
};

}  // namespace gatehouse::gateway
