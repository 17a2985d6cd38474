// Random refreshes, replays, revocations and redemptions while auth and invitations
// are killed: nobody is logged out by mistake, no reuse is missed, no passkey is
// redeemed twice. Short in `make test`; IDENTITY_SOAK_OPERATIONS makes it long.
#include <gmock/gmock.h>

#include <atomic>
#include <fstream>
#include <random>
#include <thread>

#include "gatehouse/auth/v1/session.methods.h"
#include "gatehouse/auth/v1/user.methods.h"
#include "gatehouse/invitations/v1/invitations.methods.h"
#include "libs/base/secret.h"
#include "libs/rpc/client.h"
#include "tests/harness/stack.h"

namespace gatehouse {
namespace {

using auth::v1::IssuedCredential;
using auth::v1::SessionService;
using auth::v1::UserService;
using harness::Stack;
using invitations::v1::InvitationService;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr int kThreads = 4;
constexpr int kUsersPerThread = 4;

int Operations() {
  const char* asked = std::getenv("IDENTITY_SOAK_OPERATIONS");
  return asked == nullptr ? 1500 : std::atoi(asked);
}

// What the run has seen; the first four must stay 0.
struct Tally {
  std::atomic<int> spurious_logouts = 0, forks = 0, missed_reuses = 0, double_redemptions = 0;
  std::atomic<int> refreshes = 0, twins = 0, reuses = 0, revocations = 0, redemptions = 0;
  std::atomic<int> kills = 0, too_late = 0;
};

bool IsOutage(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsUnknown(status) || absl::IsCancelled(status) || absl::IsResourceExhausted(status);
}

class IdentitySoak : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(stack_.Start(), "");
    std::ifstream file(stack_.directory() + "/gateway.key");
    std::string text;
    file >> text;
    auto key = token::SigningKey::FromSeed("gateway", *Base64UrlDecode(text));
    ASSERT_TRUE(key.ok());
    issuer_ = std::make_unique<rpc::PassportIssuer>("gateway", *std::move(key), clock_);
    const std::string folder = "unix:" + stack_.directory();
    auth_ = std::make_unique<rpc::Client>("auth", folder + "/auth.sock", issuer_.get());
    invitations_ =
        std::make_unique<rpc::Client>("invitations", folder + "/invitations.sock", issuer_.get());
  }

  // Again until there is an answer: the process may be dead at the moment.
  template <typename Request, typename Response>
  static absl::StatusOr<Response> Insist(rpc::Client& client,
                                         const rpc::Method<Request, Response>& method,
                                         const Request& request) {
    const auto end = steady_clock::now() + seconds(60);
    rpc::CallOptions options;
    options.wait_for_ready = true;
    while (true) {
      const absl::StatusOr<Response> answer = client.Call(method, request, options);
      if (answer.ok() || !IsOutage(answer.status()) || steady_clock::now() > end) return answer;
    }
  }

  // The refresh token of a new login.
  IssuedCredential LogIn(const std::string& name) {
    auth::v1::LogInRequest request;
    request.set_username(name);
    request.set_password(harness::kPassword);
    request.set_kind(auth::v1::CREDENTIAL_KIND_ACCESS);
    const auto answer = Insist(*auth_, SessionService::kLogIn, request);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? *answer : IssuedCredential();
  }

  absl::StatusOr<IssuedCredential> Refresh(const std::string& refresh_token) {
    auth::v1::RefreshRequest request;
    request.set_refresh_token(refresh_token);
    return Insist(*auth_, SessionService::kRefresh, request);
  }

  void Kill(std::mt19937& random);

  SystemClock clock_;
  Stack stack_;
  Tally tally_;
  std::atomic<bool> done_ = false;
  std::unique_ptr<rpc::PassportIssuer> issuer_;
  std::unique_ptr<rpc::Client> auth_, invitations_;
  friend class Customer;
};

// SIGKILL, or a crash between two steps, and up again.
void IdentitySoak::Kill(std::mt19937& random) {
  static const char* const kFailpoints[] = {
      "", "auth.signup.reserved=crash", "auth.signup.redeemed=crash", "auth.signup.created=crash",
      "auth.refresh.rotated=crash"};
  while (!done_) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200 + random() % 1000));
    const std::string name = random() % 4 == 0 ? "invitations" : "auth";
    const std::string failpoints = name == "auth" ? kFailpoints[random() % 5] : "";
    harness::Process& process = stack_.at(name);
    if (!failpoints.empty()) {
      stack_.Restart(name, failpoints);  // It may crash before it is ready.
      int exit_code = 0;
      process.AwaitExit(seconds(1), &exit_code);
    }
    ASSERT_TRUE(stack_.Restart(name)) << process.Log();
    ++tally_.kills;
  }
}

// One session of one user, and all that may happen to it. One thread's.
class Customer {
 public:
  Customer(IdentitySoak& soak, std::string name) : soak_(soak), name_(std::move(name)) { LogIn(); }

  void LogIn() {
    const IssuedCredential issued = soak_.LogIn(name_);
    user_id_ = issued.user().id();
    tokens_ = {issued.refresh_token()};
  }

  // The newest token must be accepted, also when the answer was lost before.
  void Refresh() {
    const auto begin = steady_clock::now();
    const auto issued = soak_.Refresh(tokens_.back());
    if (issued.ok()) {
      tokens_.push_back(issued->refresh_token());
      ++soak_.tally_.refreshes;
      return;
    }
    // A retry after the window is refused by design.
    const bool late = steady_clock::now() - begin > seconds(9);
    ++(late ? soak_.tally_.too_late : soak_.tally_.spurious_logouts);
    if (!late) ADD_FAILURE() << "logged out by mistake: " << issued.status();
    LogIn();
  }

  // The same token twice at once gets the same child.
  void RefreshTwice() {
    absl::StatusOr<IssuedCredential> one, two;
    const auto begin = steady_clock::now();
    std::thread other([&] { one = soak_.Refresh(tokens_.back()); });
    two = soak_.Refresh(tokens_.back());
    other.join();
    if (one.ok() && two.ok()) {
      soak_.tally_.forks += one->refresh_token() != two->refresh_token();
      tokens_.push_back(one->refresh_token());
      ++soak_.tally_.twins;
      return;
    }
    const bool late = steady_clock::now() - begin > seconds(9);
    ++(late ? soak_.tally_.too_late : soak_.tally_.spurious_logouts);
    if (!late) ADD_FAILURE() << one.status() << " " << two.status();
    LogIn();
  }

  // An older token kills the session.
  void Replay(std::mt19937& random) {
    if (tokens_.size() < 3) return Refresh();
    const auto stolen = soak_.Refresh(tokens_[random() % (tokens_.size() - 2)]);
    soak_.tally_.missed_reuses += stolen.ok();
    soak_.tally_.missed_reuses += soak_.Refresh(tokens_.back()).ok();
    ++soak_.tally_.reuses;
    LogIn();
  }

  void Revoke() {
    auth::v1::RevokeCredentialsRequest request;
    request.set_user(user_id_);
    const auto revoked =
        IdentitySoak::Insist(*soak_.auth_, UserService::kRevokeCredentials, request);
    EXPECT_TRUE(revoked.ok()) << revoked.status();
    soak_.tally_.missed_reuses += soak_.Refresh(tokens_.back()).ok();
    ++soak_.tally_.revocations;
    LogIn();
  }

  // Two newcomers race for one passkey: exactly one gets in.
  void Redeem() {
    invitations::v1::CreateInvitationRequest create;
    create.set_ttl_seconds(3600);
    const auto passkey =
        IdentitySoak::Insist(*soak_.invitations_, InvitationService::kCreateInvitation, create);
    ASSERT_TRUE(passkey.ok()) << passkey.status();
    std::atomic<int> joined = 0;
    const auto sign_up = [&](const std::string& suffix) {
      auth::v1::SignUpRequest request;
      const std::string name = name_ + "-" + std::to_string(redemptions_) + suffix;
      request.set_username(name);
      request.set_email(name + "@example.com");
      request.set_password(harness::kPassword);
      request.set_passkey(passkey->token());
      joined += IdentitySoak::Insist(*soak_.auth_, SessionService::kSignUp, request).ok();
    };
    ++redemptions_;
    std::thread other(sign_up, "a");
    sign_up("b");
    other.join();
    EXPECT_EQ(joined, 1);
    soak_.tally_.double_redemptions += joined > 1;
    ++soak_.tally_.redemptions;
  }

  void Step(std::mt19937& random) {
    const unsigned dice = random() % 1000;
    if (dice < 4) return Redeem();
    if (dice < 10) return Revoke();
    if (dice < 25) return Replay(random);
    if (dice < 200) return RefreshTwice();
    Refresh();
  }

 private:
  IdentitySoak& soak_;
  const std::string name_;
  std::string user_id_;
  std::vector<std::string> tokens_;  // Oldest first; the last is good.
  int redemptions_ = 0;
};

TEST_F(IdentitySoak, NobodyIsLoggedOutByMistakeAndNothingIsUsedTwice) {
  std::vector<std::vector<std::string>> names(kThreads);
  for (int i = 0; i < kThreads * kUsersPerThread; ++i) {
    names[i % kThreads].push_back("customer" + std::to_string(i));
    stack_.SignUp(names[i % kThreads].back());
  }
  const unsigned seed = std::random_device()();
  RecordProperty("seed", std::to_string(seed));
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      std::mt19937 random(seed + i);
      std::vector<std::unique_ptr<Customer>> customers;
      for (const auto& name : names[i]) {
        customers.push_back(std::make_unique<Customer>(*this, name));
      }
      const int steps = Operations() / kThreads;
      for (int step = 0; step < steps; ++step) {
        customers[random() % customers.size()]->Step(random);
      }
    });
  }
  std::mt19937 random(seed);
  std::thread killer([&] { Kill(random); });
  for (std::thread& thread : threads) thread.join();
  done_ = true;
  killer.join();

  EXPECT_EQ(tally_.spurious_logouts, 0) << "seed " << seed;
  EXPECT_EQ(tally_.forks, 0) << "seed " << seed;
  EXPECT_EQ(tally_.missed_reuses, 0) << "seed " << seed;
  EXPECT_EQ(tally_.double_redemptions, 0) << "seed " << seed;
  EXPECT_GT(tally_.kills, 0);
  EXPECT_EQ(stack_.Sql("SELECT count(*) FROM invitations.invitations i WHERE i.uses <> (SELECT "
                       "count(*) FROM invitations.redemptions r WHERE r.invitation_id = i.id) OR "
                       "i.uses > i.uses_max"),
            "0");
  std::printf(
      "%d refreshes, %d twins, %d reuses, %d revocations, %d redemptions, %d kills, %d "
      "retries after the window\n",
      tally_.refreshes.load(), tally_.twins.load(), tally_.reuses.load(), tally_.revocations.load(),
      tally_.redemptions.load(), tally_.kills.load(), tally_.too_late.load());
}

}  // namespace
}  // namespace gatehouse
