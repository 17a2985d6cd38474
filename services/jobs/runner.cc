#include "services/jobs/runner.h"

#include <thread>
#include <utility>

#include "libs/base/failpoint.h"
#include "libs/log/log.h"

namespace gatehouse::jobs {
namespace {

using StopReason = AttemptContext::StopReason;

constexpr char kStale[] = "ATTEMPT_STALE";
constexpr std::size_t kResultBytesMax = 1 << 20;
constexpr std::chrono::milliseconds kPersistPause{200};

// The lease is gone or going: what is said about the attempt counts no more.
bool Dropped(const AttemptContext& context) {
  const StopReason reason = context.stop_reason();
  return reason == StopReason::kLeaseLost || reason == StopReason::kDraining;
}

bool MayGoBetter(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kDeadlineExceeded:
      return true;
    default:
      return false;
  }
}

metrics::Counter& AttemptsEnded(const std::string& outcome) {
  return metrics::GetCounter("gatehouse_jobs_attempts_total",
                             "Attempts of the built-in runner; refused: not saved.",
                             {{"outcome", outcome}});
}

Ending EndingOf(const absl::Status& status) {
  const bool refused = absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status);
  return refused ? Ending::kRefused : Ending::kFailed;
}

}  // namespace

Runner::Runner(pg::Database& db, const JobTypes& types, Options options,
               std::function<void()> changed)
    : db_(db),
      types_(types),
      options_(std::move(options)),
      changed_(std::move(changed)),
      running_now_(metrics::GetGauge("gatehouse_jobs_running", "Attempts on a thread now.")),
      succeeded_(AttemptsEnded("success")),
      failed_(AttemptsEnded("failure")),
      refused_(AttemptsEnded("refused")),
      jitter_(std::random_device()()) {}

Runner::~Runner() { Stop(); }

void Runner::Start() {
  const std::lock_guard lock(mutex_);
  pool_ = std::make_unique<exec::Pool>(
      exec::Pool::Options{.name = "runner",
                          .threads = options_.slots,
                          .queue_max = static_cast<std::size_t>(options_.slots)});
  heartbeats_ = std::make_unique<exec::Ticker>("heartbeat", [this] { return HeartbeatStep(); });
  claims_ = std::make_unique<exec::Ticker>("claims", [this] { return ClaimStep(); });
}

void Runner::Stop() {
  std::unique_ptr<exec::Ticker> heartbeats, claims;
  {
    // Destroyed outside the lock, which their steps take.
    const std::lock_guard lock(mutex_);
    heartbeats = std::move(heartbeats_);
    claims = std::move(claims_);
  }
  claims.reset();
  heartbeats.reset();
  std::string session;
  {
    const std::lock_guard lock(mutex_);
    session = std::exchange(session_, "");
  }
  if (!session.empty()) {
    const absl::StatusOr<int> returned = CloseSession(db_, session);
    if (!returned.ok()) {
      log::Warning("leases not given back; they will expire",
                   {{"error", std::string(returned.status().message())}});
    }
  }
  {
    const std::lock_guard lock(mutex_);
    for (auto& [token, context] : running_) context->Stop(StopReason::kDraining);
  }
  if (pool_) pool_->Stop();
}

void Runner::Wake() {
  const std::lock_guard lock(mutex_);
  if (claims_) claims_->Wake();
  if (heartbeats_) heartbeats_->Wake();
}

std::string Runner::Session() {
  {
    const std::lock_guard lock(mutex_);
    if (!session_.empty()) return session_;
  }
  absl::StatusOr<std::string> opened = OpenSession(db_, options_.name, options_.lease);
  if (!opened.ok()) {
    log::Warning("no worker session", {{"error", std::string(opened.status().message())}});
    return "";
  }
  const std::lock_guard lock(mutex_);
  session_ = *opened;
  return session_;
}

void Runner::LoseSession(const std::string& session) {
  log::Warning("the lease was lost; its attempts are dropped", {{"session", session}});
  const std::lock_guard lock(mutex_);
  if (session_ == session) session_.clear();
  for (auto& [token, context] : running_) context->Stop(StopReason::kLeaseLost);
}

bool Runner::DropStrays(const std::string& session) {
  {
    const std::lock_guard lock(mutex_);
    if (!strays_) return true;
    strays_ = false;
  }
  const absl::StatusOr<std::vector<Attempt>> held = ListAttempts(db_, session);
  bool dropped = held.ok();
  for (const Attempt& attempt : held.value_or(std::vector<Attempt>())) {
    {
      const std::lock_guard lock(mutex_);
      if (running_.count(attempt.fencing_token) > 0) continue;
    }
    log::Warning("an attempt went astray", {{"job_id", attempt.job_id}});
    const Failure failure{.ending = Ending::kLost, .error = "the attempt's end was not saved"};
    const absl::Status status = FailAttempt(db_, attempt, failure).status();
    dropped = dropped && (status.ok() || Reason(status) == kStale);
  }
  const std::lock_guard lock(mutex_);
  strays_ = strays_ || !dropped;
  return dropped;
}

std::chrono::milliseconds Runner::HeartbeatStep() {
  std::string session;
  {
    const std::lock_guard lock(mutex_);
    session = session_;
  }
  if (session.empty()) return options_.heartbeat;
  const absl::StatusOr<Renewal> renewal = RenewSession(db_, session, options_.lease);
  if (!renewal.ok()) {
    log::Warning("heartbeat failed", {{"error", std::string(renewal.status().message())}});
    return options_.heartbeat / 4;
  }
  if (!renewal->alive) {
    LoseSession(session);
    return options_.heartbeat;
  }
  const std::lock_guard lock(mutex_);
  for (const Attempt& attempt : renewal->cancelled) {
    auto found = running_.find(attempt.fencing_token);
    if (found != running_.end()) found->second->Stop(StopReason::kCancelled);
  }
  return options_.heartbeat;
}

std::chrono::milliseconds Runner::ClaimStep() {
  const std::string session = Session();
  if (session.empty()) return options_.poll_idle;
  if (!DropStrays(session)) return options_.poll_busy;
  int free = 0;
  {
    const std::lock_guard lock(mutex_);
    free = options_.slots - static_cast<int>(running_.size());
  }
  if (free <= 0) return options_.poll_busy;
  const absl::StatusOr<std::vector<Claim>> claims = ClaimJobs(db_, session, types_.Names(), free);
  if (!claims.ok()) {
    const std::lock_guard lock(mutex_);
    strays_ = strays_ || pg::InDoubt(claims.status());
    log::Warning("claim failed", {{"error", std::string(claims.status().message())}});
    return options_.poll_idle;
  }
  if (!claims->empty()) Failpoint("jobs.claim.committed");
  for (const Claim& claim : *claims) Launch(claim);
  const bool idle = claims->empty() && free == options_.slots;
  return idle ? options_.poll_idle : options_.poll_busy;
}

void Runner::Launch(const Claim& claim) {
  auto save = [this, attempt = claim.attempt](int percent, const std::string& message) {
    const absl::Status status = SaveProgress(db_, attempt, percent, message);
    if (!status.ok()) log::Info("progress refused", {{"reason", Reason(status)}});
  };
  auto context = std::make_shared<AttemptContext>(save);
  {
    const std::lock_guard lock(mutex_);
    running_[claim.attempt.fencing_token] = context;
  }
  if (pool_->TryPost([this, claim, context] { Execute(claim, *context); })) return;
  // No thread took it after all.
  const std::lock_guard lock(mutex_);
  running_.erase(claim.attempt.fencing_token);
  strays_ = true;
}

void Runner::Execute(const Claim& claim, AttemptContext& context) {
  const log::Scope scope({.request_id = "", .trace_id = claim.trace_id});
  running_now_.Add(1);
  absl::StatusOr<std::string> result = types_.Find(claim.type)->run(claim.payload, context);
  if (result.ok() && result->size() > kResultBytesMax) {
    result = Error(absl::StatusCode::kInvalidArgument, "RESULT_TOO_LARGE",
                   "the result has more than " + std::to_string(kResultBytesMax) + " bytes");
  }
  const absl::Status said = Persist(context, [&] { return Report(claim, context, result); });
  log::Info("attempt ended", {{"job_id", claim.attempt.job_id},
                              {"type", claim.type},
                              {"attempt", claim.number},
                              {"ok", result.ok()},
                              {"refused", Reason(said)}});
  Count(result, said);
  {
    const std::lock_guard lock(mutex_);
    running_.erase(claim.attempt.fencing_token);
    // Neither saved nor refused: the session holds it still.
    strays_ = strays_ || (!said.ok() && Reason(said) != kStale);
  }
  Wake();
  changed_();
}

void Runner::Count(const absl::StatusOr<std::string>& result, const absl::Status& said) {
  running_now_.Add(-1);
  if (!said.ok()) {
    refused_.Increment();
  } else if (result.ok()) {
    succeeded_.Increment();
  } else {
    failed_.Increment();
  }
}

absl::Status Runner::Report(const Claim& claim, const AttemptContext& context,
                            const absl::StatusOr<std::string>& result) {
  // A success is said even when the lease may be gone: the token decides.
  if (result.ok()) return CompleteAttempt(db_, claim.attempt, *result, context.Usage());
  if (Dropped(context)) return absl::OkStatus();
  Failure failure{.ending = EndingOf(result.status()),
                  .error = std::string(result.status().message()),
                  .usage = context.Usage(),
                  .retry = options_.retry};
  {
    const std::lock_guard lock(mutex_);
    failure.jitter = std::uniform_int_distribution<int>(0, 999)(jitter_);
  }
  return FailAttempt(db_, claim.attempt, failure).status();
}

absl::Status Runner::Persist(const AttemptContext& context,
                             const std::function<absl::Status()>& say) {
  while (true) {
    absl::Status status = say();
    if (status.ok() || !MayGoBetter(status) || Dropped(context)) return status;
    log::Warning("attempt's end not saved yet", {{"error", std::string(status.message())}});
    std::this_thread::sleep_for(kPersistPause);
  }
}

}  // namespace gatehouse::jobs
