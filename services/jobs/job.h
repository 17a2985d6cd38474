// A job and its rules: identity, sameness of requests, what follows an attempt,
// when to try again. Pure; no SQL and no protobuf.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "libs/base/clock.h"
#include "libs/status/status.h"

namespace gatehouse::jobs {

enum class State { kQueued, kRunning, kSuccess, kFailed, kCancelled };

// "queued", "running", "success", "failed", "cancelled".
const char* StateName(State state);
// Aborts on a name that the table's constraint does not allow.
State ParseState(const std::string& name);
bool HasEnded(State state);

struct Job {
  std::string id;  // UUID
  std::int64_t tenant_id = 0;
  std::string user_id;
  std::string type;
  State state = State::kQueued;
  std::string trigger;
  std::string payload;  // JSON object
  std::string result;   // JSON, "" until success
  std::string error;
  int priority = 4;
  int attempts = 0;
  int attempts_max = 3;
  std::string request_hash;  // 32 bytes
  bool cancel_requested = false;
  std::string trace_id;
  std::int64_t fencing_token = 0;          // Of the latest claim; 0 before the first.
  std::optional<std::int64_t> cost_nanos;  // Captured in all, once billing is settled.
  Time create_time;
  Time run_time;
  std::optional<Time> start_time;
  std::optional<Time> end_time;
};

// What a submission asks for, checked, with defaults filled in.
struct NewJob {
  std::string id;
  std::int64_t tenant_id = 0;
  std::string user_id;
  std::string type;
  std::string payload;
  int priority = 4;
  int attempts_max = 3;
  std::optional<Time> run_time;
  std::string idempotency_key;  // "": none
  std::string unique_key;       // "": none
  std::string trace_id;
  std::string request_hash;
};

// The same for the same tenant and key; a new time-sorted one without a key.
std::string JobId(std::int64_t tenant_id, const std::string& idempotency_key, Time now);

// SHA-256 of everything that makes two submissions the same request: not the
// user, the trace, nor the key itself.
std::string RequestHash(const NewJob& job);

// ALREADY_EXISTS / IDEMPOTENCY_KEY_REUSED unless `asked` is the request that
// made `known`.
absl::Status CheckSameRequest(const Job& known, const NewJob& asked);

// Why an attempt ended without success.
enum class Ending {
  kFailed,    // May go better next time.
  kRefused,   // Would fail again.
  kReturned,  // The worker gave it back unfinished; does not count.
  kLost,      // The worker's lease ended.
};

// What becomes of the job.
struct Next {
  State state = State::kQueued;
  bool counts = true;    // The attempt stays counted.
  bool delayed = false;  // Queued with a back-off.
};
Next AfterAttempt(const Job& job, Ending ending);

struct RetryPolicy {
  std::chrono::milliseconds first{1000};
  std::chrono::milliseconds longest{600000};
};

// Doubles with each attempt made, then shortened by up to half by `jitter` in
// [0, 1000) thousandths.
std::chrono::milliseconds RetryDelay(const RetryPolicy& policy, int attempts, int jitter);

// `text` cut to `bytes_max` at a character, without NUL: what a text column takes.
std::string CleanText(const std::string& text, std::size_t bytes_max);

}  // namespace gatehouse::jobs
