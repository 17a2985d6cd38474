// Every target over its corpus, and over each file cut and bent in fixed ways: what the
// fuzzers have found stays found.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/targets.h"

namespace gatehouse::fuzz {
namespace {

std::vector<std::string> ReadCorpus(const std::string& name) {
  std::vector<std::string> inputs;
  for (const auto& entry :
       std::filesystem::directory_iterator(GATEHOUSE_SOURCE "/tests/fuzz/corpus/" + name)) {
    std::ifstream file(entry.path(), std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

class FuzzCorpusTest : public ::testing::TestWithParam<std::size_t> {};

TEST_P(FuzzCorpusTest, HoldsForEveryFile) {
  const Target& target = kTargets[GetParam()];
  const std::vector<std::string> inputs = ReadCorpus(target.name);
  ASSERT_GE(inputs.size(), 4u) << "a corpus must say what its format looks like";
  target.run("");
  for (const std::string& input : inputs) {
    target.run(input);
    const std::size_t step = input.size() / 64 + 1;
    for (std::size_t at = 0; at < input.size(); at += step) {
      target.run(std::string_view(input).substr(0, at));
      for (const char with : {'\0', '\n', '\xff'}) {
        std::string bent = input;
        bent[at] = with;
        target.run(bent);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, FuzzCorpusTest, ::testing::Range<std::size_t>(0, kTargetCount),
                         [](const auto& info) {
                           std::string name = kTargets[info.param].name;
                           std::erase(name, '_');
                           return name;
                         });

}  // namespace
}  // namespace gatehouse::fuzz
