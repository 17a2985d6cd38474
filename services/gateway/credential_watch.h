// Whether the credential that opened a socket still lives: asked at every tick of the
// socket, answered from memory unless something has changed, then by one look-up at
// auth. Serves sockets that end here and tunnels alike; closes nothing itself.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "services/gateway/authenticator.h"
#include "services/gateway/request_context.h"

namespace gatehouse::gateway {

// Close codes.
inline constexpr int kCloseTryLater = 1013;
inline constexpr int kCloseUnauthorized = 4401;

// On the worker of the exchange.
class CredentialWatch {
 public:
  // Of a request that was admitted as a user; the context must outlive this.
  explicit CredentialWatch(const RequestContext& context);
  ~CredentialWatch();
  CredentialWatch(const CredentialWatch&) = delete;
  CredentialWatch& operator=(const CredentialWatch&) = delete;

  // 0, or the code to close with: kCloseUnauthorized when the credential is dead or
  // opens the route no more, kCloseTryLater when that cannot be known.
  int Check(SteadyTime now);

  // Since the last Check: something has changed, and auth has not said yet whom the
  // credential stands for now.
  bool is_doubtful() const { return is_doubtful_; }

  // Whom it stands for now, or stood for before the doubt; never null.
  const IdentityPtr& identity() const { return identity_; }

  // What to tell a client with either code.
  static std::string_view ReasonOf(int code);

 private:
  struct LookUp;
  int Judge(SteadyTime now);
  int Recall(SteadyTime now);
  int TakeAnswer(SteadyTime now);
  int Adopt(IdentityPtr identity);
  int Wait(SteadyTime now);
  void Ask(const PendingLookUp& pending);

  const RequestContext& context_;
  const std::string token_;
  IdentityPtr identity_;
  bool is_dead_ = false;
  bool is_doubtful_ = false;  // Since doubtful_since_.
  SteadyTime doubtful_since_;
  SteadyTime ask_after_;             // Not before, when auth has not answered.
  std::shared_ptr<LookUp> look_up_;  // Under way.
};

}  // namespace gatehouse::gateway
