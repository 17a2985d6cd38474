#include "libs/http/websocket_handshake.h"

#include <openssl/evp.h>

#include <algorithm>

#include "libs/http/websocket.h"

namespace gatehouse::http {
namespace {

constexpr char kKeySalt[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::size_t kDigestBytes = 20;  // SHA-1

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

// Calls `take` for each part between commas, trimmed, of all fields of that name.
template <typename Take>
void ForEachItem(const Request& request, std::string_view name, Take take) {
  for (const Header& header : request.headers) {
    if (!SameName(header.name, name)) continue;
    std::string_view list = header.value;
    while (!list.empty()) {
      const std::size_t end = std::min(list.find(','), list.size());
      std::string_view item = list.substr(0, end);
      list.remove_prefix(std::min(end + 1, list.size()));
      while (!item.empty() && IsBlank(item.front())) item.remove_prefix(1);
      while (!item.empty() && IsBlank(item.back())) item.remove_suffix(1);
      if (!item.empty()) take(item);
    }
  }
}

bool HasItem(const Request& request, std::string_view name, std::string_view wanted) {
  bool found = false;
  ForEachItem(request, name, [&](std::string_view item) { found |= SameName(item, wanted); });
  return found;
}

bool IsBase64Char(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
         c == '/';
}

// Sixteen bytes in base64: 22 characters and "==".
bool IsKey(std::string_view key) {
  return key.size() == 24 && key.substr(22) == "==" &&
         std::all_of(key.begin(), key.begin() + 22, IsBase64Char);
}

}  // namespace

std::string AcceptFor(std::string_view key) {
  const std::string text = std::string(key) + kKeySalt;
  unsigned char digest[EVP_MAX_MD_SIZE];
  EVP_Digest(text.data(), text.size(), digest, nullptr, EVP_sha1(), nullptr);
  unsigned char encoded[32];
  const int size = EVP_EncodeBlock(encoded, digest, kDigestBytes);
  return std::string(reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(size));
}

int CheckHandshake(const Request& request) {
  // HTTP/1.0 has no Upgrade (RFC 9110 section 7.8).
  if (request.minor_version == 0 || !HasItem(request, "Upgrade", "websocket")) return 426;
  if (request.method != "GET" || !HasItem(request, "Connection", "upgrade")) return 400;
  if (!request.body.empty() || request.body_follows) return 400;
  if (request.Count("Sec-WebSocket-Key") != 1 || !IsKey(*request.Find("Sec-WebSocket-Key"))) {
    return 400;
  }
  const std::size_t versions = request.Count("Sec-WebSocket-Version");
  if (versions > 1) return 400;
  return versions == 1 && *request.Find("Sec-WebSocket-Version") == "13" ? 0 : 426;
}

std::vector<std::string> OfferedSubprotocols(const Request& request) {
  std::vector<std::string> offered;
  ForEachItem(request, "Sec-WebSocket-Protocol",
              [&](std::string_view item) { offered.emplace_back(item); });
  return offered;
}

}  // namespace gatehouse::http
