#include "tests/fuzz/targets.h"

#include <cstdio>
#include <cstdlib>
#include <iterator>

#include "tests/fuzz/gateway_targets.h"
#include "tests/fuzz/http_targets.h"

namespace gatehouse::fuzz {

const Target kTargets[] = {
    {"request_head", RequestHead},   {"chunked_body", ChunkedBody},  {"target_text", TargetText},
    {"response_head", ResponseHead}, {"websocket", WebSocketFrames}, {"json_object", JsonObject},
    {"json_stream", JsonStream},     {"signed_token", SignedToken},  {"config_text", ConfigText},
};
const std::size_t kTargetCount = std::size(kTargets);

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

}  // namespace gatehouse::fuzz
