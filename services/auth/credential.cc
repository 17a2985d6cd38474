#include "services/auth/credential.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <utility>

namespace gatehouse::auth {
namespace {

constexpr char kEveryScope[] = "*";

constexpr std::array kKinds = {CredentialKind::kToken,    CredentialKind::kSession,
                               CredentialKind::kLogin,    CredentialKind::kAccess,
                               CredentialKind::kPlatform, CredentialKind::kApi,
                               CredentialKind::kKey};

}  // namespace

const char* Name(CredentialKind kind) {
  switch (kind) {
    case CredentialKind::kToken:
      return "token";
    case CredentialKind::kSession:
      return "session";
    case CredentialKind::kLogin:
      return "login";
    case CredentialKind::kAccess:
      return "access";
    case CredentialKind::kPlatform:
      return "platform";
    case CredentialKind::kApi:
      return "api";
    case CredentialKind::kKey:
      return "key";
  }
  std::abort();
}

std::optional<CredentialKind> KindOf(const std::string& name) {
  const auto* const found = std::find_if(kKinds.begin(), kKinds.end(),
                                         [&](CredentialKind kind) { return Name(kind) == name; });
  if (found == kKinds.end()) return std::nullopt;
  return *found;
}

bool IsSigned(CredentialKind kind) {
  return kind == CredentialKind::kAccess || kind == CredentialKind::kPlatform;
}

const char* PrefixOf(CredentialKind kind) {
  switch (kind) {
    case CredentialKind::kToken:
      return "ght";
    case CredentialKind::kSession:
      return "ghs";
    case CredentialKind::kLogin:
      return "ghl";
    case CredentialKind::kApi:
      return "ora";
    case CredentialKind::kKey:
      return "gh";
    case CredentialKind::kAccess:
    case CredentialKind::kPlatform:
      break;
  }
  std::abort();
}

std::chrono::seconds AccessLife(CredentialKind kind) {
  return kind == CredentialKind::kPlatform ? std::chrono::minutes(30) : std::chrono::minutes(15);
}

std::vector<std::string> HeldScopes(const std::vector<std::string>& permissions,
                                    const std::vector<std::string>& role_scopes) {
  std::vector<std::string> held = permissions;
  held.insert(held.end(), role_scopes.begin(), role_scopes.end());
  std::sort(held.begin(), held.end());
  held.erase(std::unique(held.begin(), held.end()), held.end());
  return held;
}

std::optional<std::vector<std::string>> EffectiveScopes(
    const std::optional<std::vector<std::string>>& scopes,
    const std::vector<std::string>& permissions, const std::vector<std::string>& role_scopes) {
  if (!scopes || std::count(scopes->begin(), scopes->end(), kEveryScope) > 0) return std::nullopt;
  std::vector<std::string> wanted = *scopes;
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  const std::vector<std::string> held = HeldScopes(permissions, role_scopes);
  std::vector<std::string> effective;
  std::set_intersection(wanted.begin(), wanted.end(), held.begin(), held.end(),
                        std::back_inserter(effective));
  return effective;
}

}  // namespace gatehouse::auth
