#include "services/auth/token_request.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/utf8.h"

namespace gatehouse::auth {
namespace {

constexpr std::size_t kNameCharactersMax = 100;
constexpr std::size_t kScopeBytesMax = 64;
constexpr std::size_t kScopesMax = 100;
constexpr char kEverything[] = "*";

bool Holds(const std::vector<std::string>& scopes, const std::string& scope) {
  return std::find(scopes.begin(), scopes.end(), scope) != scopes.end();
}

// Printable and well-formed; at most kNameCharactersMax characters.
bool IsName(const std::string& name) {
  std::size_t characters = 0;
  for (std::size_t at = 0; at < name.size(); ++characters) {
    const std::size_t length = Utf8Length(name, at);
    if (length == 0 || absl::ascii_iscntrl(static_cast<unsigned char>(name[at]))) return false;
    at += length;
  }
  return characters <= kNameCharactersMax;
}

bool IsScope(const std::string& scope) {
  if (scope == kEverything) return true;
  if (scope.empty() || scope.size() > kScopeBytesMax) return false;
  return std::all_of(scope.begin(), scope.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == ':' || c == '-';
  });
}

absl::Status CheckScopeList(const TokenOrder& order) {
  if (order.kind == CredentialKind::kKey && order.scopes.empty()) {
    return FieldError("SCOPE_INVALID", "scopes", "must name one scope at least");
  }
  if (order.scopes.size() > kScopesMax ||
      !std::all_of(order.scopes.begin(), order.scopes.end(), IsScope)) {
    return FieldError("SCOPE_INVALID", "scopes",
                      "must be at most 100 names of letters, digits, dots, colons, hyphens or "
                      "underscores");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Check(TokenOrder& order, Time now) {
  const bool is_key = order.kind == CredentialKind::kKey;
  if (!is_key && order.kind != CredentialKind::kApi) {
    return FieldError("KIND_INVALID", "kind", "must be API or KEY");
  }
  if (!IsName(order.name) || (order.name.empty() && !is_key)) {
    return FieldError("NAME_INVALID", "name", "must be 1 to 100 printable characters");
  }
  GH_RETURN_IF_ERROR(CheckScopeList(order));
  if (is_key && order.expire_time && *order.expire_time <= now) {
    return FieldError("EXPIRE_TIME_INVALID", "expire_time", "must be in the future");
  }
  std::sort(order.scopes.begin(), order.scopes.end());
  order.scopes.erase(std::unique(order.scopes.begin(), order.scopes.end()), order.scopes.end());
  if (Holds(order.scopes, kEverything)) order.scopes = {kEverything};
  return absl::OkStatus();
}

absl::Status CheckScopes(const TokenOrder& order, const std::vector<std::string>& held,
                         const Actor& actor) {
  const bool is_limited = actor.is_narrowed && !actor.is_admin;
  const bool asks_for_all = order.scopes.empty() || Holds(order.scopes, kEverything);
  if (asks_for_all && is_limited) {
    return Error(absl::StatusCode::kPermissionDenied, "SCOPE_NOT_HELD",
                 "a narrowed credential cannot make one that is not");
  }
  if (asks_for_all) return absl::OkStatus();
  for (const std::string& scope : order.scopes) {
    if (!Holds(held, scope) || (is_limited && !Holds(actor.holds, scope))) {
      return Error(absl::StatusCode::kPermissionDenied, "SCOPE_NOT_HELD",
                   absl::StrCat("the scope ", scope, " is not held"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckMayMakeFor(const Actor& actor, const User& owner) {
  if (actor.user_id == owner.id) return absl::OkStatus();
  return CheckAdmin(actor);
}

bool LooksSigned(const std::string& credential) {
  return std::count(credential.begin(), credential.end(), '.') == 2;
}

std::string NeededScope(const std::string& path) {
  // What follows the path must not choose the scope.
  const std::string bare = path.substr(0, path.find('?'));
  if (absl::StartsWith(bare, "/admin")) return "admin";
  if (absl::StrContains(bare, "/chat")) return "llm.chat";
  if (absl::StrContains(bare, "/embeddings")) return "llm.embed";
  return "";
}

absl::Status CheckAllows(const std::vector<std::string>& scopes, const std::string& path) {
  const std::string needed = NeededScope(path);
  if (needed.empty() ? !scopes.empty() : Holds(scopes, needed)) return absl::OkStatus();
  return Error(absl::StatusCode::kPermissionDenied, "SCOPE_INSUFFICIENT",
               "the credential does not allow this");
}

}  // namespace gatehouse::auth
