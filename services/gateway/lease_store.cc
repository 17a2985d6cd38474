#include "services/gateway/lease_store.h"

#include <charconv>

namespace gatehouse::gateway {
namespace {

// A bucket is "generation used time": units of one token per microsecond of the window,
// of which `refill` come back each microsecond. It is gone when it would be full, and one
// of another generation than Redis' own is.
constexpr char kScript[] = R"(
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local token, refill, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local settle, want = tonumber(ARGV[4]), tonumber(ARGV[5])
local generation = tonumber(redis.call('GET', KEYS[2]) or '0')
local used = 0
local kept = redis.call('GET', KEYS[1])
if kept then
  local of, units, at = string.match(kept, '^(%d+) (%d+) (%d+)$')
  if tonumber(of) == generation then
    used = math.max(0, units - math.max(0, now - at) * refill)
    now = math.max(now, tonumber(at))
  end
end
used = math.max(0, used + settle * token)
local granted = math.min(want, math.max(0, math.floor((burst * token - used) / token)))
used = used + granted * token
if used > 0 then
  redis.call('SET', KEYS[1], string.format('%.0f %.0f %.0f', generation, used, now),
             'PX', math.ceil(used / refill / 1000) + 1)
else
  redis.call('DEL', KEYS[1])
end
return {granted, string.format('%.0f', used)}
)";

// The generation moves on with each flush that is not the last one. Where auth knows of
// none, the last one may be forgotten there; or it is of another database, if that has
// not counted so far.
constexpr char kTellScript[] = R"(
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
local sequence, head = tonumber(ARGV[1]), tonumber(ARGV[2])
if sequence == last or (sequence == 0 and last <= head) then return 0 end
redis.call('SET', KEYS[2], ARGV[1])
return redis.call('INCR', KEYS[1])
)";

constexpr char kGenerationKey[] = "generation";
constexpr char kFlushKey[] = "flush";

absl::Status Unexpected(const std::string& what) {
  return Error(absl::StatusCode::kInternal, "LIMIT_STORE_FAILED", what);
}

redis::Command BookCommand(const std::string& digest, const std::string& prefix,
                           const StoreRequest& request) {
  const BucketRate& rate = request.rate;
  const auto window = std::chrono::duration_cast<std::chrono::microseconds>(rate.window);
  return {"EVALSHA",
          digest,
          "2",
          prefix + request.key,
          prefix + kGenerationKey,
          std::to_string(window.count()),
          std::to_string(rate.requests),
          std::to_string(rate.burst),
          std::to_string(request.lease.settle),
          std::to_string(request.lease.want)};
}

bool LacksScript(const std::vector<redis::Reply>& replies) {
  for (const redis::Reply& reply : replies) {
    if (reply.IsError() && reply.text.starts_with("NOSCRIPT")) return true;
  }
  return false;
}

absl::StatusOr<LeaseGrant> GrantOf(const redis::Reply& reply) {
  if (reply.IsError()) return Unexpected(reply.text);
  if (reply.items.size() != 2) return Unexpected("the script's answer is not its own");
  const std::string& text = reply.items[1].text;
  std::int64_t used = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), used);
  if (error != std::errc() || at != text.data() + text.size()) {
    return Unexpected("the script's answer is not its own");
  }
  constexpr int kNanosPerMicro = 1000;
  return LeaseGrant{.granted = static_cast<int>(reply.items[0].integer),
                    .used = TokenBucket::Units(used) * kNanosPerMicro};
}

}  // namespace

absl::Status LeaseStore::LoadScript() {
  GH_ASSIGN_OR_RETURN(const auto replies, client_.Call({{"SCRIPT", "LOAD", kScript}}));
  if (replies[0].IsError()) return Unexpected(replies[0].text);
  script_digest_ = replies[0].text;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<LeaseGrant>> LeaseStore::Book(
    const std::vector<StoreRequest>& requests) {
  if (script_digest_.empty()) GH_RETURN_IF_ERROR(LoadScript());
  const auto call = [&] {
    std::vector<redis::Command> commands;
    commands.reserve(requests.size());
    for (const StoreRequest& request : requests) {
      commands.push_back(BookCommand(script_digest_, prefix_, request));
    }
    return client_.Call(commands);
  };
  GH_ASSIGN_OR_RETURN(std::vector<redis::Reply> replies, call());
  // For all of them, as a rule; one that was booked is booked twice at worst.
  if (LacksScript(replies)) {
    GH_RETURN_IF_ERROR(LoadScript());
    GH_ASSIGN_OR_RETURN(replies, call());
  }
  std::vector<LeaseGrant> grants;
  for (const redis::Reply& reply : replies) {
    GH_ASSIGN_OR_RETURN(grants.emplace_back(), GrantOf(reply));
  }
  return grants;
}

absl::Status LeaseStore::Tell(const std::vector<LimitFlush>& flushes) {
  std::vector<redis::Command> commands;
  commands.reserve(flushes.size());
  for (const LimitFlush& flush : flushes) {
    commands.push_back({"EVAL", kTellScript, "2", prefix_ + kGenerationKey, prefix_ + kFlushKey,
                        std::to_string(flush.sequence), std::to_string(flush.head)});
  }
  GH_ASSIGN_OR_RETURN(const auto replies, client_.Call(commands));
  for (const redis::Reply& reply : replies) {
    if (reply.IsError()) return Unexpected(reply.text);
  }
  return absl::OkStatus();
}

absl::Status LeaseStore::Check() {
  return Book({{.key = "check", .rate = {.requests = 1, .burst = 1}, .lease = {}}}).status();
}

}  // namespace gatehouse::gateway
