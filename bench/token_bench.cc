// What a credential costs at the edge, with google-benchmark: a token that is known,
// a signed one that is not, an opaque one, and garbage. The asked-for limits are in
// the comments; judging revocation and calling auth are not measured here.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "libs/base/uuid.h"
#include "libs/token/api_token.h"
#include "libs/token/cache.h"
#include "libs/token/jwt.h"

namespace gatehouse::token {
namespace {

constexpr int kTokens = 4096;
constexpr char kIssuer[] = "gatehouse";
constexpr char kAudience[] = "gatehouse";

Time Now() { return SystemClock().Now(); }

Claims NewClaims() {
  Claims claims;
  claims.issuer = kIssuer;
  claims.audience = kAudience;
  claims.subject = UuidV7();
  claims.id = UuidV7();
  claims.session_id = UuidV7();
  claims.tenant_id = 1234;
  claims.epoch = 567890;
  claims.role = "user";
  claims.issue_time = Now();
  claims.expire_time = Now() + std::chrono::minutes(15);
  return claims;
}

// Tokens and a cache that knows them all.
struct World {
  World() : key(SigningKey::Generate("k_0123456789")) {
    keys.Add(key.kid(), key.public_key());
    for (int i = 0; i < kTokens; ++i) {
      signed_tokens.push_back(SignJwt(key, NewClaims()));
      api_tokens.push_back(NewApiToken("ora"));
    }
    for (const auto* tokens : {&signed_tokens, &api_tokens}) {
      for (const std::string& token : *tokens) {
        known.Put(TokenDigest(token), std::make_shared<const int>(1),
                  Now() + std::chrono::hours(1));
      }
    }
  }

  SigningKey key;
  KeySet keys;
  std::vector<std::string> signed_tokens;  // About 500 bytes each.
  std::vector<std::string> api_tokens;
  Cache<int> known{65536};
};

World& TheWorld() {
  static auto* const world = new World;
  return *world;
}

// Asked for: at most 1 µs.
void BM_VerifiedTokenCacheHit(benchmark::State& state) {
  const World& world = TheWorld();
  const Time now = Now();
  std::size_t at = 0;
  for (auto _ : state) {
    const auto hit = world.known.Get(TokenDigest(world.signed_tokens[at++ % kTokens]), now);
    if (hit == nullptr) state.SkipWithError("not in the cache");
    benchmark::DoNotOptimize(hit);
  }
}
BENCHMARK(BM_VerifiedTokenCacheHit);

// Asked for: at most 60 µs.
void BM_EdDsaMiss(benchmark::State& state) {
  const World& world = TheWorld();
  const Time now = Now();
  std::size_t at = 0;
  for (auto _ : state) {
    const auto claims =
        VerifyJwt(world.keys, world.signed_tokens[at++ % kTokens], kIssuer, kAudience, now);
    if (!claims.ok()) state.SkipWithError("does not verify");
    benchmark::DoNotOptimize(claims);
  }
}
BENCHMARK(BM_EdDsaMiss);

// After the first check. Asked for: at most 2 µs.
void BM_ApiTokenCheck(benchmark::State& state) {
  const World& world = TheWorld();
  const Time now = Now();
  std::size_t at = 0;
  for (auto _ : state) {
    const std::string& token = world.api_tokens[at++ % kTokens];
    const auto hit = LooksLikeApiToken(token) ? world.known.Get(TokenDigest(token), now) : nullptr;
    if (hit == nullptr) state.SkipWithError("not in the cache");
    benchmark::DoNotOptimize(hit);
  }
}
BENCHMARK(BM_ApiTokenCheck);

// The right form and a wrong checksum: refused without a digest or a look-up.
void BM_ApiTokenGarbage(benchmark::State& state) {
  std::vector<std::string> garbage = TheWorld().api_tokens;
  for (std::string& token : garbage) token.back() = token.back() == 'A' ? 'B' : 'A';
  std::size_t at = 0;
  for (auto _ : state) {
    const bool looks = LooksLikeApiToken(garbage[at++ % kTokens]);
    if (looks) state.SkipWithError("garbage passed");
    benchmark::DoNotOptimize(looks);
  }
}
BENCHMARK(BM_ApiTokenGarbage);

}  // namespace
}  // namespace gatehouse::token

BENCHMARK_MAIN();
