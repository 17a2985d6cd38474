#include "services/jobs/job.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "libs/base/secret.h"
#include "libs/base/time_text.h"
#include "libs/base/uuid.h"

namespace gatehouse::jobs {
namespace {

// The name space of all tenants' name spaces.
constexpr char kNameSpace[] = "6f1c2f5e-7a0b-5d7e-9f57-0f3a9c1d4b82";

}  // namespace

const char* StateName(State state) {
  switch (state) {
    case State::kQueued:
      return "queued";
    case State::kRunning:
      return "running";
    case State::kSuccess:
      return "success";
    case State::kFailed:
      return "failed";
    case State::kCancelled:
      return "cancelled";
  }
  std::abort();
}

State ParseState(const std::string& name) {
  for (State state :
       {State::kQueued, State::kRunning, State::kSuccess, State::kFailed, State::kCancelled}) {
    if (name == StateName(state)) return state;
  }
  std::abort();
}

bool HasEnded(State state) {
  switch (state) {
    case State::kQueued:
    case State::kRunning:
      return false;
    case State::kSuccess:
    case State::kFailed:
    case State::kCancelled:
      return true;
  }
  std::abort();
}

std::string JobId(std::int64_t tenant_id, const std::string& idempotency_key, Time now) {
  if (idempotency_key.empty()) return UuidV7(now);
  // A name space per tenant, so that no key of one can meet a key of another.
  const std::string tenant = UuidV5(kNameSpace, "tenant/" + std::to_string(tenant_id));
  return UuidV5(tenant, idempotency_key);
}

std::string RequestHash(const NewJob& job) {
  const std::string run_time = job.run_time ? std::to_string(ToMicros(*job.run_time)) : "";
  std::string text;
  // Each part with its length before it, or "a"+"bc" would equal "ab"+"c".
  for (const std::string& part : {job.type, job.payload, std::to_string(job.priority),
                                  std::to_string(job.attempts_max), run_time, job.unique_key}) {
    text += std::to_string(part.size()) + ":" + part;
  }
  return Sha256(text);
}

absl::Status CheckSameRequest(const Job& known, const NewJob& asked) {
  if (known.tenant_id == asked.tenant_id && known.request_hash == asked.request_hash) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kAlreadyExists, "IDEMPOTENCY_KEY_REUSED",
               "the idempotency key was used for another request");
}

Next AfterAttempt(const Job& job, Ending ending) {
  if (job.cancel_requested) return {.state = State::kCancelled};
  const bool attempts_left = job.attempts < job.attempts_max;
  switch (ending) {
    case Ending::kFailed:
      if (attempts_left) return {.state = State::kQueued, .delayed = true};
      return {.state = State::kFailed};
    case Ending::kRefused:
      return {.state = State::kFailed};
    case Ending::kReturned:
      return {.state = State::kQueued, .counts = false};
    case Ending::kLost:
      return {.state = attempts_left ? State::kQueued : State::kFailed};
  }
  std::abort();
}

std::chrono::milliseconds RetryDelay(const RetryPolicy& policy, int attempts, int jitter) {
  std::int64_t delay = policy.first.count();
  for (int i = 1; i < attempts && delay < policy.longest.count(); ++i) delay *= 2;
  delay = std::min<std::int64_t>(delay, policy.longest.count());
  return std::chrono::milliseconds(delay - delay * jitter / 2000);
}

std::string CleanText(const std::string& text, std::size_t bytes_max) {
  std::string clean;
  clean.reserve(std::min(text.size(), bytes_max));
  std::remove_copy(text.begin(), text.end(), std::back_inserter(clean), '\0');
  if (clean.size() <= bytes_max) return clean;
  std::size_t end = bytes_max;
  // A continuation byte belongs to the character that began before it.
  while (end > 0 && (static_cast<unsigned char>(clean[end]) & 0xC0) == 0x80) --end;
  clean.resize(end);
  return clean;
}

}  // namespace gatehouse::jobs
