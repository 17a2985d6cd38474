#include "tests/billing_history/caller.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "libs/rpc/timestamp.h"

namespace gatehouse::history {
namespace {

using billing::v1::AccountService;
using billing::v1::HoldService;
using std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{60};

// As PostgreSQL takes the time, so that the two can be compared.
std::int64_t NowMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Whether the call may or may not have happened, or could not be taken now.
bool IsOutage(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsUnknown(status) || absl::IsCancelled(status) || absl::IsAborted(status) ||
         absl::IsResourceExhausted(status) || absl::IsUnauthenticated(status);
}

const char* StateText(billing::v1::Hold::State state) {
  switch (state) {
    case billing::v1::Hold::STATE_RESERVED:
      return "reserved";
    case billing::v1::Hold::STATE_BOUND:
      return "bound";
    case billing::v1::Hold::STATE_CAPTURED:
      return "captured";
    case billing::v1::Hold::STATE_RELEASED:
      return "released";
    case billing::v1::Hold::STATE_EXPIRED:
      return "expired";
    default:
      return "unknown";
  }
}

void TakeDown(const billing::v1::Hold& hold, Asking* asking) {
  asking->state = StateText(hold.state());
  asking->answered_nanos = hold.held().amount_nanos();
  if (asking->step != Step::kReserve) return;
  asking->expire_micros =
      hold.expire_time().seconds() * 1'000'000 + hold.expire_time().nanos() / 1'000;
}

void TakeDown(const billing::v1::CaptureResponse& response, Asking* asking) {
  asking->state = StateText(response.hold().state());
  asking->answered_nanos = response.amount().amount_nanos();
  asking->entry_id = response.ledger_entry_id();
}

void TakeDown(const billing::v1::AdjustBalanceResponse& response, Asking* asking) {
  asking->answered_nanos = response.entry().amount().amount_nanos();
  asking->entry_id = response.entry().id();
}

void AddLines(const Usage& usage, google::protobuf::RepeatedPtrField<billing::v1::UsageLine>* to) {
  const auto add = [&](const char* type, const char* resource, std::int64_t quantity) {
    billing::v1::UsageLine& line = *to->Add();
    line.set_line_type(type);
    line.set_resource(resource);
    line.set_quantity(quantity);
  };
  add("per_job", "text.stats", usage.jobs);
  if (usage.requests > 0) add("per_request", "api", usage.requests);
}

}  // namespace

template <typename Request, typename Response>
Asking Caller::Insist(const rpc::Method<Request, Response>& method, const Request& request,
                      Asking asking, int replica) {
  const auto end = steady_clock::now() + kPatience;
  asking.begin_micros = NowMicros();
  while (true) {
    ++asking.attempts;
    rpc::Client& client =
        asking.step == Step::kAdjust ? world_.gateway(replica) : world_.jobs(replica);
    const absl::StatusOr<Response> answer = client.Call(method, request);
    if (answer.ok()) {
      asking.answer = answer->SerializeAsString();
      TakeDown(*answer, &asking);
      break;
    }
    if (!IsOutage(answer.status())) {
      asking.reason = Reason(answer.status());
      if (asking.reason.empty()) asking.reason = answer.status().ToString();
      break;
    }
    if (stop_ || steady_clock::now() > end) {
      asking.reason = kNoAnswer;
      break;
    }
    // The other one may be up; what the first one did may still be under way.
    replica = (replica + 1) % kReplicas;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  asking.end_micros = NowMicros();
  ++operations_;
  return asking;
}

template <typename Request, typename Response>
bool Caller::Put(const rpc::Method<Request, Response>& method, const Request& request,
                 Asking asking, int replica, Copies copies) {
  asking.request = request.SerializeAsString();
  std::vector<std::thread> others;
  std::vector<Asking> beside(static_cast<std::size_t>(copies.together ? copies.count - 1 : 0));
  for (std::size_t i = 0; i < beside.size(); ++i) {
    others.emplace_back([&, i] {
      const int other = static_cast<int>((i + 1 + static_cast<std::size_t>(replica)) % kReplicas);
      beside[i] = Insist(method, request, asking, other);
    });
  }
  const int alone = copies.together ? 1 : copies.count;
  for (int i = 0; i < alone; ++i) {
    askings_.push_back(Insist(method, request, asking, (replica + i) % kReplicas));
  }
  for (std::thread& other : others) other.join();
  askings_.insert(askings_.end(), beside.begin(), beside.end());
  return std::any_of(askings_.end() - copies.count, askings_.end(),
                     [](const Asking& made) { return made.reason.empty(); });
}

bool Caller::Reserve(const std::string& key, std::int64_t tenant, const Usage& estimate,
                     std::int64_t ttl_seconds, int replica, Copies copies) {
  billing::v1::ReserveRequest request;
  request.set_key(key);
  request.set_tenant_id(tenant);
  request.set_ttl_seconds(ttl_seconds);
  AddLines(estimate, request.mutable_estimate());
  Asking asking{
      .step = Step::kReserve, .key = key, .tenant = tenant, .amount_nanos = estimate.nanos()};
  return Put(HoldService::kReserve, request, asking, replica, copies);
}

bool Caller::Bind(const std::string& key, std::int64_t tenant, int replica, Copies copies) {
  billing::v1::BindRequest request;
  request.set_key(key);
  return Put(HoldService::kBind, request, Asking{.step = Step::kBind, .key = key, .tenant = tenant},
             replica, copies);
}

bool Caller::Capture(const std::string& key, std::int64_t tenant, std::int64_t number,
                     const Usage& usage, bool final, int replica, Copies copies) {
  billing::v1::CaptureRequest request;
  request.set_key(key);
  request.set_capture_number(number);
  request.set_final(final);
  AddLines(usage, request.mutable_usage());
  Asking asking{.step = Step::kCapture,
                .key = key,
                .number = number,
                .tenant = tenant,
                .amount_nanos = usage.nanos(),
                .final = final};
  return Put(HoldService::kCapture, request, asking, replica, copies);
}

bool Caller::Release(const std::string& key, std::int64_t tenant, int replica, Copies copies) {
  billing::v1::ReleaseRequest request;
  request.set_key(key);
  return Put(HoldService::kRelease, request,
             Asking{.step = Step::kRelease, .key = key, .tenant = tenant}, replica, copies);
}

bool Caller::Adjust(const std::string& key, std::int64_t tenant, std::int64_t nanos, int replica,
                    Copies copies) {
  billing::v1::AdjustBalanceRequest request;
  request.set_tenant_id(tenant);
  request.mutable_amount()->set_currency_code("USD");
  request.mutable_amount()->set_amount_nanos(nanos);
  request.set_reason(key);  // By which the entry is found again.
  request.set_idempotency_key(key);
  Asking asking{.step = Step::kAdjust, .key = key, .tenant = tenant, .amount_nanos = nanos};
  return Put(AccountService::kAdjustBalance, request, asking, replica, copies);
}

}  // namespace gatehouse::history
