#include "libs/base/uuid.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>
#include <vector>

namespace gatehouse {
namespace {

constexpr char kDnsNamespace[] = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

// The example of RFC 9562, appendix A.6: 2022-02-22T19:22:22Z.
TEST(UuidV7Test, CarriesItsTimeVersionAndVariant) {
  const std::string id = UuidV7(Time(std::chrono::milliseconds(0x017F22E279B0)));
  EXPECT_EQ(id.substr(0, 13), "017f22e2-79b0");
  EXPECT_EQ(id[14], '7');
  EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos) << id;
  EXPECT_TRUE(IsUuid(id));
}

TEST(UuidV7Test, SortsInTheOrderMade) {
  std::vector<std::string> ids;
  const Time time(std::chrono::seconds(1800000000));
  for (int i = 0; i < 5000; ++i) ids.push_back(UuidV7(time));
  ids.push_back(UuidV7(time + std::chrono::milliseconds(1)));
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
  EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end()) << "unique";
}

TEST(UuidV7Test, IsUniqueAcrossRacingThreads) {
  constexpr int kThreads = 4;
  constexpr int kEach = 5000;
  std::vector<std::vector<std::string>> made(kThreads);
  std::vector<std::thread> threads;
  for (auto& ids : made) {
    threads.emplace_back([&ids] {
      for (int i = 0; i < kEach; ++i) ids.push_back(UuidV7());
    });
  }
  for (std::thread& thread : threads) thread.join();

  std::set<std::string> all;
  for (const auto& ids : made) all.insert(ids.begin(), ids.end());
  EXPECT_EQ(all.size(), static_cast<std::size_t>(kThreads * kEach));
}

// The example of RFC 9562, appendix A.4.
TEST(UuidV5Test, MatchesThePublishedExample) {
  EXPECT_EQ(UuidV5(kDnsNamespace, "www.example.com"), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
  EXPECT_NE(UuidV5(kDnsNamespace, "a"), UuidV5(kDnsNamespace, "b"));
  EXPECT_EQ(UuidV5("6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "a"), UuidV5(kDnsNamespace, "a"));
}

TEST(IsUuidTest, AcceptsTheTextFormOnly) {
  EXPECT_TRUE(IsUuid(kDnsNamespace));
  EXPECT_TRUE(IsUuid("6BA7B810-9DAD-11D1-80B4-00C04FD430C8"));
  EXPECT_FALSE(IsUuid(""));
  EXPECT_FALSE(IsUuid("6ba7b8109dad11d180b400c04fd430c8")) << "no hyphens";
  EXPECT_FALSE(IsUuid("{ba7b810-9dad-11d1-80b4-00c04fd430c}")) << "braces";
  EXPECT_FALSE(IsUuid("6ba7b810-9dad-11d1-80b4-00c04fd430cg")) << "not a hex digit";
  EXPECT_FALSE(IsUuid("6ba7b810-9dad-11d1-80b4-00c04fd430c88")) << "too long";
  EXPECT_FALSE(IsUuid("6ba7b810--dad-11d1-80b4-00c04fd430c8")) << "a hyphen too many";
}

}  // namespace
}  // namespace gatehouse
