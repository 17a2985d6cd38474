#include "services/billing/notice.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "services/billing/billing_testing.h"
#include "services/billing/fake_auth.h"

namespace gatehouse::billing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::int64_t kTenant = 7;

// Keeps what it is given; fails as told.
class FakeMailer final : public mail::Mailer {
 public:
  absl::Status Send(const mail::Message& message) override {
    const std::lock_guard lock(mutex_);
    if (!faults_.empty()) {
      absl::Status fault = faults_.front();
      faults_.erase(faults_.begin());
      if (!fault.ok()) return fault;
    }
    sent_.push_back(message);
    return absl::OkStatus();
  }
  // Of the next calls, one each; OK lets one through.
  void Fail(std::vector<absl::Status> faults) {
    const std::lock_guard lock(mutex_);
    faults_ = std::move(faults);
  }
  std::vector<std::string> To() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> to;
    for (const mail::Message& message : sent_) to.push_back(message.to);
    return to;
  }
  mail::Message last() const {
    const std::lock_guard lock(mutex_);
    return sent_.empty() ? mail::Message() : sent_.back();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<absl::Status> faults_;
  std::vector<mail::Message> sent_;
};

absl::Status Down() {
  return Error(absl::StatusCode::kUnavailable, "MAIL_UNAVAILABLE", "the server is away");
}

class NoticeTest : public BillingTest {
 protected:
  void SetUp() override { auth_.SetContacts("Acme", {"ada@example.com", "bob@example.com"}); }

  void Append(const std::string& kind = "payment_failed",
              const std::string& data_json = R"({"amount_cents":500,"reason":"declined"})") {
    const absl::Status appended =
        db_.InTransaction([&](pg::Tx& tx) { return AppendNotice(tx, kTenant, kind, data_json); });
    ASSERT_TRUE(appended.ok()) << appended;
  }
  std::string Select(const std::string& sql) {
    const auto value = db_.Read([&](pg::Tx& tx) -> absl::StatusOr<std::string> {
      return std::string(tx.exec1(sql)[0].c_str());
    });
    EXPECT_TRUE(value.ok()) << value.status();
    return value.value_or("");
  }
  bool AllSent() {
    return Eventually([&] { return Select("SELECT count(*) FROM billing.notices") == "0"; });
  }
  bool PutOff(int attempts) {
    return Eventually([&] {
      return Select(absl::StrCat("SELECT count(*) FROM billing.notices WHERE attempts = ", attempts,
                                 " AND next_attempt_time < now() + interval '4 minutes'",
                                 " AND next_attempt_time > now()")) == "1";
    });
  }
  void MakeDue() {
    Execute("UPDATE billing.notices SET next_attempt_time = now()");
    for (auto& sender : senders_) sender->Wake();
  }
  void Run(int senders = 1) {
    for (int i = 0; i < senders; ++i) {
      senders_.push_back(std::make_unique<NoticeSender>(db_, client_, mailer_));
    }
  }

  SystemClock clock_;
  token::SigningKey key_ = token::SigningKey::Generate("billing");
  FakeAuth auth_{"127.0.0.1:0", key_.public_key()};
  rpc::PassportIssuer issuer_{"billing", std::move(key_), clock_};
  rpc::Client client_{"auth", auth_.address(), &issuer_};
  FakeMailer mailer_;
  std::vector<std::unique_ptr<NoticeSender>> senders_;  // last: stop before the rest goes
};

TEST_F(NoticeTest, EveryContactHasOneMailAndTheRowIsGone) {
  Append();
  Run();
  EXPECT_TRUE(AllSent());
  EXPECT_THAT(mailer_.To(), ElementsAre("ada@example.com", "bob@example.com"));
  EXPECT_EQ(mailer_.last().subject, "Payment failed (Acme)");
  EXPECT_THAT(mailer_.last().text, ::testing::HasSubstr("Amount: 5.00 USD"));
}

TEST_F(NoticeTest, SendersSideBySideSendEachOnce) {
  for (int i = 0; i < 20; ++i) Append();
  auth_.SetContacts("Acme", {"ada@example.com"});
  Run(3);
  EXPECT_TRUE(AllSent());
  EXPECT_EQ(mailer_.To().size(), 20u);
}

TEST_F(NoticeTest, AMailServerThatIsAwayIsTriedAgainForThoseWhoHaveNothingYet) {
  mailer_.Fail({absl::OkStatus(), Down()});
  Append();
  Run();
  ASSERT_TRUE(PutOff(1));
  EXPECT_THAT(mailer_.To(), ElementsAre("ada@example.com"));
  MakeDue();
  EXPECT_TRUE(AllSent());
  EXPECT_THAT(mailer_.To(), ElementsAre("ada@example.com", "bob@example.com"));
}

TEST_F(NoticeTest, AnAddressThatIsRefusedForGoodHoldsUpNobody) {
  mailer_.Fail({Error(absl::StatusCode::kInvalidArgument, "MAIL_REJECTED", "no such mailbox")});
  Append();
  Run();
  EXPECT_TRUE(AllSent());
  EXPECT_THAT(mailer_.To(), ElementsAre("bob@example.com"));
}

TEST_F(NoticeTest, AuthThatIsAwayIsAskedAgain) {
  auth_.Fail({absl::UnavailableError("down")});
  Append();
  Run();
  ASSERT_TRUE(PutOff(1));
  EXPECT_THAT(mailer_.To(), IsEmpty());
  MakeDue();
  EXPECT_TRUE(AllSent());
  EXPECT_EQ(mailer_.To().size(), 2u);
}

TEST_F(NoticeTest, ATenantThatIsGoneAndOneWithoutUsersAreToldNothing) {
  auth_.Fail({Error(absl::StatusCode::kNotFound, "TENANT_NOT_FOUND", "no such tenant")});
  auth_.SetContacts("Acme", {});
  Append();
  Append();
  Run();
  EXPECT_TRUE(AllSent());
  EXPECT_THAT(mailer_.To(), IsEmpty());
}

TEST_F(NoticeTest, AfterADayItIsGivenUp) {
  mailer_.Fail({Down()});
  Append();
  Execute("UPDATE billing.notices SET create_time = now() - interval '25 hours', attempts = 30");
  Run();
  EXPECT_TRUE(AllSent());
  EXPECT_THAT(mailer_.To(), IsEmpty());
}

TEST_F(NoticeTest, WhatASenderHadInHandWhenItDiedIsSentLater) {
  Append();
  Execute(
      "UPDATE billing.notices SET attempts = 1, "
      "next_attempt_time = now() + interval '5 minutes', "
      "sent = ARRAY[left(encode(sha256('ada@example.com'), 'hex'), 32)]");
  Run();
  MakeDue();
  EXPECT_TRUE(AllSent());
  EXPECT_THAT(mailer_.To(), ElementsAre("bob@example.com"));
}

TEST_F(NoticeTest, ATransactionThatFailsOwesNoMail) {
  const absl::Status failed = db_.InTransaction([&](pg::Tx& tx) -> absl::Status {
    GH_RETURN_IF_ERROR(AppendNotice(tx, kTenant, "payment_failed", "{}"));
    return absl::AbortedError("no");
  });
  EXPECT_FALSE(failed.ok());
  EXPECT_EQ(Select("SELECT count(*) FROM billing.notices"), "0");
}

TEST_F(NoticeTest, ALowBalanceIsMailedOnceInAnHourPerTenant) {
  constexpr std::int64_t kDollar = 1'000'000'000;
  for (const std::int64_t tenant : {kTenant, kTenant + 1}) {
    Credit(tenant, 6 * kDollar);
    for (int i = 0; i < 3; ++i) {
      Credit(tenant, -2 * kDollar);
      Credit(tenant, 2 * kDollar);
    }
  }
  EXPECT_EQ(Select("SELECT count(*) FROM billing.events"), "6") << "each crossing is an event";
  EXPECT_EQ(Select("SELECT count(*) FROM billing.notices"), "2");
  EXPECT_EQ(Select("SELECT data::text FROM billing.notices ORDER BY id LIMIT 1"),
            R"({"balance_cents": 400, "threshold_cents": 500})");
  Execute("UPDATE billing.accounts SET low_notice_time = now() - interval '61 minutes'");
  Credit(kTenant, -2 * kDollar);
  EXPECT_EQ(Select("SELECT count(*) FROM billing.notices"), "3");
  Run();
  EXPECT_TRUE(AllSent());
  EXPECT_EQ(mailer_.last().subject, "Low balance (Acme)");
}

}  // namespace
}  // namespace gatehouse::billing
