#include "services/gateway/route.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace gatehouse::gateway {
namespace {

std::string Text(Timeout timeout) {
  if (timeout == Timeout::kProxy) return "upstream";
  if (timeout == Timeout::kStream) return "none";
  return std::to_string(DurationOf(timeout).count()) + " ms";
}

std::string Row(const std::string& method, const std::string& path, const std::string& audience,
                const std::string& limit, const std::string& timeout, const std::string& lane,
                const std::string& target) {
  return absl::StrFormat("%-7s %-48s %-26s %-8s %-9s %-7s %s\n", method, path, audience, limit,
                         timeout, lane, target);
}

template <typename List>
bool Holds(const List& list, const std::string& wanted) {
  return std::find(list.begin(), list.end(), wanted) != list.end();
}

}  // namespace

const char* NameOf(Audience audience) {
  switch (audience) {
    case Audience::kNobody:
      return "nobody";
    case Audience::kPublic:
      return "public";
    case Audience::kOptional:
      return "optional";
    case Audience::kUser:
      return "user";
    case Audience::kRole:
      return "role";
    case Audience::kPermission:
      return "permission";
  }
  return "";
}

const char* NameOf(Limit limit) {
  switch (limit) {
    case Limit::kNone:
      return "none";
    case Limit::kSigned:
      return "signed";
    case Limit::kAddress:
      return "address";
    case Limit::kUser:
      return "user";
    case Limit::kProxy:
      return "proxy";
  }
  return "";
}

const char* NameOf(Lane lane) {
  switch (lane) {
    case Lane::kVital:
      return "vital";
    case Lane::kAdmin:
      return "admin";
    case Lane::kApi:
      return "api";
    case Lane::kProxy:
      return "proxy";
    case Lane::kSocket:
      return "socket";
  }
  return "";
}

Lane LaneOf(const Route& route) {
  if (route.is_socket) return Lane::kSocket;
  if (!route.upstream.empty()) return Lane::kProxy;
  if (route.limit == Limit::kNone) return Lane::kVital;
  const bool is_admin =
      route.audience == Audience::kRole || route.audience == Audience::kPermission;
  return is_admin ? Lane::kAdmin : Lane::kApi;
}

void RouteTable::Add(Route route) {
  router_.Add(route.method, route.path, static_cast<int>(routes_.size()));
  routes_.push_back(std::move(route));
}

std::string RouteTable::ToText() const {
  std::string text = Row("METHOD", "PATH", "AUDIENCE", "LIMIT", "TIMEOUT", "LANE", "TARGET");
  for (const Route& route : routes_) {
    std::string audience = NameOf(route.audience);
    if (!route.requirement.empty()) audience += " " + route.requirement;
    text += Row(route.method, route.path, audience, NameOf(route.limit), Text(route.timeout),
                NameOf(LaneOf(route)), route.upstream.empty() ? "gateway" : route.upstream);
  }
  return text;
}

std::chrono::milliseconds DurationOf(Timeout timeout) {
  switch (timeout) {
    case Timeout::kQuick:
      return std::chrono::seconds(2);
    case Timeout::kStandard:
      return std::chrono::seconds(5);
    case Timeout::kSlow:
      return std::chrono::seconds(15);
    case Timeout::kProxy:
    case Timeout::kStream:
      return std::chrono::seconds(5);
  }
  return {};
}

bool MayUse(const Route& route, const type::v1::Principal& principal) {
  // Auth leaves of the scopes only what the owner holds: "admin" is an admin's.
  const bool is_whole = !principal.is_narrowed() || Holds(principal.scopes(), "admin");
  switch (route.audience) {
    case Audience::kNobody:
      return false;
    case Audience::kPublic:
      return true;
    case Audience::kUser:
      return is_whole;
    case Audience::kRole:
      return is_whole && principal.role() == route.requirement;
    case Audience::kOptional:
      if (route.requirement.empty()) return is_whole;
      [[fallthrough]];
    case Audience::kPermission:
      return Holds(principal.permissions(), route.requirement) &&
             (is_whole || Holds(principal.scopes(), route.requirement));
  }
  return false;
}

}  // namespace gatehouse::gateway
