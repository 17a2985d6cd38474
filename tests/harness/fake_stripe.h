// The Stripe of tests/harness/fake_stripe.py as a process that can be told to misbehave,
// killed, and asked what it has seen. Not a part of our programs.
#pragma once

#include <sys/types.h>

#include <string>

#include "tests/harness/http_client.h"

namespace gatehouse::harness {

// Not thread-safe. Destruction kills it.
class FakeStripe {
 public:
  // `directory` holds its log and its secret.
  explicit FakeStripe(std::string directory);
  ~FakeStripe();
  FakeStripe(const FakeStripe&) = delete;
  FakeStripe& operator=(const FakeStripe&) = delete;

  // It posts events, signed with `secret`, to `webhook_url`. False when it did not start.
  bool Start(const std::string& webhook_url, const std::string& secret);
  void Kill();

  // Presses a button of the pay page: "pay", "later" or "fail". 303 leads back to us.
  Answer Pay(const std::string& checkout_url, const std::string& payment_method = "",
             const std::string& action = "pay") const;

  // Turns knobs as fake_stripe.py lists them, after all others were set back.
  void Misbehave(const std::string& knobs_json) const;

  // Where events go; "" keeps them until there is a place.
  void SetWebhook(const std::string& url) const;

  // How many objects of a collection of the API ("checkout/sessions") are a tenant's.
  int Count(const std::string& collection, const std::string& tenant) const;

  // Waits until each event since the last call was taken `times` times.
  bool AwaitDelivered(int times = 1);

  std::string Url() const { return "http://" + address_; }
  const std::string& address() const { return address_; }
  std::string Log() const;

 private:
  const std::string directory_;
  std::string address_;
  pid_t pid_ = -1;
  std::size_t delivered_ = 0;  // Events that were waited for.
};

}  // namespace gatehouse::harness
