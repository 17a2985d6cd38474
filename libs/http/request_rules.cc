#include "libs/http/request_rules.h"

#include <algorithm>

#include "libs/http/chars.h"
#include "libs/http/message.h"

namespace gatehouse::http {
namespace {

constexpr int kBadRequest = 400;
constexpr int kExpectationFailed = 417;
constexpr int kNotImplemented = 501;

// What the fields say, before it is judged.
struct Facts {
  int hosts = 0;
  int lengths = 0;
  int encodings = 0;
  bool chunked = false;  // The only transfer coding is exactly "chunked".
  bool close = false;
  bool keep_alive = false;
  bool expects_other = false;
};

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

void ReadConnection(std::string_view options, Facts* facts) {
  while (!options.empty()) {
    const std::size_t end = std::min(options.find(','), options.size());
    const std::string_view option = Trim(options.substr(0, end));
    options.remove_prefix(std::min(end + 1, options.size()));
    if (SameName(option, "close")) facts->close = true;
    if (SameName(option, "keep-alive")) facts->keep_alive = true;
  }
}

// Digits only, and few enough not to overflow: no sign, list, hex or blank.
bool ReadLength(std::string_view text, std::uint64_t* length) {
  if (text.empty() || text.size() > 18) return false;
  *length = 0;
  for (char c : text) {
    if (!IsDigit(c)) return false;
    *length = *length * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return true;
}

// A blank that is no space before or behind a value: RFC 9110 section 5.6.3 allows a
// tab, but readers disagree about one at the fields that frame a message.
bool HasTabAround(const RequestHead::Field& field) {
  if (field.value.empty()) return false;
  const char* const begin = field.name.data() + field.name.size();
  for (const char* at = begin; at < field.value.data(); ++at) {
    if (*at == '\t') return true;
  }
  for (const char* at = field.value.data() + field.value.size(); *at != '\r'; ++at) {
    if (*at == '\t') return true;
  }
  return false;
}

int ReadField(const RequestHead::Field& field, RequestHead* head, Facts* facts) {
  const auto is = [&](std::string_view name) { return SameName(field.name, name); };
  switch (field.name.size()) {
    case 4:
      if (!is("host")) return 0;
      ++facts->hosts;
      return IsHostValid(field.value) ? 0 : kBadRequest;
    case 6:
      if (!is("expect")) return 0;
      if (SameName(field.value, "100-continue")) {
        head->expects_continue = true;
      } else {
        facts->expects_other = true;
      }
      return 0;
    case 10:
      if (is("connection")) ReadConnection(field.value, facts);
      return 0;
    case 14:
      if (!is("content-length")) return 0;
      ++facts->lengths;
      if (HasTabAround(field)) return kBadRequest;
      return ReadLength(field.value, &head->content_length) ? 0 : kBadRequest;
    case 17:
      if (!is("transfer-encoding")) return 0;
      if (HasTabAround(field)) return kBadRequest;
      facts->chunked = ++facts->encodings == 1 && SameName(field.value, "chunked");
      return 0;
    default:
      return 0;
  }
}

int CheckFraming(const Facts& facts, RequestHead* head) {
  if (facts.lengths > 1) return kBadRequest;
  if (facts.encodings > 0) {
    // RFC 9112 section 6.1: either is an attempt to have two readers disagree.
    if (facts.lengths > 0 || head->minor_version == 0) return kBadRequest;
    if (!facts.chunked) return kNotImplemented;
    head->framing = RequestHead::Framing::kChunked;
  } else if (facts.lengths == 1) {
    head->framing = RequestHead::Framing::kLength;
    // Servers of HTTP/1.0 did not look for a body there, and read it as a request.
    const bool has_no_body =
        head->method == "GET" || head->method == "HEAD" || head->method == "DELETE";
    if (head->minor_version == 0 && has_no_body && head->content_length > 0) return kBadRequest;
  }
  return 0;
}

// RFC 9112 section 3.2.2: a server accepts the absolute form, and the host in it
// overrides the field.
int TakeAuthority(RequestHead* head) {
  std::string_view target = head->target;
  const std::size_t colon = target.find("://");
  if (colon == target.npos) return kBadRequest;
  const std::string_view scheme = target.substr(0, colon);
  if (!SameName(scheme, "http") && !SameName(scheme, "https")) return kBadRequest;
  target.remove_prefix(colon + 3);
  const std::size_t slash = target.find('/');
  head->authority = target.substr(0, slash);
  if (!IsHostValid(head->authority)) return kBadRequest;
  if (slash == target.npos) {
    head->target = head->method == "OPTIONS" ? "*" : "/";
  } else {
    head->target = target.substr(slash);
  }
  return 0;
}

int CheckTarget(RequestHead* head) {
  if (head->method == "CONNECT") return kNotImplemented;
  if (head->target == "*") return head->method == "OPTIONS" ? 0 : kBadRequest;
  if (head->target.front() != '/') {
    if (const int status = TakeAuthority(head)) return status;
  }
  const std::string_view path = head->target.substr(0, head->target.find('?'));
  if (path.find('%') != path.npos && !DecodePath(path)) return kBadRequest;
  return 0;
}

bool IsAddressLiteral(std::string_view text) {
  if (text.empty()) return false;
  for (char c : text) {
    if (HexDigit(c) < 0 && c != ':' && c != '.') return false;
  }
  return true;
}

// reg-name of RFC 3986.
bool IsName(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!In(kHostChars, text[at])) return false;
    if (text[at] != '%') continue;
    if (text.size() - at < 3 || HexDigit(text[at + 1]) < 0 || HexDigit(text[at + 2]) < 0) {
      return false;
    }
    at += 2;
  }
  return !text.empty();
}

bool IsPort(std::string_view text) {
  if (text.size() > 5) return false;
  int port = 0;
  for (char c : text) {
    if (!IsDigit(c)) return false;
    port = port * 10 + (c - '0');
  }
  return port <= 65535;
}

}  // namespace

bool IsHostValid(std::string_view host) {
  std::string_view port;
  if (!host.empty() && host.front() == '[') {
    const std::size_t end = host.find(']');
    if (end == host.npos || !IsAddressLiteral(host.substr(1, end - 1))) return false;
    port = host.substr(end + 1);
    return port.empty() || (port.front() == ':' && IsPort(port.substr(1)));
  }
  const std::size_t colon = host.find(':');
  if (colon != host.npos) port = host.substr(colon + 1);
  return IsName(host.substr(0, colon)) && IsPort(port);
}

int CheckHead(RequestHead* head) {
  Facts facts;
  for (const RequestHead::Field& field : head->fields) {
    if (const int status = ReadField(field, head, &facts)) return status;
  }
  if (facts.hosts > 1 || (facts.hosts == 0 && head->minor_version == 1)) return kBadRequest;
  if (const int status = CheckFraming(facts, head)) return status;
  if (const int status = CheckTarget(head)) return status;
  if (head->minor_version == 1) {
    head->keep_alive = !facts.close;
    if (facts.expects_other) return kExpectationFailed;
  } else {
    head->keep_alive = facts.keep_alive && !facts.close;
    head->expects_continue = false;
  }
  return 0;
}

}  // namespace gatehouse::http
