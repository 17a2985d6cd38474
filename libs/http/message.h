// HTTP messages as the edge sees them: a request that was parsed strictly, and a
// response to be framed. Header names keep their spelling and order; repeats are
// kept. Not a client.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gatehouse::http {

struct Header {
  std::string name;
  std::string value;
};

// Case-insensitive comparison of header names.
bool SameName(std::string_view a, std::string_view b);

struct Request {
  std::string method;      // As sent: methods are case-sensitive.
  std::string target;      // Raw request target, origin form.
  std::string_view path;   // Of target, before "?"; still percent-encoded.
  std::string_view query;  // After "?", without it; still percent-encoded.
  int minor_version = 1;   // HTTP/1.x
  std::vector<Header> headers;
  std::string body;
  // It has one that is still to be read, by a stream; with its length, if that is known.
  bool body_follows = false;
  std::optional<std::uint64_t> body_length;
  std::string peer_address;  // Of the socket, "127.0.0.1" or "::1".

  Request() = default;
  Request(const Request&) = delete;  // path and query point into target
  Request& operator=(const Request&) = delete;

  // The first value of a header, or nullopt; the number of fields of that name.
  std::optional<std::string_view> Find(std::string_view name) const;
  std::size_t Count(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::vector<Header> headers;  // Without Content-Length, Connection, Date.
  std::string body;             // Not sent for HEAD, 1xx, 204 and 304.
};

// Percent-decodes one path segment or query part ("+" stays in paths). nullopt
// for a broken escape, %00, or bytes that are not UTF-8.
std::optional<std::string> DecodePath(std::string_view text);

// application/x-www-form-urlencoded, in order. nullopt as DecodePath.
std::optional<std::vector<std::pair<std::string, std::string>>> ParseQuery(std::string_view query);

// Cookies of a Cookie header, in order; parts without "=" are passed over.
std::vector<std::pair<std::string_view, std::string_view>> ParseCookies(std::string_view header);

// Reason phrase of a status, "" for an unknown one.
const char* ReasonPhrase(int status);

bool IsValidUtf8(std::string_view text);

}  // namespace gatehouse::http
