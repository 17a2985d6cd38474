#include "services/auth/signup.h"

#include "absl/strings/match.h"
#include "libs/base/secret.h"
#include "services/auth/password.h"
#include "services/auth/user.h"

namespace gatehouse::auth {
namespace {

constexpr std::size_t kPasskeyBytesMax = 256;

}  // namespace

absl::Status Check(const SignupRequest& request) {
  GH_RETURN_IF_ERROR(CheckUsername(request.username));
  GH_RETURN_IF_ERROR(CheckEmail(request.email));
  if (request.passkey.empty() || request.passkey.size() > kPasskeyBytesMax) {
    return FieldError("PASSKEY_INVALID", "passkey", "must be the passkey that you were given");
  }
  return CheckPassword(request.password, request.username, request.email);
}

bool IsSame(const Signup& signup, const SignupRequest& request) {
  return absl::EqualsIgnoreCase(signup.username, request.username) &&
         absl::EqualsIgnoreCase(signup.email, request.email) &&
         ConstantTimeEquals(signup.passkey_digest, Sha256(request.passkey));
}

bool IsDefiniteRefusal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
      return true;
    default:
      return false;
  }
}

}  // namespace gatehouse::auth
