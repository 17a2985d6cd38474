// Lets a request into its route, or not: finds its credential, learns whom it
// stands for, from memory or by one look-up at auth, and judges whether they may.
// Counts nothing (address_limiter.h) and verifies nothing (authenticator.h).
#pragma once

#include "services/gateway/authenticator.h"
#include "services/gateway/credential.h"
#include "services/gateway/options.h"
#include "services/gateway/request_context.h"
#include "services/gateway/upstreams.h"

namespace gatehouse::gateway {

class Admission {
 public:
  // All must outlive this.
  Admission(const Options& options, const ControlState& control, Authenticator& authenticator,
            const Upstreams& upstreams)
      : options_(options),
        control_(control),
        authenticator_(authenticator),
        upstreams_(upstreams) {}

  // Calls the handler of the context's route, or fails the request; now or later.
  void Admit(const Context& context) const;

 private:
  void Resolve(const Context& context, const Credential& credential, int attempts) const;
  void LookUp(const Context& context, const Credential& credential, const PendingLookUp& pending,
              int attempts) const;

  const Options& options_;
  const ControlState& control_;
  Authenticator& authenticator_;
  const Upstreams& upstreams_;
};

}  // namespace gatehouse::gateway
