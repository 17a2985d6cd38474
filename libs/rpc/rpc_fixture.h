// Tests of this library: real servers on unix sockets in a directory of their own,
// and clients with real passports. Not for use outside libs/rpc.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "gatehouse/auth/v1/control.methods.h"
#include "gatehouse/invitations/v1/invitations.methods.h"
#include "libs/rpc/client.h"
#include "libs/rpc/server.h"

namespace gatehouse::rpc {

namespace auth = ::gatehouse::auth::v1;
namespace invitations = ::gatehouse::invitations::v1;

// Far beyond what a healthy run needs; a test that waits so long has failed.
inline constexpr std::chrono::seconds kBound{20};

// Asks again until `done` says true, or the bound is reached (false).
inline bool Eventually(const std::function<bool()>& done) {
  const SteadyTime end = std::chrono::steady_clock::now() + kBound;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// Holds threads until it is opened.
class Gate {
 public:
  void Open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  // Also reports that somebody waits.
  void Pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait_for(lock, kBound, [this] { return open_; });
  }
  bool AwaitWaiting(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kBound, [&] { return waiting_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int waiting_ = 0;
};

// What an asynchronous call ended with, handed from gRPC's thread to the test's.
template <typename T>
class Slot {
 public:
  void Set(T value) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(value);
    ++count_;
    changed_.notify_all();
  }
  // The last value, or nothing when none came in time.
  std::optional<T> Await() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kBound, [this] { return count_ > 0; });
    return value_;
  }
  int count() {
    const std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<T> value_;
  int count_ = 0;
};

class RpcTest : public ::testing::Test {
 protected:
  using Redeem = std::function<absl::StatusOr<invitations::RedeemInvitationResponse>(
      Call&, const invitations::RedeemInvitationRequest&)>;
  using WatchControl = std::function<void(std::shared_ptr<Call>, const auth::WatchControlRequest&,
                                          FeedSender<auth::ControlUpdate>)>;

  RpcTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "rpcXXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    token::SigningKey gateway = token::SigningKey::Generate("gateway");
    token::SigningKey jobs = token::SigningKey::Generate("jobs");
    verifier_ = std::make_unique<PassportVerifier>(
        "invitations",
        std::map<std::string, std::string>{{"gateway", gateway.public_key()},
                                           {"jobs", jobs.public_key()}},
        clock_);
    gateway_ = std::make_unique<PassportIssuer>("gateway", std::move(gateway), clock_);
    jobs_ = std::make_unique<PassportIssuer>("jobs", std::move(jobs), clock_);
    policy_.callers = {"auth", "gateway"};
    options_.address = "unix:" + Path("s.sock");
  }
  ~RpcTest() override { std::filesystem::remove_all(directory_); }

  // Before the members of derived fixtures die, which handlers may use.
  void TearDown() override {
    client_.reset();
    server_.reset();
  }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }

  // Serves the handlers that are set, and dials.
  void Start() {
    if (redeem_) {
      invitations_.Unary(invitations::InvitationService::kRedeemInvitation, policy_, redeem_);
    }
    if (watch_) control_.Feed(auth::ControlService::kWatchControl, policy_, watch_);
    auto server = Server::Start(options_, {&invitations_, &control_}, *verifier_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    client_ = NewClient(gateway_.get());
  }

  std::unique_ptr<Client> NewClient(PassportIssuer* issuer) {
    return std::make_unique<Client>("invitations", server_->address(), issuer);
  }

  static absl::StatusOr<invitations::RedeemInvitationResponse> CallRedeem(
      Client& client, const CallOptions& options = {}, const std::string& token_digest = "d") {
    invitations::RedeemInvitationRequest request;
    request.set_token_digest(token_digest);
    return client.Call(invitations::InvitationService::kRedeemInvitation, request, options);
  }

  using Outcome = Slot<absl::StatusOr<invitations::RedeemInvitationResponse>>;
  static std::shared_ptr<CancelHandle> CallRedeemAsync(Client& client,
                                                       std::shared_ptr<Outcome> outcome,
                                                       const CallOptions& options = {}) {
    return client.CallAsync(
        invitations::InvitationService::kRedeemInvitation, invitations::RedeemInvitationRequest(),
        options, [outcome](absl::StatusOr<invitations::RedeemInvitationResponse> response) {
          outcome->Set(std::move(response));
        });
  }

  const SystemClock clock_;
  Gate gate_;  // A member, since a handler may outlast the body of its test.
  std::string directory_;
  std::unique_ptr<PassportVerifier> verifier_;
  std::unique_ptr<PassportIssuer> gateway_;
  std::unique_ptr<PassportIssuer> jobs_;
  Policy policy_;
  Redeem redeem_ = [](Call&, const invitations::RedeemInvitationRequest&) {
    return invitations::RedeemInvitationResponse();
  };
  WatchControl watch_;
  ServerOptions options_;
  Service invitations_{invitations::InvitationService::kFullName};
  Service control_{auth::ControlService::kFullName};
  std::unique_ptr<Server> server_;
  std::unique_ptr<Client> client_;
};

}  // namespace gatehouse::rpc
