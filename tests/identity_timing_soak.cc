// Whether the time of an answer tells if an account exists: logins, password resets
// and signups, known and unknown names in random order, compared by Welch's t. Runs for
// minutes: `make soak-identity`, not `make test`.
#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <random>

#include "gatehouse/auth/v1/session.methods.h"
#include "libs/base/secret.h"
#include "libs/rpc/client.h"
#include "tests/harness/stack.h"

namespace gatehouse {
namespace {

using auth::v1::SessionService;
using harness::Stack;

constexpr double kMax = 4.5;  // The bound of |t| that side-channel tests use.

int Samples() {
  const char* asked = std::getenv("IDENTITY_TIMING_SAMPLES");
  return asked == nullptr ? 20000 : std::atoi(asked);
}

class Sample {
 public:
  void Add(double value) {
    ++count_;
    const double delta = value - mean_;
    mean_ += delta / count_;
    squares_ += delta * (value - mean_);
  }
  double mean() const { return mean_; }
  double error() const { return squares_ / (count_ - 1) / count_; }

 private:
  int count_ = 0;
  double mean_ = 0, squares_ = 0;
};

class IdentityTiming : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(stack_.Start(), "");
    for (int i = 0; i < kKnown; ++i) stack_.SignUp("known" + std::to_string(i));
    std::ifstream file(stack_.directory() + "/gateway.key");
    std::string text;
    file >> text;
    auto key = token::SigningKey::FromSeed("gateway", *Base64UrlDecode(text));
    ASSERT_TRUE(key.ok());
    issuer_ = std::make_unique<rpc::PassportIssuer>("gateway", *std::move(key), clock_);
    auth_ = std::make_unique<rpc::Client>("auth", "unix:" + stack_.directory() + "/auth.sock",
                                          issuer_.get());
  }

  // `ask(name)` refuses alike for both kinds of names; |t| of its times.
  double Compare(const std::string& what, const std::function<void(const std::string&)>& ask) {
    Sample known, unknown;
    for (int i = 0; i < Samples(); ++i) {
      const bool is_known = random_() % 2 == 0;
      const std::string name = (is_known ? "known" : "nobod") + std::to_string(random_() % kKnown);
      const auto begin = std::chrono::steady_clock::now();
      ask(name);
      const std::chrono::duration<double, std::micro> took =
          std::chrono::steady_clock::now() - begin;
      // What waited for something else says nothing and drowns the rest.
      if (took.count() < 60000) (is_known ? known : unknown).Add(took.count());
    }
    const double t = (known.mean() - unknown.mean()) / std::sqrt(known.error() + unknown.error());
    std::printf("%-8s known %.1f us, unknown %.1f us, t = %.2f (n = %d)\n", what.c_str(),
                known.mean(), unknown.mean(), t, Samples());
    std::fflush(stdout);
    return std::abs(t);
  }

  // A network of its own for each attempt, or the throttle would answer.
  auth::v1::Origin NewOrigin() {
    if (++attempts_ % 50 == 0) stack_.Sql("DELETE FROM auth.login_attempts");
    auth::v1::Origin origin;
    origin.set_client_address("2001:db8:" + std::to_string(attempts_ % 9999) + "::1");
    return origin;
  }

  static constexpr int kKnown = 10;
  int attempts_ = 0;
  SystemClock clock_;
  Stack stack_;
  std::mt19937 random_{20261121};
  std::unique_ptr<rpc::PassportIssuer> issuer_;
  std::unique_ptr<rpc::Client> auth_;
};

TEST_F(IdentityTiming, OfLogins) {
  EXPECT_LT(Compare("login",
                    [&](const std::string& name) {
                      auth::v1::LogInRequest request;
                      request.set_username(name);
                      request.set_password("not-the-password");
                      request.set_kind(auth::v1::CREDENTIAL_KIND_TOKEN);
                      *request.mutable_origin() = NewOrigin();
                      EXPECT_FALSE(auth_->Call(SessionService::kLogIn, request).ok());
                    }),
            kMax);
}

TEST_F(IdentityTiming, OfPasswordResets) {
  EXPECT_LT(Compare("reset",
                    [&](const std::string& name) {
                      auth::v1::RequestPasswordResetRequest request;
                      request.set_email(name + "@example.com");
                      *request.mutable_origin() = NewOrigin();
                      EXPECT_TRUE(auth_->Call(SessionService::kRequestPasswordReset, request).ok());
                    }),
            kMax);
}

TEST_F(IdentityTiming, OfSignups) {
  EXPECT_LT(Compare("signup",
                    [&](const std::string& name) {
                      auth::v1::SignUpRequest request;
                      request.set_username(name);
                      request.set_email(name + "@example.com");
                      request.set_password(harness::kPassword);
                      request.set_passkey("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
                      *request.mutable_origin() = NewOrigin();
                      EXPECT_FALSE(auth_->Call(SessionService::kSignUp, request).ok());
                    }),
            kMax);
}

}  // namespace
}  // namespace gatehouse
