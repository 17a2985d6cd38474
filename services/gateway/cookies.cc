#include "services/gateway/cookies.h"

#include <algorithm>
#include <string_view>

#include "libs/base/secret.h"
#include "services/gateway/credential.h"

namespace gatehouse::gateway {
namespace {

using std::chrono::seconds;

constexpr std::size_t kCsrfBytes = 24;

// What both cookies of one answer have in common.
struct Attributes {
  const Options& options;
  std::string domain;  // "" for a cookie of the host only.
  std::optional<seconds> age;
};

// Whether `host` is `domain` or in it.
bool IsWithin(const std::string& host, const std::string& domain) {
  if (host == domain) return true;
  return host.size() > domain.size() && host.ends_with(domain) &&
         host[host.size() - domain.size() - 1] == '.';
}

Attributes MakeAttributes(const Options& options, const http::Request& request,
                          std::optional<seconds> age) {
  const std::string host = HostName(request.Find("Host").value_or(""));
  const bool fits = !options.cookie_domain.empty() && IsWithin(host, options.cookie_domain);
  return {options, fits ? options.cookie_domain : "", age};
}

void AddCookie(const Attributes& attributes, const char* name, const std::string& value,
               bool is_session, http::Response* response) {
  const Options& options = attributes.options;
  std::string line = std::string(name) + "=" + value + "; Path=/";
  if (!attributes.domain.empty()) line += "; Domain=" + attributes.domain;
  if (attributes.age) line += "; Max-Age=" + std::to_string(attributes.age->count());
  if (is_session) line += "; HttpOnly";
  if (is_session ? options.session_cookie_secure : options.csrf_cookie_secure) line += "; Secure";
  line += "; SameSite=" + options.cookie_same_site;
  response->headers.push_back({"Set-Cookie", std::move(line)});
}

void AddBoth(const Attributes& attributes, const std::string& token, const std::string& csrf,
             http::Response* response) {
  AddCookie(attributes, kCsrfCookie, csrf, false, response);
  AddCookie(attributes, kSessionCookie, token, true, response);
}

// Whether it could have been made here: what is anything else is not sent back.
bool IsCsrfToken(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  };
  return text.size() == kCsrfBytes * 4 / 3 && std::all_of(text.begin(), text.end(), fits);
}

std::string NewCsrfToken() { return Base64UrlEncode(RandomBytes(kCsrfBytes)); }

}  // namespace

void AddLoginCookies(const Options& options, const http::Request& request, const std::string& token,
                     std::optional<seconds> age, http::Response* response) {
  AddBoth(MakeAttributes(options, request, age), token, NewCsrfToken(), response);
}

void RenewLoginCookies(const Options& options, const http::Request& request, seconds age,
                       http::Response* response) {
  const std::string token(FindCookie(request, kSessionCookie));
  const std::string csrf(FindCookie(request, kCsrfCookie));
  AddBoth(MakeAttributes(options, request, age), token, IsCsrfToken(csrf) ? csrf : NewCsrfToken(),
          response);
}

void DeleteLoginCookies(const Options& options, const http::Request& request,
                        http::Response* response) {
  AddBoth(MakeAttributes(options, request, seconds(0)), "", "", response);
}

bool SetsSessionCookie(const http::Response& response) {
  const std::string begin = std::string(kSessionCookie) + "=";
  return std::any_of(response.headers.begin(), response.headers.end(), [&](const auto& header) {
    return http::SameName(header.name, "Set-Cookie") && header.value.starts_with(begin);
  });
}

}  // namespace gatehouse::gateway
