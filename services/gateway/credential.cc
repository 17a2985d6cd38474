#include "services/gateway/credential.h"

#include <vector>

#include "libs/base/secret.h"
#include "libs/http/websocket.h"
#include "services/gateway/route.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

constexpr std::string_view kBearer = "bearer";
constexpr std::string_view kAuthorizationBearer = "authorization.bearer.";

// A subprotocol that is offered, and the token that comes with it.
struct Offer {
  std::string subprotocol;
  std::string token;
};

Offer FindOffer(const http::Request& request, const Route& route) {
  if (!route.is_socket || request.Count("Sec-WebSocket-Protocol") == 0) return {};
  const std::vector<std::string> offered = http::OfferedSubprotocols(request);
  for (std::size_t i = 0; i < offered.size(); ++i) {
    if (offered[i] == kBearer && i + 1 < offered.size()) return {offered[i], offered[i + 1]};
    if (route.path == kStatusSocketPath && offered[i].size() > kAuthorizationBearer.size() &&
        offered[i].starts_with(kAuthorizationBearer)) {
      return {offered[i], offered[i].substr(kAuthorizationBearer.size())};
    }
  }
  return {};
}

std::string TokenInQuery(const http::Request& request, const Route& route) {
  if (!route.is_socket || route.path != kStatusSocketPath) return "";
  const auto arguments = http::ParseQuery(request.query);
  std::string token;
  if (!arguments) return token;
  for (const auto& [name, value] : *arguments) {
    if (name != "token") continue;
    if (!token.empty()) return "";  // Nobody could say which one counts.
    token = value;
  }
  return token;
}

}  // namespace

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

std::optional<Credential> FindCredential(const http::Request& request, const Route& route) {
  if (!request.Find("Authorization")) {
    if (Offer offer = FindOffer(request, route); !offer.token.empty()) {
      return Credential{std::move(offer.token), false};
    }
    if (std::string token = TokenInQuery(request, route); !token.empty()) {
      return Credential{std::move(token), false};
    }
  }
  return FindCredential(request);
}

std::string SubprotocolFor(const http::Request& request, const Route& route) {
  return FindOffer(request, route).subprotocol;
}

bool HasCsrfProof(const http::Request& request) {
  const auto sent = request.Find("X-CSRF-Token");
  const std::string cookie(FindCookie(request, kCsrfCookie));
  return sent && !cookie.empty() && ConstantTimeEquals(std::string(*sent), cookie);
}

}  // namespace gatehouse::gateway
