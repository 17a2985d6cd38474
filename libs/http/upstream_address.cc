// From the address of an upstream as it is configured to the endpoints behind it.
#include <netdb.h>
#include <netinet/in.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <utility>

#include "libs/http/chars.h"
#include "libs/http/message.h"
#include "libs/http/request_rules.h"
#include "libs/http/upstream_group.h"

namespace gatehouse::http {
namespace {

constexpr std::string_view kScheme = "http://";

struct FreeAddresses {
  void operator()(addrinfo* found) const { ::freeaddrinfo(found); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Addresses LookUp(const std::string& host, const std::string& port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | flags;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) return nullptr;
  return Addresses(found);
}

// "10.0.0.7:8080", "[::1]:8080"
std::string NameOf(const addrinfo& address) {
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (::getnameinfo(address.ai_addr, address.ai_addrlen, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "";
  }
  const bool is_v6 = address.ai_family == AF_INET6;
  return (is_v6 ? "[" : "") + std::string(host) + (is_v6 ? "]:" : ":") + port;
}

// 1 … 65535
bool IsPort(std::string_view text) {
  if (text.empty() || text.size() > 5 || text.front() == '0') return false;
  int port = 0;
  for (char c : text) {
    if (!IsDigit(c)) return false;
    port = port * 10 + (c - '0');
  }
  return port <= 65535;
}

}  // namespace

std::string ParseUpstreamUrl(const std::string& url, std::string* host, std::string* port) {
  const std::string_view text = url;
  if (!SameName(text.substr(0, kScheme.size()), kScheme)) return "must begin with http://";
  std::string_view authority = text.substr(kScheme.size());
  const std::size_t path = authority.find_first_of("/?#");
  if (path != authority.npos) {
    if (authority.substr(path) != "/") return "must not have a path, a query or a fragment";
    authority = authority.substr(0, path);
  }
  if (authority.find('@') != authority.npos) return "must not have a user";
  if (!IsHostValid(authority)) return "must name a host: http://host:port";
  const std::size_t bracket = authority.find(']');
  const std::size_t colon = authority.find(':', bracket == authority.npos ? 0 : bracket);
  const std::string_view number =
      colon == authority.npos ? std::string_view("80") : authority.substr(colon + 1);
  if (!IsPort(number)) return "must have a port from 1 to 65535, or none";
  const std::string_view name = authority.substr(0, colon);
  *host = name.front() == '[' ? name.substr(1, name.size() - 2) : name;
  *port = number;
  return "";
}

std::vector<std::shared_ptr<Endpoint>> ResolveEndpoints(const std::string& host,
                                                        const std::string& port) {
  static std::atomic<std::uint64_t> next_id{1};
  Addresses found = LookUp(host, port, AI_NUMERICHOST);
  if (found == nullptr) found = LookUp(host, port, AI_ADDRCONFIG);
  std::vector<std::shared_ptr<Endpoint>> endpoints;
  for (const addrinfo* at = found.get(); at != nullptr; at = at->ai_next) {
    if (at->ai_family != AF_INET && at->ai_family != AF_INET6) continue;
    auto endpoint = std::make_shared<Endpoint>();
    endpoint->name = NameOf(*at);
    std::memcpy(&endpoint->address, at->ai_addr, at->ai_addrlen);
    endpoint->address_size = at->ai_addrlen;
    endpoint->id = next_id.fetch_add(1);
    endpoints.push_back(std::move(endpoint));
  }
  return endpoints;
}

}  // namespace gatehouse::http
