#include "services/auth/signup.h"

#include <gtest/gtest.h>

#include "libs/base/secret.h"

namespace gatehouse::auth {
namespace {

const SignupRequest kRequest{.username = "ada",
                             .email = "ada@example.com",
                             .password = "kestrel-plum-91",
                             .passkey = "a-passkey",
                             .origin = {}};

TEST(SignupRequestTest, ChecksEveryField) {
  EXPECT_TRUE(Check(kRequest).ok());
  SignupRequest request = kRequest;
  request.username = "a";
  EXPECT_EQ(Reason(Check(request)), "USERNAME_INVALID");
  request = kRequest;
  request.email = "ada";
  EXPECT_EQ(Reason(Check(request)), "EMAIL_INVALID");
  request = kRequest;
  request.password = "12345678";
  EXPECT_EQ(Reason(Check(request)), "PASSWORD_TOO_WEAK");
  for (const std::string& passkey : {std::string(), std::string(257, 'p')}) {
    request = kRequest;
    request.passkey = passkey;
    EXPECT_EQ(Reason(Check(request)), "PASSKEY_INVALID");
  }
}

TEST(SignupTest, IsTheSameForNamesInAnyCaseAndThePasskey) {
  const Signup signup{.id = "1",
                      .username = "Ada",
                      .email = "ADA@example.com",
                      .password_hash = "",
                      .passkey_digest = Sha256("a-passkey")};
  EXPECT_TRUE(IsSame(signup, kRequest));
  SignupRequest other = kRequest;
  other.passkey = "another";
  EXPECT_FALSE(IsSame(signup, other));
  other = kRequest;
  other.email = "eve@example.com";
  EXPECT_FALSE(IsSame(signup, other));
  other = kRequest;
  other.username = "eve";
  EXPECT_FALSE(IsSame(signup, other));
}

TEST(SignupTest, OnlyAnswersOfTheRuleAreDefinite) {
  for (const auto code : {absl::StatusCode::kNotFound, absl::StatusCode::kFailedPrecondition,
                          absl::StatusCode::kAlreadyExists, absl::StatusCode::kInvalidArgument}) {
    EXPECT_TRUE(IsDefiniteRefusal(absl::Status(code, ""))) << static_cast<int>(code);
  }
  for (const auto code : {absl::StatusCode::kUnavailable, absl::StatusCode::kDeadlineExceeded,
                          absl::StatusCode::kUnknown, absl::StatusCode::kInternal,
                          absl::StatusCode::kAborted, absl::StatusCode::kCancelled,
                          absl::StatusCode::kResourceExhausted, absl::StatusCode::kPermissionDenied,
                          absl::StatusCode::kUnauthenticated, absl::StatusCode::kUnimplemented}) {
    EXPECT_FALSE(IsDefiniteRefusal(absl::Status(code, ""))) << static_cast<int>(code);
  }
}

}  // namespace
}  // namespace gatehouse::auth
