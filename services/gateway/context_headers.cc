#include "services/gateway/context_headers.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "services/gateway/credential.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

// What becomes of a client's field.
enum class Fate { kPass, kDrop, kCookie, kAuthorization, kSubprotocol, kTraceState };

struct Named {
  std::string_view name;  // In lower case, with "-".
  Fate fate;
};

constexpr Named kNamed[] = {
    // Hop-by-hop (RFC 9110 section 7.6.1), and framing, which is made anew.
    {"connection", Fate::kDrop},
    {"keep-alive", Fate::kDrop},
    {"proxy-connection", Fate::kDrop},
    {"proxy-authenticate", Fate::kDrop},
    {"proxy-authorization", Fate::kDrop},
    {"te", Fate::kDrop},
    {"trailer", Fate::kDrop},
    {"transfer-encoding", Fate::kDrop},
    {"upgrade", Fate::kDrop},
    {"http2-settings", Fate::kDrop},
    {"content-length", Fate::kDrop},
    {"expect", Fate::kDrop},
    // What the gateway says itself.
    {"host", Fate::kDrop},
    {"x-request-id", Fate::kDrop},
    {"request-id", Fate::kDrop},
    {"traceparent", Fate::kDrop},
    // What proxies say of the client; X-Forwarded-… is a space of its own.
    {"x-forwarded", Fate::kDrop},
    {"forwarded", Fate::kDrop},
    {"forwarded-for", Fate::kDrop},
    {"x-real-ip", Fate::kDrop},
    {"cf-connecting-ip", Fate::kDrop},
    {"cf-connecting-ipv6", Fate::kDrop},
    {"true-client-ip", Fate::kDrop},
    {"fastly-client-ip", Fate::kDrop},
    {"x-cluster-client-ip", Fate::kDrop},
    {"x-original-forwarded-for", Fate::kDrop},
    {"client-ip", Fate::kDrop},
    // What has frameworks take the request for another than the one let in, or a proxy
    // of their own from it.
    {"x-original-url", Fate::kDrop},
    {"x-original-host", Fate::kDrop},
    {"x-rewrite-url", Fate::kDrop},
    {"x-http-method", Fate::kDrop},
    {"x-http-method-override", Fate::kDrop},
    {"x-method-override", Fate::kDrop},
    {"proxy", Fate::kDrop},
    // What proves a page's request to the gateway, which has judged it.
    {"x-csrf-token", Fate::kDrop},
    {"cookie", Fate::kCookie},
    {"authorization", Fate::kAuthorization},
    {"sec-websocket-protocol", Fate::kSubprotocol},
    {"tracestate", Fate::kTraceState},
};
constexpr std::size_t kNameSizeMax = 32;  // Above the longest of them.

// As names meet in an environment of CGI's kind (RFC 3875 section 4.1.18): some servers
// make "_" not of "-" alone, but of everything that is no letter and no digit.
char Normal(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<char>(c + 32);
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '-';
}

bool IsContextName(std::string_view normal) {
  return normal.starts_with("x-user-") || normal.starts_with("x-client-");
}

Fate FateOf(std::string_view name) {
  std::array<char, kNameSizeMax> buffer;
  const std::size_t size = std::min(name.size(), buffer.size());
  std::transform(name.begin(), name.begin() + static_cast<std::ptrdiff_t>(size), buffer.begin(),
                 Normal);
  const std::string_view normal(buffer.data(), size);
  if (normal.starts_with("x-")) {
    if (IsContextName(normal) || normal.starts_with("x-forwarded-")) return Fate::kDrop;
  }
  if (name.size() > size) return Fate::kPass;
  for (const Named& named : kNamed) {
    if (named.name.size() == size && named.name == normal) return named.fate;
  }
  return Fate::kPass;
}

// The fields that Connection names, without the options that name none.
std::vector<std::string_view> ListedByConnection(const http::Request& request) {
  std::vector<std::string_view> listed;
  for (const http::Header& header : request.headers) {
    if (!http::SameName(header.name, "Connection")) continue;
    if (http::SameName(header.value, "keep-alive") || http::SameName(header.value, "close")) {
      continue;
    }
    for (const std::string_view option : SplitList(header.value)) {
      if (!http::SameName(option, "upgrade")) listed.push_back(option);
    }
  }
  return listed;
}

void AppendLine(std::string_view name, std::string_view value, std::string* lines) {
  lines->append(name).append(": ").append(value).append("\r\n");
}

// A value in visible ASCII, in which "%" begins an escape.
void AppendSafe(std::string_view value, std::string* lines) {
  constexpr char kHex[] = "0123456789ABCDEF";
  const auto is_plain = [](char c) { return c >= 0x20 && c < 0x7f && c != '%'; };
  while (!value.empty()) {
    const auto end = std::find_if_not(value.begin(), value.end(), is_plain);
    const auto count = static_cast<std::size_t>(end - value.begin());
    lines->append(value.substr(0, count));
    value.remove_prefix(count);
    if (value.empty()) return;
    const auto byte = static_cast<unsigned char>(value.front());
    *lines += '%';
    *lines += kHex[byte >> 4];
    *lines += kHex[byte & 15];
    value.remove_prefix(1);
  }
}

void AppendSafeLine(std::string_view name, std::string_view value, std::string* lines) {
  lines->append(name).append(": ");
  AppendSafe(value, lines);
  lines->append("\r\n");
}

// The cookies that are not the gateway's.
void AppendCookies(const http::Header& header, std::string* lines) {
  std::string_view rest = header.value;
  std::string kept;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(';'), rest.size());
    const std::string_view pair = Trim(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (pair.empty() || IsOurCookie(pair)) continue;
    if (!kept.empty()) kept += "; ";
    kept += pair;
  }
  if (!kept.empty()) AppendLine(header.name, kept, lines);
}

bool IsBase64Url(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

// Three parts between dots: what the upstream may verify again. Opaque tokens are the
// gateway's business alone.
bool IsJwt(std::string_view authorization) {
  const std::size_t space = authorization.find(' ');
  if (space == std::string_view::npos) return false;
  const std::string_view token = Trim(authorization.substr(space + 1));
  const std::size_t first = token.find('.');
  const std::size_t last = token.rfind('.');
  if (first == std::string_view::npos || first == last) return false;
  return IsBase64Url(token.substr(0, first)) &&
         IsBase64Url(token.substr(first + 1, last - first - 1)) &&
         IsBase64Url(token.substr(last + 1));
}

std::vector<std::string_view> Subprotocols(const http::Request& request) {
  std::vector<std::string_view> offered;
  for (const http::Header& header : request.headers) {
    if (FateOf(header.name) != Fate::kSubprotocol) continue;
    for (const std::string_view name : SplitList(header.value)) offered.push_back(name);
  }
  return offered;
}

bool StartsWith(std::string_view text, std::string_view begin) {
  return text.size() >= begin.size() && SameAsciiText(text.substr(0, begin.size()), begin);
}

// Whether it carries a credential, or says that the next one is it.
bool IsCredential(std::string_view subprotocol) {
  return SameAsciiText(subprotocol, "bearer") || StartsWith(subprotocol, "authorization.bearer.");
}

// One line for all fields, without credentials and the token behind "bearer".
void AppendSubprotocols(const http::Request& request, std::string* lines) {
  std::string kept;
  bool is_token = false;
  for (const std::string_view name : Subprotocols(request)) {
    if (!is_token && !IsCredential(name)) {
      if (!kept.empty()) kept += ", ";
      kept += name;
    }
    is_token = SameAsciiText(name, "bearer");
  }
  if (!kept.empty()) AppendLine("Sec-WebSocket-Protocol", kept, lines);
}

// The caller's tracestate belongs to its traceparent, and is nothing without.
bool KeepsTrace(const UpstreamHead& head) {
  const auto sent = head.request.Find("traceparent");
  return sent && sent->size() >= 35 && head.trace_parent.size() >= 35 &&
         sent->substr(3, 32) == head.trace_parent.substr(3, 32);
}

// The value of a field that a trusted proxy in front may set; nullopt when there is not
// exactly one.
std::optional<std::string_view> Told(const http::Request& request, std::string_view name) {
  if (request.Count(name) != 1) return std::nullopt;
  return request.Find(name);
}

void AppendForwarded(const UpstreamHead& head, std::string* lines) {
  const http::Request& request = head.request;
  const bool is_trusted = head.options.trusted_proxies.Contains(request.peer_address);
  std::string_view proto = head.options.https_only ? "https" : "http";
  std::string_view host = request.Find("Host").value_or("");
  lines->append("X-Forwarded-For: ");
  if (is_trusted) {
    for (const http::Header& header : request.headers) {
      if (!http::SameName(header.name, "X-Forwarded-For") || header.value.empty()) continue;
      AppendSafe(header.value, lines);
      lines->append(", ");
    }
    const auto told_proto = Told(request, "X-Forwarded-Proto");
    if (told_proto && (*told_proto == "http" || *told_proto == "https")) proto = *told_proto;
    host = Told(request, "X-Forwarded-Host").value_or(host);
  }
  lines->append(request.peer_address).append("\r\n");
  AppendLine("X-Forwarded-Proto", proto, lines);
  AppendSafeLine("X-Forwarded-Host", host, lines);
}

bool Holds(const google::protobuf::RepeatedPtrField<std::string>& list, const std::string& wanted) {
  return std::find(list.begin(), list.end(), wanted) != list.end();
}

}  // namespace

bool IsContextHeader(std::string_view name) {
  std::array<char, 9> buffer;
  const std::size_t size = std::min(name.size(), buffer.size());
  std::transform(name.begin(), name.begin() + static_cast<std::ptrdiff_t>(size), buffer.begin(),
                 Normal);
  return IsContextName(std::string_view(buffer.data(), size));
}

void AppendContextLines(const type::v1::Principal& principal, std::string* lines) {
  const bool is_whole = !principal.is_narrowed() || Holds(principal.scopes(), "admin");
  AppendSafeLine("X-User-ID", principal.user_id(), lines);
  AppendSafeLine("X-Client-ID", principal.client_id(), lines);
  AppendSafeLine("X-User-Role", is_whole ? principal.role() : "user", lines);
  AppendSafeLine("X-User-Tier", principal.tier(), lines);
  AppendSafeLine("X-User-Email", principal.email(), lines);
  lines->append("X-User-Permissions: ");
  bool is_first = true;
  for (const std::string& permission : principal.permissions()) {
    if (!is_whole && !Holds(principal.scopes(), permission)) continue;
    if (!is_first) *lines += ',';
    AppendSafe(permission, lines);
    is_first = false;
  }
  lines->append("\r\n");
}

std::string_view CredentialSubprotocol(const http::Request& request) {
  const std::vector<std::string_view> offered = Subprotocols(request);
  const auto found = std::find_if(offered.begin(), offered.end(), IsCredential);
  return found == offered.end() ? std::string_view() : *found;
}

bool IsOurCookie(std::string_view pair) {
  // A browser sends one without a name as its value alone, whatever that looks like.
  while (!pair.empty() && (pair.front() == '=' || pair.front() == ' ' || pair.front() == '\t')) {
    pair.remove_prefix(1);
  }
  const std::string_view name = Trim(pair.substr(0, pair.find_first_of("=;")));
  return name == kSessionCookie || name == kCsrfCookie;
}

std::string WriteUpstreamHead(const UpstreamHead& head) {
  const http::Request& request = head.request;
  std::string lines;
  lines.reserve(1024);
  lines.append(request.method).append(" ").append(request.target).append(" HTTP/1.1\r\n");
  AppendLine("Host", head.authority, &lines);
  const std::vector<std::string_view> listed = ListedByConnection(request);
  const auto is_listed = [&](const std::string& name) {
    return std::any_of(listed.begin(), listed.end(),
                       [&](std::string_view option) { return http::SameName(option, name); });
  };
  bool wrote_subprotocols = false;
  for (const http::Header& header : request.headers) {
    const Fate fate = FateOf(header.name);
    if (fate == Fate::kDrop || (!listed.empty() && is_listed(header.name))) continue;
    if (fate == Fate::kCookie) {
      AppendCookies(header, &lines);
    } else if (fate == Fate::kSubprotocol) {
      if (!std::exchange(wrote_subprotocols, true)) AppendSubprotocols(request, &lines);
    } else if (fate == Fate::kPass || (fate == Fate::kAuthorization && IsJwt(header.value)) ||
               (fate == Fate::kTraceState && KeepsTrace(head))) {
      AppendLine(header.name, header.value, &lines);
    }
  }
  AppendForwarded(head, &lines);
  AppendLine("X-Request-ID", head.request_id, &lines);
  AppendLine("traceparent", head.trace_parent, &lines);
  if (head.principal != nullptr) AppendContextLines(*head.principal, &lines);
  return lines;
}

}  // namespace gatehouse::gateway
