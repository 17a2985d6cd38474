#include "libs/rpc/headers.h"

namespace gatehouse::rpc {

bool IsRequestId(const std::string& text) {
  if (text.empty() || text.size() > 128) return false;
  for (const char c : text) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-';
    if (!fits) return false;
  }
  return true;
}

}  // namespace gatehouse::rpc
