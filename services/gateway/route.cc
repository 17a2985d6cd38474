#include "services/gateway/route.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace gatehouse::gateway {
namespace {

const char* Name(Audience audience) {
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

const char* Name(Limit limit) {
  switch (limit) {
    case Limit::kNone:
      return "none";
    case Limit::kAddress:
      return "address";
    case Limit::kUser:
      return "user";
  }
  return "";
}

template <typename List>
bool Holds(const List& list, const std::string& wanted) {
  return std::find(list.begin(), list.end(), wanted) != list.end();
}

}  // namespace

void RouteTable::Add(Route route) {
  router_.Add(route.method, route.path, static_cast<int>(routes_.size()));
  routes_.push_back(std::move(route));
}

std::string RouteTable::ToText() const {
  std::string text = absl::StrFormat("%-7s %-36s %-26s %-8s %s\n", "METHOD", "PATH", "AUDIENCE",
                                     "LIMIT", "TIMEOUT");
  for (const Route& route : routes_) {
    std::string audience = Name(route.audience);
    if (!route.requirement.empty()) audience += " " + route.requirement;
    text += absl::StrFormat("%-7s %-36s %-26s %-8s %d ms\n", route.method, route.path, audience,
                            Name(route.limit), DurationOf(route.timeout).count());
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
