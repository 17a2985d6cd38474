// The inbox: what is believed, and that each event counts once, whatever happens to it.
#include "services/billing/event_inbox.h"

#include <atomic>

#include "absl/strings/str_cat.h"
#include "services/billing/stripe_testing.h"

namespace gatehouse::billing {
namespace {

constexpr std::int64_t kNowSeconds = 1'800'000'000;
constexpr char kCompleted[] = "checkout.session.completed";

class EventInboxTest : public StripeTest {
 protected:
  static std::string Paid(const std::string& event_id = "evt_1") {
    return EventText(event_id, kCompleted, SessionText().ToJson());
  }
  // As it is posted with any signature.
  std::string Posted(const std::string& payload, const std::string& signature) {
    v1::ReceiveEventRequest request;
    request.set_payload(payload);
    request.set_signature(signature);
    return Word(inbox_.Receive(request));
  }
};

TEST_F(EventInboxTest, APaidSessionIsCreditedOnce) {
  const auto first = Post(Paid());
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->status(), "processed");
  EXPECT_EQ(first->tenant_id(), kTenant);
  EXPECT_EQ(first->amount().amount_nanos(), kPaidNanos);
  EXPECT_EQ(first->ledger_entry_id(), Value("SELECT id FROM billing.ledger_entries"));
  EXPECT_EQ(Value("SELECT entry_type || ' ' || stripe_event_id FROM billing.ledger_entries"),
            "topup evt_1");
  const auto again = Post(Paid());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(Word(again), "skipped already_processed");
  EXPECT_EQ(again->event_id(), "evt_1");
  EXPECT_EQ(BalanceNanos(), kPaidNanos);
  EXPECT_EQ(Kept("evt_1"), "processed 1");
  EXPECT_EQ(Value("SELECT convert_from(payload, 'UTF8') FROM billing.stripe_events"), Paid());
  ExpectBooksRight();
}

TEST_F(EventInboxTest, AHundredAtOnceAreOne) {
  std::atomic<int> processed = 0;
  Together(100, [&](int) {
    // As Stripe does: until there is an answer.
    for (int attempt = 0; attempt < 20; ++attempt) {
      const std::string word = Word(Post(Paid()));
      if (word == "skipped already_processed") return;
      if (word == "processed 1234") {
        ++processed;
        return;
      }
      EXPECT_EQ(word, "!DATABASE_BUSY");
    }
    ADD_FAILURE() << "no answer";
  });
  EXPECT_EQ(processed, 1);
  EXPECT_EQ(BalanceNanos(), kPaidNanos);
  EXPECT_EQ(Kept("evt_1"), "processed 1");
  ExpectBooksRight();
}

TEST_F(EventInboxTest, ManyEventsOfOnePaymentAreOneCredit) {
  std::atomic<int> processed = 0;
  Together(16, [&](int i) {
    const std::string word = Word(Post(Paid(absl::StrCat("evt_", i))));
    if (word == "processed 1234") {
      ++processed;
    } else {
      EXPECT_EQ(word, "ignored already_credited");
    }
  });
  EXPECT_EQ(processed, 1);
  EXPECT_EQ(BalanceNanos(), kPaidNanos);
  ExpectBooksRight();
}

TEST_F(EventInboxTest, WhatIsNotSignedRightIsNotBelievedNorKept) {
  const std::string paid = Paid();
  const std::string right = SignatureOf(paid, kNowSeconds);
  const std::string spaced = absl::StrCat(" ", paid);
  std::string tampered = paid;
  tampered.replace(tampered.find("1234"), 4, "9234");
  for (const auto& [payload, signature] :
       std::map<std::string, std::string>{{paid, SignatureOf(paid, kNowSeconds, "whsec_other")},
                                          {tampered, right},
                                          {spaced, right},  // The same JSON in other bytes.
                                          {paid + "\n", right},
                                          {"{}", ""}}) {
    EXPECT_EQ(Posted(payload, signature), "!SIGNATURE_INVALID") << payload;
  }
  EXPECT_EQ(Posted(paid, SignatureOf(paid, kNowSeconds - 301)), "!SIGNATURE_INVALID");
  EXPECT_EQ(Posted(paid, SignatureOf(paid, kNowSeconds + 301)), "!SIGNATURE_INVALID");
  EXPECT_EQ(Value("SELECT count(*) FROM billing.stripe_events"), "0");
  EXPECT_EQ(BalanceNanos(), 0);
  // While secrets are changed Stripe signs with both.
  const std::string two = absl::StrCat(
      SignatureOf(paid, kNowSeconds - 300, "whsec_other"),
      ",v1=", SignatureOf(paid, kNowSeconds - 300).substr(std::string("t=1800000000,v1=").size()));
  EXPECT_EQ(Posted(paid, two), "processed 1234");
}

TEST_F(EventInboxTest, WhatIsNoEventIsRefusedAndNotKept) {
  for (const std::string& payload :
       {std::string(R"({"type":"test"})"), std::string("not json"),
        std::string("{\"id\":\"evt_1\",\"type\":\"a\",\"data\":{\"object\":{\"a\":\"\xff\"}}}"),
        std::string(kEventBytesMax + 1, ' ')}) {
    EXPECT_EQ(Word(Post(payload)), "!EVENT_MALFORMED") << payload.substr(0, 80);
  }
  EXPECT_EQ(Value("SELECT count(*) FROM billing.stripe_events"), "0");
}

TEST_F(EventInboxTest, AnEventOfATypeThatIsUnknownIsKeptAndIgnored) {
  EXPECT_EQ(Word(Post(EventText("evt_1", "account.updated", "{}"))),
            "ignored unhandled_event_type");
  EXPECT_EQ(Kept("evt_1"), "ignored 1");
  EXPECT_EQ(Word(Post(EventText("evt_1", "account.updated", "{}"))), "skipped already_processed");
}

TEST_F(EventInboxTest, AnEventThatFailedIsKeptAndCountsWhenItComesAgain) {
  Refuse(kTenant, true);
  EXPECT_EQ(Word(Post(Paid())), "!EVENT_FAILED");
  EXPECT_EQ(Kept("evt_1"), "failed 1 DATABASE_ERROR: database error");
  EXPECT_EQ(Word(Post(Paid())), "!EVENT_FAILED");
  EXPECT_EQ(Kept("evt_1"), "failed 2 DATABASE_ERROR: database error");
  EXPECT_EQ(Value("SELECT count(*) FROM billing.stripe_payments"), "0") << "nothing is left of it";
  Refuse(kTenant, false);
  EXPECT_EQ(Word(Post(Paid())), "processed 1234");
  EXPECT_EQ(Kept("evt_1"), "processed 3");
  EXPECT_EQ(Word(Post(Paid())), "skipped already_processed");
  EXPECT_EQ(BalanceNanos(), kPaidNanos);
  ExpectBooksRight();
}

TEST_F(EventInboxTest, AKeptEventIsHandledAgainOnce) {
  Refuse(kTenant, true);
  EXPECT_EQ(Word(Post(Paid())), "!EVENT_FAILED");
  EXPECT_EQ(Word(inbox_.HandleKept("evt_1")), "!EVENT_FAILED");
  Refuse(kTenant, false);
  std::atomic<int> processed = 0;
  Together(4, [&](int) {
    const std::string word = Word(inbox_.HandleKept("evt_1"));
    if (word == "processed 1234") {
      ++processed;
    } else {
      EXPECT_EQ(word, "skipped already_processed");
    }
  });
  EXPECT_EQ(processed, 1);
  EXPECT_EQ(Word(inbox_.HandleKept("evt_2")), "!EVENT_NOT_FOUND");
  EXPECT_EQ(BalanceNanos(), kPaidNanos);
  ExpectBooksRight();
}

TEST_F(EventInboxTest, WithoutADatabaseNothingIsKeptAndStripeTriesAgain) {
  pg::Options options;
  options.url = "postgresql://127.0.0.1:1/nothing";
  pg::Database nowhere(options);
  EventInbox inbox(nowhere, {kWebhookSecret}, clock_);
  v1::ReceiveEventRequest request;
  request.set_payload(Paid());
  request.set_signature(SignatureOf(request.payload(), kNowSeconds));
  EXPECT_TRUE(absl::IsUnavailable(inbox.Receive(request).status()));
}

}  // namespace
}  // namespace gatehouse::billing
