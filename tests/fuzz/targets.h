// Every parser that reads what comes from outside, as a function of bytes: for
// libFuzzer (`make fuzz`) and, over the corpus, for the tests. A target aborts where the
// parser contradicts itself; the sanitizers find the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gatehouse::fuzz {

struct Target {
  const char* name;  // Of its folder in corpus/.
  void (*run)(std::string_view input);
};

// All of them.
extern const Target kTargets[];
extern const std::size_t kTargetCount;

// Ends the process, saying what did not hold.
void Require(bool holds, const char* what);

}  // namespace gatehouse::fuzz
