#include "libs/http/router.h"

#include <gmock/gmock.h>

namespace gatehouse::http {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

class RouterTest : public ::testing::Test {
 protected:
  RouterTest() {
    router_.Add("GET", "/", 0);
    router_.Add("GET", "/api/jobs/", 1);
    router_.Add("POST", "/api/jobs/", 2);
    router_.Add("GET", "/api/jobs/{id}/", 3);
    router_.Add("GET", "/api/jobs/{job}/events/{event}/", 4);
    router_.Add("GET", "/api/jobs/stats/", 5);
    router_.Add("DELETE", "/api/{any}/stats/now", 6);
  }
  Router router_;
};

TEST_F(RouterTest, MatchesWithAndWithoutOneTrailingSlash) {
  EXPECT_EQ(router_.Find("GET", "/").route, 0);
  EXPECT_EQ(router_.Find("GET", "/api/jobs").route, 1);
  EXPECT_EQ(router_.Find("GET", "/api/jobs/").route, 1);
  EXPECT_EQ(router_.Find("GET", "/api/jobs//").route, -1);
}

TEST_F(RouterTest, LiteralsWinOverNames) {
  EXPECT_EQ(router_.Find("GET", "/api/jobs/stats").route, 5);
  EXPECT_EQ(router_.Find("GET", "/api/jobs/state").route, 3);
}

TEST_F(RouterTest, GoesBackWhenALiteralLeadsNowhere) {
  EXPECT_EQ(router_.Find("DELETE", "/api/jobs/stats/now").route, 6);
}

TEST_F(RouterTest, GivesParametersRawUnderTheNamesOfTheRoute) {
  const std::string path = "/api/jobs/a%2Fb/events/7";
  const Match match = router_.Find("GET", path);
  EXPECT_EQ(match.route, 4);
  EXPECT_THAT(match.parameters, ElementsAre(Pair("job", "a%2Fb"), Pair("event", "7")));
}

TEST_F(RouterTest, AnEmptySegmentMatchesNothing) {
  EXPECT_EQ(router_.Find("GET", "/api/jobs//events/7").route, -1);
  EXPECT_EQ(router_.Find("GET", "//").route, -1);
  EXPECT_EQ(router_.Find("GET", "/api//jobs").route, -1);
}

TEST_F(RouterTest, HeadFindsTheRouteOfGet) {
  EXPECT_EQ(router_.Find("HEAD", "/api/jobs/").route, 1);
  router_.Add("HEAD", "/api/jobs/", 9);
  EXPECT_EQ(router_.Find("HEAD", "/api/jobs/").route, 9) << "unless there is one of its own";
}

TEST_F(RouterTest, NamesTheMethodsOfAKnownPath) {
  const Match match = router_.Find("PUT", "/api/jobs");
  EXPECT_EQ(match.route, -1);
  EXPECT_TRUE(match.path_known);
  EXPECT_THAT(match.allow, ElementsAre("GET", "HEAD", "POST"));
}

TEST_F(RouterTest, MethodsAreCaseSensitive) {
  EXPECT_TRUE(router_.Find("get", "/api/jobs").path_known);
  EXPECT_EQ(router_.Find("get", "/api/jobs").route, -1);
}

TEST_F(RouterTest, UnknownPathsAreUnknown) {
  for (const char* path : {"/api", "/api/jobs/1/2", "/API/jobs", "*", "", "api/jobs"}) {
    const Match match = router_.Find("GET", path);
    EXPECT_EQ(match.route, -1) << path;
    EXPECT_FALSE(match.path_known) << path;
  }
}

TEST_F(RouterTest, SixteenThousandSlashesAreOnlyAnotherUnknownPath) {
  EXPECT_EQ(router_.Find("GET", std::string(16000, '/')).route, -1);
  std::string deep;
  for (int i = 0; i < 16000; ++i) deep += "/a";
  EXPECT_EQ(router_.Find("GET", deep).route, -1);
}

TEST(RouterDeathTest, AbortsOnADuplicate) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        Router router;
        router.Add("GET", "/jobs/{id}", 1);
        router.Add("GET", "/jobs/{job}/", 2);
      },
      "duplicate route: GET /jobs/.job./");
}

}  // namespace
}  // namespace gatehouse::http
