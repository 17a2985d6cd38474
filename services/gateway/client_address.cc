#include "services/gateway/client_address.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

using Bytes = std::array<unsigned char, 16>;

// Either family as 16 bytes.
std::optional<Bytes> ParseAddress(std::string_view text) {
  if (text.empty() || text.size() > 45) return std::nullopt;
  const std::string copy(text);
  Bytes bytes{};
  if (inet_pton(AF_INET6, copy.c_str(), bytes.data()) == 1) return bytes;
  bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (inet_pton(AF_INET, copy.c_str(), bytes.data() + 12) == 1) return bytes;
  return std::nullopt;
}

bool IsIpv4(const Bytes& bytes) {
  constexpr unsigned char kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::memcmp(bytes.data(), kMapped, sizeof kMapped) == 0;
}

std::string Format(const Bytes& bytes) {
  char text[INET6_ADDRSTRLEN] = "";
  if (IsIpv4(bytes)) {
    inet_ntop(AF_INET, bytes.data() + 12, text, sizeof text);
  } else {
    inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
  }
  return text;
}

// "1.2.3.4", "1.2.3.4:80", "::1", "[::1]", "[::1]:80".
std::optional<Bytes> ParseForwarded(std::string_view text) {
  if (!text.empty() && text.front() == '[') {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    return ParseAddress(text.substr(1, end - 1));
  }
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos) {
    text = text.substr(0, colon);
  }
  return ParseAddress(text);
}

bool SamePrefix(const Bytes& a, const Bytes& b, int bits) {
  const int whole = bits / 8;
  if (std::memcmp(a.data(), b.data(), static_cast<std::size_t>(whole)) != 0) return false;
  if (bits % 8 == 0) return true;
  const int mask = 0xff << (8 - bits % 8) & 0xff;
  return (a[static_cast<std::size_t>(whole)] & mask) == (b[static_cast<std::size_t>(whole)] & mask);
}

// The entries of all X-Forwarded-For fields, first to last.
std::vector<std::string_view> ForwardedEntries(const http::Request& request) {
  std::vector<std::string_view> entries;
  for (const http::Header& header : request.headers) {
    if (!http::SameName(header.name, "X-Forwarded-For")) continue;
    for (std::string_view part : SplitList(header.value)) entries.push_back(part);
  }
  return entries;
}

}  // namespace

absl::StatusOr<TrustedProxies> TrustedProxies::Parse(const std::string& list) {
  TrustedProxies proxies;
  for (std::string_view part : SplitList(list)) {
    const std::size_t slash = part.find('/');
    const std::optional<Bytes> bytes = ParseAddress(part.substr(0, slash));
    int prefix = 128;
    bool valid = bytes.has_value();
    if (valid && slash != std::string_view::npos) {
      const std::string_view digits = part.substr(slash + 1);
      const int offset = IsIpv4(*bytes) ? 96 : 0;
      const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
      valid = parsed.ec == std::errc() && parsed.ptr == digits.data() + digits.size() &&
              !digits.empty() && prefix >= 0 && prefix <= 128 - offset;
      prefix += offset;
    }
    if (!valid) {
      return Error(absl::StatusCode::kInvalidArgument, "SETTINGS_INVALID",
                   "must list addresses and networks, not \"" + std::string(part) + "\"");
    }
    proxies.networks_.push_back({*bytes, prefix});
  }
  return proxies;
}

bool TrustedProxies::Contains(std::string_view address) const {
  if (networks_.empty()) return false;
  const std::optional<Bytes> bytes = ParseAddress(address);
  if (!bytes) return false;
  for (const Network& network : networks_) {
    if (SamePrefix(network.bytes, *bytes, network.prefix)) return true;
  }
  return false;
}

std::string ClientAddress(const http::Request& request, const TrustedProxies& proxies) {
  std::string client = request.peer_address;
  if (proxies.empty() || !proxies.Contains(client)) return client;
  const std::vector<std::string_view> entries = ForwardedEntries(request);
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    const std::optional<Bytes> bytes = ParseForwarded(*entry);
    if (!bytes) return client;
    client = Format(*bytes);
    if (!proxies.Contains(client)) return client;
  }
  return client;
}

std::string NetworkOf(const std::string& address) {
  const std::optional<Bytes> bytes = ParseAddress(address);
  if (!bytes) return address;
  const char* begin = reinterpret_cast<const char*>(bytes->data());
  return IsIpv4(*bytes) ? std::string(begin + 12, 4) : std::string(begin, 8);
}

}  // namespace gatehouse::gateway
