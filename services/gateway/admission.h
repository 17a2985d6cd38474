// Lets a request into its route, or not: finds its credential, learns whom it
// stands for, from memory or by one look-up at auth, judges whether they may, and
// then whether they come too often. Counts nothing itself (user_limiter.h,
// address_limiter.h) and verifies nothing (authenticator.h).
#pragma once

#include <memory>

#include "services/gateway/address_limiter.h"
#include "services/gateway/authenticator.h"
#include "services/gateway/credential.h"
#include "services/gateway/options.h"
#include "services/gateway/request_context.h"
#include "services/gateway/upstreams.h"

namespace gatehouse::gateway {

class Admission {
 public:
  // All must outlive this; `leases`, which may be null, or be stopped first.
  Admission(const Options& options, const ControlState& control, Authenticator& authenticator,
            const Upstreams& upstreams, LeaseKeeper* leases = nullptr);

  // Calls the handler of the context's route, or fails the request; now or later.
  void Admit(const Context& context) const;

  // The limit per address of who is unknown, from now on.
  void LimitAnonymous(int requests, std::chrono::seconds window) const {
    anonymous_->Configure(requests, window);
  }

  // Who is unknown begins anew, whatever they have used up.
  void ClearAnonymous() const { anonymous_->Clear(); }

 private:
  void Resolve(const Context& context, const Credential& credential, int attempts) const;
  void LookUp(const Context& context, const Credential& credential, const PendingLookUp& pending,
              int attempts) const;
  void Enter(const Context& context, IdentityPtr identity) const;
  void EnterUnknown(const Context& context, const Problem& problem) const;
  void EnterLimited(const Context& context) const;

  const Options& options_;
  const ControlState& control_;
  Authenticator& authenticator_;
  const Upstreams& upstreams_;
  const std::unique_ptr<AddressLimiter> anonymous_;  // Of who is unknown.
};

}  // namespace gatehouse::gateway
