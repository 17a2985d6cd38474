#include "libs/http/framing_case.h"

#include <gmock/gmock.h>

#include <numeric>

namespace gatehouse::http {
namespace {

// Longer ones are not cut at every boundary: the parser's own tests do that.
constexpr std::size_t kCutBytesMax = 400;

std::vector<int> StatusesOf(const std::vector<Received>& all) {
  std::vector<int> statuses;
  statuses.reserve(all.size());
  for (const Received& one : all) statuses.push_back(one.status);
  return statuses;
}

}  // namespace

TestServer* FramingTest::server_ = nullptr;

void FramingTest::SetUpTestSuite() { server_ = new TestServer(); }

void FramingTest::TearDownTestSuite() {
  delete server_;
  server_ = nullptr;
}

void FramingTest::Check(const std::vector<std::size_t>& cuts) {
  const std::string bytes = GetParam().bytes + Get("/probe", "Connection: close\r\n");
  server_->TakeExecuted();
  RawClient client(server_->address());
  ASSERT_TRUE(client.connected());
  std::size_t from = 0;
  for (std::size_t cut : cuts) {
    client.Send(std::string_view(bytes).substr(from, cut - from));
    from = cut;
  }
  client.Send(std::string_view(bytes).substr(from));

  const std::vector<int> statuses = StatusesOf(client.ReadAll());
  const std::vector<std::string> executed = server_->TakeExecuted();
  const int status = GetParam().status;
  if (status != 200) {
    EXPECT_THAT(statuses, ::testing::ElementsAre(status));
    EXPECT_THAT(executed, ::testing::IsEmpty());
  } else if (GetParam().then == Then::kCloses) {
    EXPECT_THAT(statuses, ::testing::ElementsAre(200));
    EXPECT_EQ(executed.size(), 1u);
  } else {
    EXPECT_THAT(statuses, ::testing::ElementsAre(200, 200));
    ASSERT_EQ(executed.size(), 2u);
    EXPECT_EQ(executed[1], "/probe");
  }
}

std::string NameOf(const ::testing::TestParamInfo<FramingCase>& info) { return info.param.name; }

TEST_P(FramingTest, Whole) { Check({}); }

TEST_P(FramingTest, ByteByByte) {
  std::vector<std::size_t> cuts(GetParam().bytes.size());
  std::iota(cuts.begin(), cuts.end(), 1);
  Check(cuts);
}

TEST_P(FramingTest, CutAtEveryBoundary) {
  const std::size_t size = GetParam().bytes.size();
  const std::size_t step = size <= kCutBytesMax ? 1 : size / 16;
  for (std::size_t cut = 1; cut <= size && !HasFailure(); cut += step) Check({cut});
}

}  // namespace gatehouse::http
