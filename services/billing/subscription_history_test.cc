// Any order in which Stripe's events arrive, and however often, leads to the same
// subscriptions and to the same revenue at each moment.
#include <algorithm>
#include <map>
#include <random>

#include "services/billing/revenue_store.h"
#include "services/billing/subscription_testing.h"

namespace gatehouse::billing {
namespace {

constexpr std::int64_t kStart = 1'700'000'000;
constexpr std::int64_t kSpan = 100'000;

// What Stripe would tell, and what it comes to.
struct Story {
  std::vector<StripeEvent> events;
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> moves;  // Tenant, second → delta.
};

class Teller {
 public:
  explicit Teller(unsigned seed) : random_(seed) {}

  // `count` subscriptions of tenants 1 to 4; the times of each one's events differ.
  Story Tell(int count) {
    for (int i = 0; i < count; ++i) TellOne(i);
    return std::move(story_);
  }

  std::int64_t Below(std::int64_t limit) {
    return std::uniform_int_distribution<std::int64_t>(0, limit - 1)(random_);
  }

  template <typename List>
  void Shuffle(List* list) {
    std::shuffle(list->begin(), list->end(), random_);
  }

 private:
  void TellOne(int number) {
    const std::int64_t tenant = 1 + Below(4);
    SubscriptionText text{.id = absl::StrCat("sub_", number),
                          .customer = "cus_none",
                          .metadata_tenant = absl::StrCat(tenant)};
    std::int64_t second = kStart + Below(kSpan);
    std::int64_t cents = 0;
    const std::int64_t updates = Below(5);
    const bool ends = Below(2) == 0;
    for (std::int64_t i = 0; i <= updates; ++i) {
      const char* const kStates[] = {"active", "active", "past_due", "unpaid", "trialing"};
      const char* const kPlans[] = {"", "starter", "professional", "enterprise"};
      text.status = kStates[Below(5)];
      text.month_cents = 100 * Below(4);
      text.plan_tier = kPlans[Below(4)];
      const bool is_paid = text.status == "active" || text.status == "past_due";
      Add(i == 0 ? "created" : "updated", tenant, second, text,
          (is_paid ? text.month_cents * 12 : 0) - cents);
      cents = is_paid ? text.month_cents * 12 : 0;
      second += 1 + Below(kSpan / 4);
    }
    if (ends) Add("deleted", tenant, second, text, -cents);
  }

  void Add(const std::string& type, std::int64_t tenant, std::int64_t second,
           const SubscriptionText& text, std::int64_t delta) {
    story_.events.push_back(EventOf(absl::StrCat("evt_", story_.events.size()),
                                    "customer.subscription." + type, second, text.ToJson()));
    std::int64_t& move = story_.moves[{tenant, second}];
    move += delta;
    if (move == 0) story_.moves.erase({tenant, second});
  }

  std::mt19937 random_;
  Story story_;
};

class SubscriptionHistoryTest : public SubscriptionTest {
 protected:
  void Empty() {
    Execute("TRUNCATE billing.subscriptions, billing.subscription_changes, billing.outbox");
    Execute("UPDATE billing.accounts SET plan_tier = 'free'");
  }

  std::string Rows() {
    const auto rows = db_.Read([](pg::Tx& tx) -> absl::StatusOr<std::string> {
      return std::string(tx.exec1(R"(
SELECT coalesce(string_agg(concat_ws(' ', s.subscription_id, s.tenant_id, s.status, s.annual_cents,
    s.plan_tier, s.stripe_time, s.stripe_rank), E'\n' ORDER BY s.subscription_id), '')
FROM billing.subscriptions s)")[0]
                             .c_str());
    });
    EXPECT_TRUE(rows.ok()) << rows.status();
    return rows.value_or("");
  }

  std::vector<RevenueChange> Changes() {
    const auto changes = db_.Read([](pg::Tx& tx) -> absl::StatusOr<std::vector<RevenueChange>> {
      return ListRevenueChanges(tx, 0, Time(std::chrono::seconds(kStart + 10 * kSpan)));
    });
    EXPECT_TRUE(changes.ok()) << changes.status();
    return changes.value_or(std::vector<RevenueChange>());
  }
};

Time At(std::int64_t second) { return Time(std::chrono::seconds(second)); }

void ExpectSame(const std::vector<RevenueChange>& changes, const Story& story) {
  ASSERT_EQ(changes.size(), story.moves.size());
  auto expected = story.moves.begin();
  for (const RevenueChange& change : changes) {
    EXPECT_EQ(change.tenant_id, expected->first.first);
    EXPECT_EQ(change.time, At(expected->first.second));
    EXPECT_EQ(change.delta_cents, expected->second);
    ++expected;
  }
}

TEST_F(SubscriptionHistoryTest, EveryOrderOfArrivalLeadsToTheSame) {
  for (const unsigned seed : {1u, 2u, 3u}) {
    Teller teller(seed);
    Story story = teller.Tell(10);
    std::string rows;
    for (int round = 0; round < 4; ++round) {
      SCOPED_TRACE(absl::StrCat("seed ", seed, ", round ", round));
      Empty();
      // The first round is as it happened, without anything twice.
      std::vector<StripeEvent> arriving = story.events;
      if (round > 0) {
        for (int i = 0; i < 10; ++i) {
          arriving.push_back(story.events[static_cast<std::size_t>(
              teller.Below(static_cast<std::int64_t>(story.events.size())))]);
        }
        teller.Shuffle(&arriving);
      }
      for (const StripeEvent& event : arriving) Apply(event);
      if (round == 0) rows = Rows();
      EXPECT_EQ(Rows(), rows);
      ExpectSame(Changes(), story);
    }
  }
}

TEST_F(SubscriptionHistoryTest, WhatIsToldBehindADeletionIsNoRevenue) {
  const auto tell = [&](const char* type, std::int64_t second) {
    Tell(type, second, {.month_cents = 100});
  };
  tell("created", kStart);
  tell("updated", kStart + 20);
  tell("deleted", kStart + 10);
  tell("updated", kStart + 30);
  const std::vector<RevenueChange> changes = Changes();
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[1].time, At(kStart + 10));
  EXPECT_EQ(changes[1].delta_cents, -1200);
}

TEST_F(SubscriptionHistoryTest, MovementsOfAdjoiningPeriodsFitTogether) {
  Teller teller(4);
  Story story = teller.Tell(12);
  teller.Shuffle(&story.events);
  for (const StripeEvent& event : story.events) Apply(event);
  const std::vector<RevenueChange> changes = Changes();
  std::int64_t end_before = 0;
  std::int64_t customers_before = 0;
  for (std::int64_t second = kStart; second < kStart + 3 * kSpan;) {
    const std::int64_t next = second + 1 + teller.Below(kSpan / 10);
    const Movement moved = MovementOf(changes, At(second), At(next));
    EXPECT_EQ(moved.start_cents, end_before);
    EXPECT_EQ(moved.customers_start, customers_before);
    EXPECT_EQ(moved.end_cents, moved.start_cents + moved.new_cents + moved.reactivation_cents +
                                   moved.expansion_cents - moved.contraction_cents -
                                   moved.churn_cents);
    EXPECT_EQ(moved.customers_end,
              moved.customers_start + moved.customers_new - moved.customers_churned);
    end_before = moved.end_cents;
    customers_before = moved.customers_end;
    second = next;
  }
}

}  // namespace
}  // namespace gatehouse::billing
