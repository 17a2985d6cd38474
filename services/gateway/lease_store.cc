#include "services/gateway/lease_store.h"

#include <charconv>

namespace gatehouse::gateway {
namespace {

// A bucket is "generation used time": units of one token per microsecond of the window,
// of which `refill` come back each microsecond. It is gone when it would be full.
constexpr char kScript[] = R"(
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local token, refill, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local settle, want, generation = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local known = tonumber(redis.call('GET', KEYS[2]) or '0')
if generation > known then
  redis.call('SET', KEYS[2], ARGV[6])
else
  generation = known
end
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

constexpr char kPrefix[] = "ghrl:";
constexpr char kGenerationKey[] = "ghrl:generation";

absl::Status Unexpected(const std::string& what) {
  return Error(absl::StatusCode::kInternal, "LIMIT_STORE_FAILED", what);
}

redis::Command BookCommand(const std::string& digest, const StoreRequest& request,
                           std::int64_t generation) {
  const BucketRate& rate = request.rate;
  const auto window = std::chrono::duration_cast<std::chrono::microseconds>(rate.window);
  return {"EVALSHA",
          digest,
          "2",
          kPrefix + request.key,
          kGenerationKey,
          std::to_string(window.count()),
          std::to_string(rate.requests),
          std::to_string(rate.burst),
          std::to_string(request.lease.settle),
          std::to_string(request.lease.want),
          std::to_string(generation)};
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

absl::StatusOr<std::vector<LeaseGrant>> LeaseStore::Book(const std::vector<StoreRequest>& requests,
                                                         std::int64_t generation) {
  if (script_digest_.empty()) GH_RETURN_IF_ERROR(LoadScript());
  const auto call = [&] {
    std::vector<redis::Command> commands;
    for (const StoreRequest& request : requests) {
      commands.push_back(BookCommand(script_digest_, request, generation));
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

absl::Status LeaseStore::Check(std::int64_t generation) {
  return Book({{.key = "check", .rate = {.requests = 1, .burst = 1}, .lease = {}}}, generation)
      .status();
}

}  // namespace gatehouse::gateway
