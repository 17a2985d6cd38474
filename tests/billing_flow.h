// The fixture of billing's flow tests: the real programs and a Stripe beside them, whose
// events reach them through the edge. Not a test itself.
#pragma once

#include <gmock/gmock.h>

#include <ctime>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "libs/base/secret.h"
#include "libs/base/uuid.h"
#include "tests/harness/fake_stripe.h"
#include "tests/harness/stack.h"

namespace gatehouse {

using harness::Answer;
using harness::Eventually;
using harness::Quote;
using harness::Stack;

class BillingFlow : public ::testing::Test {
 protected:
  static constexpr char kSecret[] = "whsec_flow";

  static void SetUpTestSuite() { StartAll({}); }
  static void TearDownTestSuite() {
    delete stack_;
    delete stripe_;
    stack_ = nullptr;
    stripe_ = nullptr;
  }

  // `settings`: billing's, beside those of Stripe.
  static void StartAll(const harness::Environment& settings) {
    Stack::Options options;
    options.own["billing"] = settings;
    options.own["billing"]["STRIPE_SECRET_KEY"] = "sk_test_flow";
    options.own["billing"]["STRIPE_WEBHOOK_SECRET"] = kSecret;
    stack_ = new Stack(options);
    ASSERT_EQ(stack_->Start(), "");
    // Each wants to know where the other is.
    stripe_ = new harness::FakeStripe(stack_->directory());
    ASSERT_TRUE(stripe_->Start(Webhook(), kSecret)) << stripe_->Log();
    stack_->at("billing").environment()["STRIPE_API_BASE"] = stripe_->Url();
    stack_->at("billing").environment()["PUBLIC_URL"] = "http://" + stack_->http().address();
    ASSERT_TRUE(RestartBilling()) << stack_->Log("billing");
  }

  // Starts billing anew and waits until the edge has found it.
  static bool RestartBilling(const std::string& failpoints = "") {
    return stack_->Restart("billing", failpoints) && AwaitBilling();
  }

  static bool AwaitBilling() {
    const std::string admin = stack_->AdminToken();
    return stack_->AwaitHealthy() && Eventually([&] {
             return Get("/api/billing/admin/reserve/summary/", admin).status == 200;
           });
  }

  static std::string Webhook() {
    return "http://" + stack_->http().address() + "/api/billing/webhook/";
  }

  static Answer Call(const std::string& method, const std::string& path, const std::string& body,
                     const std::string& token,
                     const std::vector<std::pair<std::string, std::string>>& headers = {}) {
    return stack_->http().Call(method, path, body, token, headers);
  }

  static Answer Get(const std::string& path, const std::string& token) {
    return Call("GET", path, "", token);
  }

  static std::string Balance(const std::string& token) {
    return Get("/api/billing/reserve/balance/", token).At("/balance_cents");
  }

  // Waits for a balance; the one that there is in the end.
  static std::string AwaitBalance(const std::string& token, const std::string& cents) {
    std::string balance;
    Eventually([&] { return (balance = Balance(token)) == cents; });
    return balance;
  }

  static std::string Count(const std::string& token) {
    return Get("/api/billing/reserve/ledger/", token).Header("X-Total-Count");
  }

  // Posts an event whose data.object is `object`, as Stripe does.
  static Answer Deliver(const std::string& type, const std::string& object) {
    const std::string time = std::to_string(std::time(nullptr));
    const std::string body = R"({"id":"evt_)" + UuidV7() +
                             R"(","object":"event","livemode":false,"created":)" + time +
                             R"(,"type":)" + Quote(type) + R"(,"data":{"object":)" + object + "}}";
    const std::string v1 = HexEncode(HmacSha256(kSecret, time + "." + body));
    return Call("POST", "/api/billing/webhook/", body, "",
                {{"Stripe-Signature", "t=" + time + ",v1=" + v1}});
  }

  // A paid Checkout session of a tenant, as the object of an event.
  static std::string PaidSession(const std::string& tenant, const std::string& intent, int cents) {
    const std::string amount = std::to_string(cents);
    return R"({"id":"cs_)" + intent + R"(","object":"checkout.session","mode":"payment",)" +
           R"("status":"complete","payment_status":"paid","currency":"usd","amount_total":)" +
           amount + R"(,"payment_intent":)" + Quote(intent) + R"(,"metadata":{"tenant_id":)" +
           Quote(tenant) + R"(,"purpose":"reserve_topup","amount_cents":)" + Quote(amount) + "}}";
  }

  static std::string RefundedCharge(const std::string& tenant, const std::string& intent, int cents,
                                    int refunded) {
    return R"({"id":"ch_)" + intent + R"(","object":"charge","currency":"usd","amount":)" +
           std::to_string(cents) + R"(,"amount_refunded":)" + std::to_string(refunded) +
           R"(,"payment_intent":)" + Quote(intent) + R"(,"metadata":{"tenant_id":)" +
           Quote(tenant) + R"(,"purpose":"reserve_topup"}})";
  }

  // Runs a line of shell in the environment of billing, where `billing` is the program;
  // what it printed, and "exit N" unless N is 0.
  static std::string Shell(const std::string& line) {
    const std::string script = stack_->directory() + "/line.sh";
    const std::string output = stack_->directory() + "/line.out";
    std::ofstream file(script);
    file << "set -o pipefail\nPATH=" GATEHOUSE_BIN ":$PATH\ncd " << stack_->directory() << "\n";
    for (const auto& [name, value] : stack_->at("billing").environment()) {
      file << "export " << name << "='" << value << "'\n";
    }
    file << line << "\n";
    file.close();
    const int status = std::system(("bash " + script + " > " + output + " 2>&1").c_str());
    std::ifstream printed(output);
    const std::string text{std::istreambuf_iterator<char>(printed), {}};
    return text + (status == 0 ? "" : "exit " + std::to_string(WEXITSTATUS(status)));
  }

  static Stack* stack_;
  static harness::FakeStripe* stripe_;
};

inline Stack* BillingFlow::stack_ = nullptr;
inline harness::FakeStripe* BillingFlow::stripe_ = nullptr;

}  // namespace gatehouse
