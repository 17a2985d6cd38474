// Who the client is when proxies stand in front: X-Forwarded-For is believed
// only as far as the proxies that wrote it are known. Not a resolver.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/http/message.h"
#include "libs/status/status.h"

namespace gatehouse::gateway {

// The networks of TRUSTED_PROXIES. Immutable; safe to read from any thread.
class TrustedProxies {
 public:
  // "10.0.0.0/8, ::1": addresses and CIDR networks; INVALID_ARGUMENT names the
  // first part that is neither.
  static absl::StatusOr<TrustedProxies> Parse(const std::string& list);

  bool Contains(std::string_view address) const;
  bool empty() const { return networks_.empty(); }

 private:
  struct Network {
    std::array<unsigned char, 16> bytes;  // IPv4 as ::ffff:a.b.c.d
    int prefix;                           // Of 128 bits
  };
  std::vector<Network> networks_;
};

// The address of the socket's peer, unless that is a trusted proxy: then the
// entries of X-Forwarded-For are walked from the right past trusted ones. An
// entry that is no address ends the walk at the last address known.
std::string ClientAddress(const http::Request& request, const TrustedProxies& proxies);

// What one client is likely to hold of the address space, as bytes: the address of
// IPv4, also within IPv6; the /64 of IPv6; the text itself of what is neither.
std::string NetworkOf(const std::string& address);

}  // namespace gatehouse::gateway
