// How the framing tests send a case and what they expect. Not a test itself; only
// for the tests of libs/http.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "libs/http/testing.h"

namespace gatehouse::http {

enum class Then { kGoesOn, kCloses };

// Bytes, each followed by a probe request on the same connection. Refused bytes are
// answered once with `status`, nothing of them or behind them reaches the handler,
// and the connection closes. Accepted ones are answered with 200 and go on to
// the probe, unless `then` says that the connection closes.
struct FramingCase {
  const char* name;
  std::string bytes;
  int status = 200;
  Then then = Then::kGoesOn;
};

inline void PrintTo(const FramingCase& one, std::ostream* out) { *out << one.name; }

// One server for all cases.
class FramingTest : public ::testing::TestWithParam<FramingCase> {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();

  // Sends GetParam() cut behind each of `cuts` (ascending) and checks the answer.
  void Check(const std::vector<std::size_t>& cuts);

 private:
  static TestServer* server_;
};

// For INSTANTIATE_TEST_SUITE_P.
std::string NameOf(const ::testing::TestParamInfo<FramingCase>& info);

}  // namespace gatehouse::http
