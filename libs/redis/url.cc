#include "libs/redis/url.h"

#include <charconv>
#include <optional>
#include <string_view>

namespace gatehouse::redis {
namespace {

absl::Status Invalid(const std::string& message) {
  return Error(absl::StatusCode::kInvalidArgument, "REDIS_URL_INVALID", message);
}

// The number that is all of `text`, in [min, max].
std::optional<int> Number(std::string_view text, int min, int max) {
  int number = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc() || at != end) return std::nullopt;
  if (number < min || number > max) return std::nullopt;
  return number;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> Decode(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return std::nullopt;
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

// "user:password", ":password" or "password".
absl::Status ReadCredentials(std::string_view text, Url* url) {
  const std::size_t colon = text.find(':');
  const bool has_user = colon != std::string_view::npos;
  const auto user = Decode(has_user ? text.substr(0, colon) : "");
  const auto password = Decode(has_user ? text.substr(colon + 1) : text);
  if (!user || !password) return Invalid("user and password must be percent-encoded");
  if (password->empty()) return Invalid("the password is empty");
  url->user = *user;
  url->password = *password;
  return absl::OkStatus();
}

absl::Status ReadDatabase(std::string_view text, Url* url) {
  const std::optional<int> database = Number(text, 0, 65535);
  if (!database) return Invalid("the database must be a number");
  url->database = *database;
  return absl::OkStatus();
}

// "host", "host:port", "[::1]:port".
absl::Status ReadHost(std::string_view text, Url* url) {
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return Invalid("the host lacks a ]");
    url->host = std::string(text.substr(1, end - 1));
    port = text.substr(end + 1);
  } else {
    const std::size_t colon = text.find(':');
    url->host = std::string(text.substr(0, colon));
    if (colon != std::string_view::npos) port = text.substr(colon);
  }
  if (url->host.empty()) return Invalid("the host is missing");
  for (const char c : url->host) {
    if (c <= ' ' || c == 0x7f) return Invalid("the host is not a name");
  }
  if (port.empty()) return absl::OkStatus();
  const auto number = port.front() == ':' ? Number(port.substr(1), 1, 65535) : std::nullopt;
  if (!number) return Invalid("the port must be a number from 1 to 65535");
  url->port = static_cast<std::uint16_t>(*number);
  return absl::OkStatus();
}

absl::Status ReadQuery(std::string_view query, Url* url) {
  while (!query.empty()) {
    const std::string_view part = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), part.size() + 1));
    if (part.starts_with("database=")) {
      GH_RETURN_IF_ERROR(ReadDatabase(part.substr(9), url));
    } else if (part.starts_with("password=")) {
      GH_RETURN_IF_ERROR(ReadCredentials(":" + std::string(part.substr(9)), url));
    } else {
      return Invalid("behind the ? only database= and password= may stand");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Url> ParseUnix(std::string_view rest) {
  Url url;
  if (rest.starts_with("//")) rest.remove_prefix(2);
  const std::size_t question = rest.find('?');
  url.path = std::string(rest.substr(0, question));
  if (!url.path.starts_with('/')) return Invalid("the socket's path must begin with /");
  if (url.path.size() > 107) return Invalid("the socket's path is longer than 107 bytes");
  if (question != std::string_view::npos) {
    GH_RETURN_IF_ERROR(ReadQuery(rest.substr(question + 1), &url));
  }
  return url;
}

}  // namespace

std::string Url::ToText() const {
  if (!path.empty()) return "unix:" + path + "?database=" + std::to_string(database);
  const bool is_bare_ip6 = host.find(':') != std::string::npos;
  return std::string(is_tls ? "rediss://" : "redis://") + (is_bare_ip6 ? "[" + host + "]" : host) +
         ":" + std::to_string(port) + "/" + std::to_string(database);
}

absl::StatusOr<Url> ParseUrl(const std::string& text) {
  std::string_view rest(text);
  if (rest.starts_with("unix:")) return ParseUnix(rest.substr(5));
  Url url;
  url.is_tls = rest.starts_with("rediss://");
  if (!url.is_tls && !rest.starts_with("redis://")) {
    return Invalid("must begin with redis://, rediss:// or unix:/");
  }
  rest.remove_prefix(url.is_tls ? 9 : 8);
  if (rest.find_first_of("?#") != std::string_view::npos) {
    return Invalid("takes neither ? nor #; encode them by percent signs");
  }
  const std::size_t at = rest.rfind('@');
  if (at != std::string_view::npos) {
    GH_RETURN_IF_ERROR(ReadCredentials(rest.substr(0, at), &url));
    rest.remove_prefix(at + 1);
  }
  const std::size_t slash = rest.find('/');
  GH_RETURN_IF_ERROR(ReadHost(rest.substr(0, slash), &url));
  if (slash != std::string_view::npos && slash + 1 < rest.size()) {
    GH_RETURN_IF_ERROR(ReadDatabase(rest.substr(slash + 1), &url));
  }
  return url;
}

}  // namespace gatehouse::redis
