#include "services/auth/user.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace gatehouse::auth {
namespace {

constexpr std::size_t kUsernameMin = 3;
constexpr std::size_t kUsernameMax = 50;
constexpr std::size_t kClientIdMin = 3;
constexpr std::size_t kClientIdMax = 50;
constexpr std::size_t kTenantNameBytesMax = 200;
constexpr std::size_t kTierMax = 50;
constexpr std::size_t kEmailBytesMax = 254;
constexpr std::size_t kLocalPartBytesMax = 64;
constexpr std::size_t kLabelBytesMax = 63;
constexpr char kAtomSpecials[] = "!#$%&'*+-/=?^_`{|}~";

bool IsUsernameChar(unsigned char c) {
  return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '-';
}

bool IsAtomChar(unsigned char c) {
  return absl::ascii_isalnum(c) ||
         (c != 0 && std::string(kAtomSpecials).find(c) != std::string::npos);
}

// Atoms between single dots.
bool IsDotAtom(const std::string& text) {
  if (text.empty() || text.front() == '.' || text.back() == '.') return false;
  if (absl::StrContains(text, "..")) return false;
  for (unsigned char c : text) {
    if (c != '.' && !IsAtomChar(c)) return false;
  }
  return true;
}

bool IsDomain(const std::string& domain) {
  std::size_t labels = 0;
  std::size_t begin = 0;
  while (begin <= domain.size()) {
    const std::size_t end = std::min(domain.find('.', begin), domain.size());
    const std::string label = domain.substr(begin, end - begin);
    if (label.empty() || label.size() > kLabelBytesMax) return false;
    if (label.front() == '-' || label.back() == '-') return false;
    for (unsigned char c : label) {
      if (!absl::ascii_isalnum(c) && c != '-') return false;
    }
    ++labels;
    begin = end + 1;
  }
  return labels >= 2;
}

}  // namespace

absl::Status FieldError(const std::string& reason, const std::string& field,
                        const std::string& message) {
  return WithFieldViolation(Error(absl::StatusCode::kInvalidArgument, reason, message), field,
                            message);
}

absl::Status CheckUsername(const std::string& username) {
  bool valid = username.size() >= kUsernameMin && username.size() <= kUsernameMax;
  for (unsigned char c : username) valid = valid && IsUsernameChar(c);
  if (valid) return absl::OkStatus();
  return FieldError("USERNAME_INVALID", "username",
                    "must be 3 to 50 letters, digits, dots, hyphens or underscores");
}

absl::Status CheckEmail(const std::string& email) {
  const std::size_t at = email.rfind('@');
  if (email.size() <= kEmailBytesMax && at != std::string::npos && at <= kLocalPartBytesMax &&
      IsDotAtom(email.substr(0, at)) && IsDomain(email.substr(at + 1))) {
    return absl::OkStatus();
  }
  return FieldError("EMAIL_INVALID", "email", "must be an email address");
}

absl::Status CheckClientId(const std::string& client_id) {
  bool valid = client_id.size() >= kClientIdMin && client_id.size() <= kClientIdMax;
  for (unsigned char c : client_id) valid = valid && IsUsernameChar(c) && c != '.';
  if (valid) return absl::OkStatus();
  return FieldError("CLIENT_ID_INVALID", "client_id",
                    "must be 3 to 50 letters, digits, hyphens or underscores");
}

absl::Status CheckTenantName(const std::string& name) {
  if (name.size() <= kTenantNameBytesMax && name.find('\0') == std::string::npos &&
      !absl::StripAsciiWhitespace(name).empty()) {
    return absl::OkStatus();
  }
  return FieldError("NAME_INVALID", "name", "must be 1 to 200 bytes of text");
}

absl::Status CheckTier(const std::string& tier) {
  bool valid = !tier.empty() && tier.size() <= kTierMax;
  for (unsigned char c : tier) {
    valid = valid && (absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_' || c == '-');
  }
  if (valid) return absl::OkStatus();
  return FieldError("TIER_INVALID", "tier",
                    "must be 1 to 50 lower-case letters, digits, hyphens or underscores");
}

std::vector<std::string> ClientIdsFor(const std::string& username, const std::string& user_id) {
  const std::string name = absl::AsciiStrToLower(username);
  return {name, name + "-" + user_id.substr(user_id.size() - 12), user_id};
}

}  // namespace gatehouse::auth
