#include "services/gateway/credential.h"

#include "libs/base/secret.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {

std::string_view FindCookie(const http::Request& request, std::string_view name) {
  for (const http::Header& header : request.headers) {
    if (!http::SameName(header.name, "Cookie")) continue;
    for (const auto& [key, value] : http::ParseCookies(header.value)) {
      if (key == name) return value;
    }
  }
  return {};
}

std::optional<Credential> FindCredential(const http::Request& request) {
  const auto header = request.Find("Authorization");
  if (!header) {
    const std::string_view cookie = FindCookie(request, kSessionCookie);
    if (cookie.empty()) return std::nullopt;
    return Credential{std::string(cookie), true};
  }
  if (request.Count("Authorization") != 1) return std::nullopt;
  const std::size_t space = header->find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const std::string_view scheme = header->substr(0, space);
  if (!SameAsciiText(scheme, "Bearer") && !SameAsciiText(scheme, "Token")) return std::nullopt;
  const std::string_view token = Trim(header->substr(space + 1));
  if (token.empty()) return std::nullopt;
  return Credential{std::string(token), false};
}

bool HasCsrfProof(const http::Request& request) {
  const auto sent = request.Find("X-CSRF-Token");
  const std::string cookie(FindCookie(request, kCsrfCookie));
  return sent && !cookie.empty() && ConstantTimeEquals(std::string(*sent), cookie);
}

}  // namespace gatehouse::gateway
