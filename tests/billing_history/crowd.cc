#include "tests/billing_history/crowd.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <iterator>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "libs/base/uuid.h"
#include "tests/billing_history/caller.h"

namespace gatehouse::history {
namespace {

using std::chrono::steady_clock;

constexpr std::int64_t kJob = 20'000'000;
constexpr char kKeys[] = "4d9f1b76-31c5-5a0e-8a52-7f3f0cb1d2aa";
constexpr std::chrono::milliseconds kExpiry{1300};  // By then a time of a second is over.

}  // namespace

const char* SpreadText(Spread spread) {
  switch (spread) {
    case Spread::kUniform:
      return "uniform";
    case Spread::kZipf:
      return "Zipf";
    case Spread::kHot:
      return "hot";
  }
  return "";
}

std::vector<Tenancy> TenanciesOf(Spread spread) {
  const int count = spread == Spread::kUniform ? 30 : spread == Spread::kZipf ? 60 : 6;
  std::vector<Tenancy> tenancies;
  for (int i = 0; i < count; ++i) {
    Tenancy tenancy{.tenant = i + 1};
    switch (i % 6) {
      case 0:
        tenancy.policy = "block";
        break;
      case 1:  // At first touch: warn.
        break;
      case 2:
        tenancy.policy = "limited";
        tenancy.ceiling_nanos = 3 * kJob;
        break;
      case 3:
        tenancy.policy = "block";
        tenancy.overdraft_nanos = 5 * kJob;
        break;
      case 4:
        tenancy.policy = "limited";
        tenancy.overdraft_nanos = 10 * kJob;
        tenancy.ceiling_nanos = 4 * kJob;
        break;
      case 5:
        tenancy.policy = "warn";
        break;
    }
    tenancies.push_back(std::move(tenancy));
  }
  return tenancies;
}

// One thread's life: work that is paid for, one piece after the other.
class Client {
 public:
  Client(Crowd& crowd, int number)
      : crowd_(crowd),
        number_(number),
        random_(crowd.options_.seed + static_cast<unsigned>(number)),
        caller_(crowd.world_, crowd.operations_, crowd.stop_),
        beside_(crowd.world_, crowd.operations_, crowd.stop_) {}

  void Live() {
    while (!crowd_.done()) {
      if (!waiting_.empty() && waiting_.front().due <= steady_clock::now()) {
        const Work work = waiting_.front();
        waiting_.pop_front();
        Spend(work);
      } else if (Chance(15)) {
        Adjust();
      } else {
        Begin();
      }
    }
    // What waits for its end by time gets it; the rest is given back.
    for (const Work& work : open_) caller_.Release(work.key, work.tenant, Replica(), {});
  }

  void MoveAskings(std::vector<Asking>* to) {
    for (Caller* caller : {&caller_, &beside_}) {
      std::move(caller->askings().begin(), caller->askings().end(), std::back_inserter(*to));
      caller->askings().clear();
    }
  }

 private:
  struct Work {
    std::string key;
    std::int64_t tenant = 0;
    Usage estimate;
    std::int64_t ttl_seconds = 60;
    steady_clock::time_point due{};
  };

  bool Chance(unsigned percent) { return random_() % 100 < percent; }
  int Number(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
  int Replica() { return Number(kReplicas); }
  std::string NewKey() {
    return UuidV5(kKeys, absl::StrCat(number_, " ", random_(), " ", ++keys_));
  }

  // One call of ten is made twice or more, half of these at the same time.
  Caller::Copies Copies() {
    if (!Chance(10)) return {};
    return {.count = 2 + Number(2), .together = Chance(50)};
  }

  std::int64_t Tenant() {
    const int count = static_cast<int>(crowd_.tenancies_.size());
    switch (crowd_.options_.spread) {
      case Spread::kUniform:
        break;
      case Spread::kHot:
        if (Chance(90)) return 1;
        break;
      case Spread::kZipf: {
        std::vector<int> weights;
        for (int i = 1; i <= count; ++i) weights.push_back(100'000 / i);
        return 1 + std::discrete_distribution<int>(weights.begin(), weights.end())(random_);
      }
    }
    return 1 + Number(count);
  }

  // Money comes in about as fast as it is spent, so that it often runs out.
  void Adjust() {
    const std::string key = NewKey();
    const std::int64_t tenant = Tenant();
    const std::int64_t nanos =
        (Chance(80) ? 1 + Number(25) : -1 - Number(8)) * kJob + 1 + Number(1000);
    caller_.Adjust(key, tenant, nanos, Replica(), Copies());
    if (Chance(5)) caller_.Adjust(key, tenant, nanos + 1, Replica(), {});
    if (Chance(5)) caller_.Adjust(key, Tenant(), nanos, Replica(), {});
  }

  void Begin() {
    Work work{.key = NewKey(), .tenant = Tenant(), .estimate = {Number(5), Number(50)}};
    if (Chance(20)) work.ttl_seconds = 1;
    if (Chance(3)) Contend(work);
    const bool done = Reserve(work, Copies());
    if (Chance(3)) {
      Work other = work;
      ++other.estimate.jobs;
      // Its money, should the first one have been refused.
      if (Reserve(other, {}) && !done) Keep(other);
    }
    if (!done) {
      if (Chance(20) && Reserve(work, {})) Keep(work);
      return;
    }
    if (work.ttl_seconds == 1 && Chance(70)) {
      work.due = steady_clock::now() + kExpiry;
      waiting_.push_back(work);
      return;
    }
    Spend(work);
  }

  // Two tenants want the same key at the same time; one at most gets it.
  void Contend(const Work& work) {
    Work rival = work;
    rival.tenant = Tenant();
    bool lost = false;
    std::thread beside([&] {
      lost = !beside_.Reserve(rival.key, rival.tenant, rival.estimate, rival.ttl_seconds, 0, {});
    });
    Reserve(work, {});
    beside.join();
    if (!lost && rival.tenant != work.tenant) Keep(rival);
  }

  bool Reserve(const Work& work, Caller::Copies copies) {
    return caller_.Reserve(work.key, work.tenant, work.estimate, work.ttl_seconds, Replica(),
                           copies);
  }

  // To be given back in the end, unless its time ends it.
  void Keep(const Work& work) {
    if (work.ttl_seconds > 1) open_.push_back(work);
  }

  void Spend(Work work) {
    const unsigned dice = random_() % 100;
    if (dice < 20) {
      caller_.Release(work.key, work.tenant, Replica(), Copies());
    } else if (dice < 27) {
      return Keep(work);
    } else {
      Capture(&work);
    }
    if (!Chance(10)) return;
    // Again after the end: the first answer, or, of what was not used, a new decision.
    if (Chance(50)) Reserve(work, {});
    if (Chance(30)) caller_.Release(work.key, work.tenant, Replica(), {});
    Keep(work);
  }

  void Capture(Work* work) {
    if (Chance(50)) {
      caller_.Bind(work->key, work->tenant, Replica(), Copies());
      work->ttl_seconds = 60;  // Its time ends it no more.
    }
    const int count = 1 + Number(3);
    bool final = false;
    Usage usage;
    for (int number = 1; number <= count; ++number) {
      final = number == count && Chance(80);
      usage = UsageOf(work->estimate);
      caller_.Capture(work->key, work->tenant, number, usage, final, Replica(), Copies());
      if (!Chance(3)) continue;
      Usage other = usage;
      ++other.jobs;
      caller_.Capture(work->key, work->tenant, number, other, final, Replica(), {});
    }
    if (!final && Chance(50)) caller_.Release(work->key, work->tenant, Replica(), Copies());
    if (!final) Keep(*work);
    if (!Chance(10)) return;
    caller_.Capture(work->key, work->tenant, count, usage, final, Replica(), Copies());
    if (final) caller_.Capture(work->key, work->tenant, count + 1, usage, final, Replica(), {});
  }

  // Nothing, a part, all of it, or more.
  Usage UsageOf(const Usage& estimate) {
    switch (Number(5)) {
      case 0:
        return {};
      case 1:
        return {estimate.jobs / 2, estimate.requests / 3};
      case 2:
        return {estimate.jobs + 1 + Number(2), estimate.requests};
      default:
        return estimate;
    }
  }

  Crowd& crowd_;
  const int number_;
  std::mt19937 random_;
  Caller caller_;
  Caller beside_;  // For the same moment.
  int keys_ = 0;
  std::deque<Work> waiting_;  // For their time to be over.
  std::vector<Work> open_;
};

struct Crowd::Threads {
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<std::thread> threads;
};

Crowd::Crowd(World& world, const CrowdOptions& options)
    : world_(world),
      options_(options),
      tenancies_(TenanciesOf(options.spread)),
      threads_(std::make_unique<Threads>()) {}

Crowd::~Crowd() {
  for (std::thread& thread : threads_->threads) {
    if (thread.joinable()) thread.join();
  }
}

void Crowd::Begin() {
  for (int i = 0; i < options_.clients; ++i) {
    threads_->clients.push_back(std::make_unique<Client>(*this, i * 7919));
    threads_->threads.emplace_back([client = threads_->clients.back().get()] { client->Live(); });
  }
}

std::vector<Asking> Crowd::End() {
  for (std::thread& thread : threads_->threads) thread.join();
  std::vector<Asking> all;
  for (const auto& client : threads_->clients) client->MoveAskings(&all);
  std::sort(all.begin(), all.end(),
            [](const Asking& a, const Asking& b) { return a.end_micros < b.end_micros; });
  return all;
}

}  // namespace gatehouse::history
