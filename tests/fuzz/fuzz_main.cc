// libFuzzer's entry for one target, named by FUZZ_TARGET when this is compiled.
#include <cstring>

#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace fuzz = gatehouse::fuzz;
  static const fuzz::Target* const kTarget = [] {
    for (std::size_t i = 0; i < fuzz::kTargetCount; ++i) {
      if (std::strcmp(fuzz::kTargets[i].name, FUZZ_TARGET) == 0) return &fuzz::kTargets[i];
    }
    fuzz::Require(false, "no such target: " FUZZ_TARGET);
    return static_cast<const fuzz::Target*>(nullptr);
  }();
  kTarget->run({reinterpret_cast<const char*>(data), size});
  return 0;
}
