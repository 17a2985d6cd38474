// Answers to COMMIT that get lost although the database has committed.
#include <atomic>
#include <ctime>
#include <functional>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "services/billing/billing_testing.h"
#include "services/billing/stripe_testing.h"

namespace gatehouse::billing {
namespace {

constexpr std::int64_t kTenant = 7;

// A COMMIT that waits for a standby that does not exist has happened; ending its
// session then loses the answer for certain.
constexpr char kLoseAnAnswer[] = R"(
DO $$
BEGIN
  FOR round IN 1..2000 LOOP
    PERFORM pg_stat_clear_snapshot();
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE wait_event = 'SyncRep' AND datname = current_database();
    IF FOUND THEN RETURN; END IF;
    PERFORM pg_sleep(0.01);
  END LOOP;
  RAISE 'nobody committed';
END $$)";

class MoneyTransactionTest : public BillingTest {
 protected:
  // Before the first connection: it must wait where others of the cluster do not.
  void SetUp() override { Execute("ALTER ROLE gatehouse_billing SET synchronous_commit = on"); }
  void TearDown() override { Execute("ALTER ROLE gatehouse_billing RESET synchronous_commit"); }

  // Calls `call` with a new key each time until an answer was lost on the way;
  // how often it was called.
  int CallUntilAnAnswerIsLost(const std::function<absl::Status(const std::string&)>& call) {
    Execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    Execute("SELECT pg_reload_conf()");
    std::atomic<bool> lost = false;
    std::thread killer([&] {
      Execute(kLoseAnAnswer);
      Execute("ALTER SYSTEM RESET synchronous_standby_names");
      Execute("SELECT pg_reload_conf()");
      lost = true;
    });
    int calls = 0;
    for (; !lost; ++calls) {
      const absl::Status status = call(UuidV7());
      EXPECT_TRUE(status.ok()) << status;
    }
    killer.join();
    return calls;
  }
};

TEST_F(MoneyTransactionTest, AReserveWhoseAnswerWasLostIsOneHold) {
  const int calls = CallUntilAnAnswerIsLost(
      [&](const std::string& key) { return Reserve(key, kTenant).status(); });
  EXPECT_EQ(AccountOf(kTenant).held().amount_nanos(), calls * kJobNanos);
  ExpectBooksRight();
}

TEST_F(MoneyTransactionTest, ABatchWhoseAnswerWasLostHappenedOnce) {
  const int calls = CallUntilAnAnswerIsLost([&](const std::string&) {
    Together(8, [&](int i) {
      const std::string key = UuidV7();
      EXPECT_TRUE(Reserve(key, kTenant + i % 3).ok());
      EXPECT_TRUE(Capture(key, 1, 1).ok());
    });
    return absl::OkStatus();
  });
  std::int64_t settled = 0;
  for (int i = 0; i < 3; ++i) settled += AccountOf(kTenant + i).settled().amount_nanos();
  EXPECT_EQ(settled, -8 * calls * kJobNanos);
  ExpectBooksRight();
}

TEST_F(MoneyTransactionTest, ACaptureWhoseAnswerWasLostIsOneEntry) {
  const std::string hold = UuidV7();
  ASSERT_TRUE(Reserve(hold, kTenant).ok());
  std::int64_t number = 0;
  const int calls = CallUntilAnAnswerIsLost(
      [&](const std::string&) { return Capture(hold, ++number, 1, false).status(); });
  EXPECT_EQ(AccountOf(kTenant).settled().amount_nanos(), -calls * kJobNanos);
  ExpectBooksRight();
}

TEST_F(MoneyTransactionTest, AnEventWhoseAnswerWasLostIsOneCredit) {
  SystemClock clock;
  EventInbox inbox(db_, {kWebhookSecret}, clock);
  const int calls = CallUntilAnAnswerIsLost([&](const std::string& key) {
    const SessionText session{
        .id = "cs_" + key, .payment_intent = "\"pi_" + key + "\"", .customer = "null"};
    v1::ReceiveEventRequest request;
    request.set_payload(EventText("evt_" + key, "checkout.session.completed", session.ToJson()));
    request.set_signature(SignatureOf(request.payload(), std::time(nullptr)));
    return inbox.Receive(request).status();
  });
  EXPECT_EQ(AccountOf(kTenant).settled().amount_nanos(), calls * kPaidNanos);
  ExpectBooksRight();
}

TEST_F(MoneyTransactionTest, AnAdjustmentWhoseAnswerWasLostIsOneEntry) {
  const int calls = CallUntilAnAnswerIsLost([&](const std::string& key) {
    return accounts_.AdjustBalance(AdjustRequestOf(kTenant, 5, key)).status();
  });
  EXPECT_EQ(AccountOf(kTenant).settled().amount_nanos(), calls * 5);
  ExpectBooksRight();
}

}  // namespace
}  // namespace gatehouse::billing
