// Loads billing over gRPC as the process "jobs" does: each session reserves, then captures for
// good (three of four) or releases, and each of these calls is one operation. One thread on
// one completion queue, so that the load costs the machine little; not a client to copy.
// Closed loop: SESSIONS at once, without pause. Open loop: sessions begin at RATE / 2 a second,
// at random moments, and a reserve's time counts from the moment when it should have begun.
// Usage: money_bench TARGET KEY_FOLDER credit TENANTS
//        money_bench TARGET KEY_FOLDER load TENANTS SESSIONS RATE SECONDS (rate 0: closed loop)
// Prints one line of JSON. Not for use outside bench/.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gatehouse/billing/v1/account.methods.h"
#include "gatehouse/billing/v1/hold.methods.h"
#include "libs/base/secret.h"
#include "libs/base/uuid.h"
#include "libs/rpc/passport.h"

namespace gatehouse {
namespace {

using billing::v1::AccountService;
using billing::v1::HoldService;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

constexpr int kChannels = 4;
constexpr int kSessionsMax = 20'000;  // Of an open loop; more than that is a collapse.
constexpr std::chrono::seconds kWarmUp{1};
// A namespace for the keys of credits, so that they may be sent again.
constexpr char kCreditKeys[] = "8f6f2f52-90a5-4a0c-9d0b-2f9b3c5a7e11";

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

rpc::PassportIssuer IssuerOf(const std::string& folder, const std::string& process,
                             const Clock& clock) {
  std::ifstream file(folder + "/" + process + ".key");
  std::string text;
  file >> text;
  const auto seed = Base64UrlDecode(text);
  if (!seed) Die("no key in " + folder + " for " + process);
  auto key = token::SigningKey::FromSeed(process, *seed);
  if (!key.ok()) Die(key.status().ToString());
  return {process, *std::move(key), clock};
}

template <typename Request, typename Response>
class Stub {
 public:
  Stub(std::shared_ptr<grpc::Channel> channel, const rpc::Method<Request, Response>& method)
      : stub_(std::move(channel)), path_(method.path) {}
  std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> Call(grpc::ClientContext* context,
                                                                  const Request& request,
                                                                  grpc::CompletionQueue* queue) {
    auto call = stub_.PrepareUnaryCall(context, path_, request, queue);
    call->StartCall();
    return call;
  }

 private:
  grpc::TemplatedGenericStub<Request, Response> stub_;
  const std::string path_;
};

// A connection of its own, with its methods.
struct Link {
  explicit Link(const std::shared_ptr<grpc::Channel>& channel)
      : reserve(channel, HoldService::kReserve),
        capture(channel, HoldService::kCapture),
        release(channel, HoldService::kRelease),
        adjust(channel, AccountService::kAdjustBalance) {}
  Stub<billing::v1::ReserveRequest, billing::v1::Hold> reserve;
  Stub<billing::v1::CaptureRequest, billing::v1::CaptureResponse> capture;
  Stub<billing::v1::ReleaseRequest, billing::v1::Hold> release;
  Stub<billing::v1::AdjustBalanceRequest, billing::v1::AdjustBalanceResponse> adjust;
};

std::vector<std::unique_ptr<Link>> Connect(const std::string& target) {
  std::vector<std::unique_ptr<Link>> links;
  for (int i = 0; i < kChannels; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    links.push_back(std::make_unique<Link>(
        grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments)));
  }
  return links;
}

// What all sessions of one run share.
struct Load {
  std::vector<std::unique_ptr<Link>> links;
  rpc::PassportIssuer issuer;
  int tenants = 1;
  bool closed = true;
  grpc::CompletionQueue queue{};
  steady_clock::time_point begin{}, end{};  // What ends in between counts.
  std::mutex mutex{};
  std::vector<class Session*> idle{};     // guarded by mutex; of an open loop
  std::atomic<long> in_flight = 0;        // Sessions.
  long all = 0, counted = 0, errors = 0;  // Of the queue's thread, as what follows.
  std::vector<std::int64_t> reserve_ns{}, other_ns{};

  bool Counts(steady_clock::time_point now) const { return now >= begin && now < end; }
};

void SetUp(const Load& load, rpc::PassportIssuer& issuer, grpc::ClientContext* context) {
  (void)load;
  context->AddMetadata(rpc::kPassportKey, issuer.Issue("billing", {}));
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
}

// One job's money: reserve, then capture or release. The queue's thread moves it on.
class Session {
 public:
  Session(Load& load, int number)
      : load_(load),
        link_(*load.links[static_cast<std::size_t>(number % kChannels)]),
        random_(static_cast<unsigned>(number)) {}

  // `due`: when it should have begun.
  void Begin(steady_clock::time_point due) {
    began_ = due;
    reserving_ = true;
    key_ = UuidV7();
    billing::v1::ReserveRequest request;
    request.set_key(key_);
    request.set_tenant_id(1 + static_cast<int>(random_() % static_cast<unsigned>(load_.tenants)));
    request.set_tool("text.stats");
    SetLine(request.add_estimate());
    Renew();
    held_call_ = link_.reserve.Call(&*context_, request, &load_.queue);
    held_call_->Finish(&hold_, &status_, this);
  }

  // Its call has ended.
  void Continue() {
    const auto now = steady_clock::now();
    Note(now);
    if (reserving_ && status_.ok()) return GoOn(now);
    if (load_.closed && now < load_.end) return Begin(now);
    --load_.in_flight;
    const std::lock_guard lock(load_.mutex);
    load_.idle.push_back(this);
  }

 private:
  static void SetLine(billing::v1::UsageLine* line) {
    line->set_line_type("per_job");
    line->set_resource("text.stats");
    line->set_quantity(1);
  }

  void Renew() {
    context_.emplace();
    SetUp(load_, load_.issuer, &*context_);
  }

  void GoOn(steady_clock::time_point now) {
    began_ = now;
    reserving_ = false;
    Renew();
    if (random_() % 4 == 0) {
      billing::v1::ReleaseRequest request;
      request.set_key(key_);
      held_call_ = link_.release.Call(&*context_, request, &load_.queue);
      return held_call_->Finish(&hold_, &status_, this);
    }
    billing::v1::CaptureRequest request;
    request.set_key(key_);
    request.set_capture_number(1);
    request.set_final(true);
    request.set_outcome(billing::v1::WORK_OUTCOME_SUCCESS);
    SetLine(request.add_usage());
    capture_call_ = link_.capture.Call(&*context_, request, &load_.queue);
    capture_call_->Finish(&capture_, &status_, this);
  }

  void Note(steady_clock::time_point now) {
    ++load_.all;
    if (!status_.ok()) {
      if (load_.errors++ == 0) std::fprintf(stderr, "%s\n", status_.error_message().c_str());
      return;
    }
    if (!load_.Counts(now)) return;
    ++load_.counted;
    (reserving_ ? load_.reserve_ns : load_.other_ns).push_back(nanoseconds(now - began_).count());
  }

  Load& load_;
  Link& link_;
  std::minstd_rand random_;
  std::string key_;
  bool reserving_ = false;
  steady_clock::time_point began_;
  std::optional<grpc::ClientContext> context_;
  grpc::Status status_;
  billing::v1::Hold hold_;
  billing::v1::CaptureResponse capture_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<billing::v1::Hold>> held_call_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<billing::v1::CaptureResponse>> capture_call_;
};

using Sessions = std::vector<std::unique_ptr<Session>>;

// Begins sessions at random moments, on average `rate` a second, until the load's end.
void Arrive(Load& load, double rate, Sessions* sessions) {
  std::mt19937_64 random(7);
  std::exponential_distribution<double> gap(rate);
  auto due = steady_clock::now();
  while (due < load.end) {
    std::this_thread::sleep_until(due);
    Session* session = nullptr;
    {
      const std::lock_guard lock(load.mutex);
      if (!load.idle.empty()) {
        session = load.idle.back();
        load.idle.pop_back();
      }
    }
    if (session == nullptr) {
      if (sessions->size() == kSessionsMax) Die("the rate is beyond what is answered");
      sessions->push_back(std::make_unique<Session>(load, static_cast<int>(sessions->size())));
      session = sessions->back().get();
    }
    ++load.in_flight;
    session->Begin(due);
    due += nanoseconds(static_cast<std::int64_t>(gap(random) * 1e9));
  }
}

// Serves the queue until the end has come and no session is under way.
void Serve(Load& load) {
  void* tag = nullptr;
  bool ok = false;
  while (true) {
    const auto pause = std::chrono::system_clock::now() + std::chrono::milliseconds(100);
    switch (load.queue.AsyncNext(&tag, &ok, pause)) {
      case grpc::CompletionQueue::GOT_EVENT:
        static_cast<Session*>(tag)->Continue();
        continue;
      case grpc::CompletionQueue::TIMEOUT:
        if (steady_clock::now() > load.end && load.in_flight == 0) return;
        continue;
      case grpc::CompletionQueue::SHUTDOWN:
        return;
    }
  }
}

double CpuSeconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return of(used.ru_utime) + of(used.ru_stime);
}

double Milliseconds(std::vector<std::int64_t>& times, double part) {
  if (times.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(part * static_cast<double>(times.size() - 1));
  std::nth_element(times.begin(), times.begin() + at, times.end());
  return static_cast<double>(times[static_cast<std::size_t>(at)]) / 1e6;
}

int RunLoad(Load& load, int sessions_at_once, double rate, int seconds) {
  load.closed = rate == 0;
  load.begin = steady_clock::now() + kWarmUp;
  load.end = load.begin + std::chrono::seconds(seconds);
  Sessions sessions;
  std::thread arrivals;
  if (load.closed) {
    for (int i = 0; i < sessions_at_once; ++i) {
      sessions.push_back(std::make_unique<Session>(load, i));
      ++load.in_flight;
      sessions.back()->Begin(steady_clock::now());
    }
  } else {
    sessions.reserve(kSessionsMax);
    arrivals = std::thread([&] { Arrive(load, rate / 2, &sessions); });
  }
  Serve(load);
  if (arrivals.joinable()) arrivals.join();
  std::printf(
      "{\"operations\":%ld,\"seconds\":%d,\"all_operations\":%ld,\"errors\":%ld,"
      "\"reserve_p50_ms\":%.3f,\"reserve_p99_ms\":%.3f,\"other_p50_ms\":%.3f,"
      "\"other_p99_ms\":%.3f,\"sessions\":%zu,\"cpu_seconds\":%.3f}\n",
      load.counted, seconds, load.all, load.errors, Milliseconds(load.reserve_ns, 0.5),
      Milliseconds(load.reserve_ns, 0.99), Milliseconds(load.other_ns, 0.5),
      Milliseconds(load.other_ns, 0.99), sessions.size(), CpuSeconds());
  return load.errors == 0 ? 0 : 1;
}

// Gives every tenant as much as one adjustment may.
int Credit(Load& load) {
  struct Pending {
    grpc::ClientContext context{};
    grpc::Status status{};
    billing::v1::AdjustBalanceResponse response{};
    std::unique_ptr<grpc::ClientAsyncResponseReader<billing::v1::AdjustBalanceResponse>> call{};
  };
  int failed = 0;
  for (int done = 0; done < load.tenants;) {
    const int count = std::min(64, load.tenants - done);
    std::vector<std::unique_ptr<Pending>> batch;
    for (int i = 0; i < count; ++i) {
      billing::v1::AdjustBalanceRequest request;
      request.set_tenant_id(done + i + 1);
      request.mutable_amount()->set_currency_code("USD");
      request.mutable_amount()->set_amount_nanos(1'000'000'000'000'000);
      request.set_reason("benchmark");
      request.set_idempotency_key(UuidV5(kCreditKeys, std::to_string(done + i + 1)));
      batch.push_back(std::make_unique<Pending>());
      Pending& pending = *batch.back();
      SetUp(load, load.issuer, &pending.context);
      pending.call = load.links[static_cast<std::size_t>(i % kChannels)]->adjust.Call(
          &pending.context, request, &load.queue);
      pending.call->Finish(&pending.response, &pending.status, &pending);
    }
    for (int i = 0; i < count; ++i) {
      void* tag = nullptr;
      bool ok = false;
      load.queue.Next(&tag, &ok);
      const grpc::Status& status = static_cast<Pending*>(tag)->status;
      if (!status.ok() && failed++ == 0) Die(status.error_message());
    }
    done += count;
  }
  return 0;
}

int Main(const std::vector<std::string>& words) {
  const SystemClock clock;
  const bool credit = words[3] == "credit";
  Load load{.links = Connect(words[1]),
            .issuer = IssuerOf(words[2], credit ? "gateway" : "jobs", clock),
            .tenants = std::stoi(words[4])};
  if (credit) return Credit(load);
  return RunLoad(load, std::stoi(words[5]), std::stod(words[6]), std::stoi(words[7]));
}

}  // namespace
}  // namespace gatehouse

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv, argv + argc);
  const bool credit = words.size() == 5 && words[3] == "credit";
  if (!credit && (words.size() != 8 || words[3] != "load")) {
    std::fputs(
        "usage: money_bench TARGET KEY_FOLDER credit TENANTS\n"
        "       money_bench TARGET KEY_FOLDER load TENANTS SESSIONS RATE SECONDS\n",
        stderr);
    return 2;
  }
  return gatehouse::Main(words);
}
