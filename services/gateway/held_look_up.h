// A credential whose rights have changed, while auth has not yet said to what: for tests
// of what the gateway does in between. Not for use outside the gateway's tests.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "services/gateway/gateway_fixture.h"

namespace gatehouse::gateway {

class HeldLookUp {
 public:
  // Changes what auth says of `token`, and tells the gateway that something is new.
  HeldLookUp(FakeServices& services, const std::string& token,
             const std::function<void(auth::v1::LookupTokenResponse&)>& edit) {
    services.EditToken(token, [&](auth::v1::LookupTokenResponse& answer) {
      edit(answer);
      state_->answer = answer;
    });
    services.look_up.Do([state = state_, &services](const auth::v1::LookupTokenRequest&) {
      state->is_asked = true;
      EXPECT_TRUE(Eventually([&] { return state->is_released.load(); }));
      auth::v1::LookupTokenResponse answer = state->answer;
      answer.set_control_sequence(services.control.sequence());
      return answer;
    });
    auth::v1::ControlUpdate update;
    update.mutable_subject_change()->set_subject("user/" + services.UserId(token));
    services.control.Push(update);
  }
  ~HeldLookUp() { Release(); }
  HeldLookUp(const HeldLookUp&) = delete;
  HeldLookUp& operator=(const HeldLookUp&) = delete;

  // Waits until the gateway has asked.
  bool AwaitAsked() const {
    return Eventually([&] { return state_->is_asked.load(); });
  }
  void Release() { state_->is_released = true; }

 private:
  struct State {
    auth::v1::LookupTokenResponse answer;
    std::atomic<bool> is_asked{false};
    std::atomic<bool> is_released{false};
  };
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace gatehouse::gateway
