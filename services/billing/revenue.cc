#include "services/billing/revenue.h"

#include <algorithm>
#include <chrono>

namespace gatehouse::billing {
namespace {

__extension__ using Wide = __int128;

constexpr std::int64_t kMillion = 1'000'000;

// One customer's amounts, asked for at times that go on.
class Walk {
 public:
  using Iterator = std::vector<RevenueChange>::const_iterator;
  Walk(Iterator begin, Iterator end) : at_(begin), end_(end) {}

  // Just before `time`.
  std::int64_t CentsBefore(Time time) {
    for (; at_ != end_ && at_->time < time; ++at_) {
      cents_ += at_->delta_cents;
      if (cents_ > 0 && !first_paid_) first_paid_ = at_->time;
    }
    return cents_;
  }

  // When it paid for the first time, as far as it has gone.
  const std::optional<Time>& first_paid() const { return first_paid_; }

 private:
  Iterator at_;
  const Iterator end_;
  std::int64_t cents_ = 0;
  std::optional<Time> first_paid_;
};

template <typename Visit>
void ForEachCustomer(const std::vector<RevenueChange>& changes, const Visit& visit) {
  for (auto begin = changes.begin(); begin != changes.end();) {
    const auto end = std::find_if(begin, changes.end(), [begin](const RevenueChange& change) {
      return change.tenant_id != begin->tenant_id;
    });
    visit(Walk(begin, end));
    begin = end;
  }
}

void Classify(std::int64_t before, std::int64_t after, bool has_paid, Movement* movement) {
  movement->start_cents += before;
  movement->end_cents += after;
  movement->customers_start += before > 0 ? 1 : 0;
  movement->customers_end += after > 0 ? 1 : 0;
  if (before == 0 && after > 0) {
    ++movement->customers_new;
    (has_paid ? movement->reactivation_cents : movement->new_cents) += after;
  } else if (before > 0 && after == 0) {
    ++movement->customers_churned;
    movement->churn_cents += before;
  } else if (after > before) {
    movement->expansion_cents += after - before;
  } else {
    movement->contraction_cents += before - after;
  }
}

// Months since the year 0.
int MonthOf(Time time) {
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(time));
  return static_cast<int>(day.year()) * 12 + static_cast<int>(static_cast<unsigned>(day.month())) -
         1;
}

Time StartOf(int month) {
  using std::chrono::year_month_day;
  return Time(std::chrono::sys_days(std::chrono::year(month / 12) /
                                    std::chrono::month(static_cast<unsigned>(month % 12 + 1)) /
                                    std::chrono::day(1)));
}

}  // namespace

Movement MovementOf(const std::vector<RevenueChange>& changes, Time start, Time end) {
  Movement movement;
  ForEachCustomer(changes, [&](Walk walk) {
    const std::int64_t before = walk.CentsBefore(start);
    const bool has_paid = walk.first_paid().has_value();
    Classify(before, walk.CentsBefore(end), has_paid, &movement);
  });
  return movement;
}

std::optional<std::int64_t> Ppm(std::int64_t part, std::int64_t whole) {
  if (whole == 0) return std::nullopt;
  const Wide top = Wide(part) * kMillion;
  Wide ppm = top / whole;
  if (top % whole != 0 && (top < 0) != (whole < 0)) --ppm;
  return static_cast<std::int64_t>(std::clamp<Wide>(ppm, INT64_MIN, INT64_MAX));
}

std::optional<std::int64_t> GrossChurnPpm(const Movement& movement) {
  return Ppm(movement.churn_cents + movement.contraction_cents, movement.start_cents);
}

std::optional<std::int64_t> NetRetentionPpm(const Movement& movement) {
  return Ppm(movement.start_cents + movement.expansion_cents - movement.contraction_cents -
                 movement.churn_cents,
             movement.start_cents);
}

std::int64_t MonthlyCents(std::int64_t annual_cents) {
  return annual_cents / 12 + (annual_cents % 12 >= 6 ? 1 : 0);
}

std::vector<RevenueDay> DailyRevenue(const std::vector<RevenueChange>& changes, Time start,
                                     std::size_t days) {
  std::vector<RevenueDay> figures(days);
  ForEachCustomer(changes, [&](Walk walk) {
    Time end = start;
    for (RevenueDay& day : figures) {
      end += std::chrono::days(1);
      const std::int64_t cents = walk.CentsBefore(end);
      day.annual_cents += cents;
      day.customers += cents > 0 ? 1 : 0;
    }
  });
  return figures;
}

std::vector<Cohort> CohortsOf(const std::vector<RevenueChange>& changes, Time now, int months) {
  const int last = MonthOf(now);
  const int first = last - months + 1;
  std::vector<Cohort> cohorts;
  for (int month = first; month <= last; ++month) {
    cohorts.push_back(
        {.month = StartOf(month), .active = std::vector<std::int64_t>(last - month + 1)});
  }
  ForEachCustomer(changes, [&](Walk walk) {
    walk.CentsBefore(StartOf(first));
    if (walk.first_paid()) return;
    Cohort* cohort = nullptr;
    int since = 0;
    for (int month = first; month <= last; ++month) {
      const std::int64_t cents = walk.CentsBefore(StartOf(month + 1));
      if (cohort == nullptr && walk.first_paid()) {
        cohort = &cohorts[static_cast<std::size_t>(month - first)];
        ++cohort->customers;
        since = month;
      }
      if (cohort != nullptr && cents > 0) ++cohort->active[static_cast<std::size_t>(month - since)];
    }
  });
  return cohorts;
}

}  // namespace gatehouse::billing
