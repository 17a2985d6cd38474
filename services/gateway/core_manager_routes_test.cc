#include <cstdlib>
#include <map>

#include "services/gateway/gateway_fixture.h"
#include "services/gateway/routes.h"

namespace gatehouse::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Method, path and who may.
constexpr const char* kExpected[][3] = {
    {"GET", "/api/v1/templates", "admin"},
    {"POST", "/api/v1/templates", "admin"},
    {"GET", "/api/v1/templates/{id}", "admin"},
    {"PUT", "/api/v1/templates/{id}", "admin"},
    {"DELETE", "/api/v1/templates/{id}", "admin"},
    {"POST", "/api/v1/templates/{id}/clone", "admin"},
    {"POST", "/api/v1/templates/{id}/validate", "admin"},
    {"GET", "/api/v1/personas/instances", ""},
    {"POST", "/api/v1/personas/instances", ""},
    {"GET", "/api/v1/personas/instances/{id}", ""},
    {"PUT", "/api/v1/personas/instances/{id}", ""},
    {"PATCH", "/api/v1/personas/instances/{id}", ""},
    {"DELETE", "/api/v1/personas/instances/{id}", ""},
    {"POST", "/api/v1/personas/instances/{id}/execute", ""},
    {"GET", "/api/v1/personas/instances/{id}/history", ""},
    {"POST", "/api/v1/personas/instances/{id}/stop", ""},
    {"GET", "/api/v1/personas/instances/{id}/logs", ""},
    {"GET", "/api/v1/admin/clients", "admin"},
    {"POST", "/api/v1/admin/clients", "admin"},
    {"GET", "/api/v1/admin/clients/{id}", "admin"},
    {"PUT", "/api/v1/admin/clients/{id}", "admin"},
    {"DELETE", "/api/v1/admin/clients/{id}", "admin"},
    {"GET", "/api/v1/admin/clients/{id}/stats", "admin"},
    {"GET", "/api/v1/admin/system/health", "admin"},
    {"GET", "/api/v1/admin/system/metrics", "admin"},
    {"GET", "/api/v1/admin/system/config", "admin"},
    {"PUT", "/api/v1/admin/system/config", "admin"},
    {"POST", "/api/v1/admin/system/maintenance", "admin"},
    {"GET", "/api/v1/admin/system/logs", "admin"},
    {"GET", "/api/v1/admin/workflows", "admin"},
    {"POST", "/api/v1/admin/workflows", "admin"},
    {"GET", "/api/v1/admin/workflows/{id}", "admin"},
    {"PUT", "/api/v1/admin/workflows/{id}", "admin"},
    {"DELETE", "/api/v1/admin/workflows/{id}", "admin"},
    {"GET", "/api/v1/admin/workflows/{id}/runs", "admin"},
    {"GET", "/api/v1/admin/agent-definitions", "admin"},
    {"POST", "/api/v1/admin/agent-definitions", "admin"},
    {"GET", "/api/v1/admin/agent-definitions/{id}", "admin"},
    {"PUT", "/api/v1/admin/agent-definitions/{id}", "admin"},
    {"DELETE", "/api/v1/admin/agent-definitions/{id}", "admin"},
};

TEST(CoreManagerRoutes, AreThoseOfTheDocumentAndPatchBesidePut) {
  RouteTable table;
  AddCoreManagerRoutes(table, nullptr);
  std::map<std::pair<std::string, std::string>, const Route*> routes;
  for (const Route& route : table.routes()) routes[{route.method, route.path}] = &route;
  EXPECT_EQ(routes.size(), 39u + 1);
  for (const auto& [method, path, role] : kExpected) {
    const auto found = routes.find({method, path});
    ASSERT_NE(found, routes.end()) << method << " " << path;
    const Route& route = *found->second;
    EXPECT_EQ(route.requirement, role) << path;
    EXPECT_EQ(route.audience, *role == '\0' ? Audience::kUser : Audience::kRole) << path;
    EXPECT_EQ(route.limit, Limit::kProxy);
    EXPECT_EQ(route.timeout, Timeout::kProxy);
    EXPECT_EQ(LaneOf(route), Lane::kProxy);
    EXPECT_EQ(route.upstream, "core-manager");
    EXPECT_TRUE(route.checks_json);
  }
}

TEST(LaneOf, FollowsFromTheRoute) {
  Route route;
  EXPECT_EQ(LaneOf(route), Lane::kApi);
  route.audience = Audience::kRole;
  EXPECT_EQ(LaneOf(route), Lane::kAdmin);
  route.audience = Audience::kPermission;
  EXPECT_EQ(LaneOf(route), Lane::kAdmin);
  route.limit = Limit::kNone;
  EXPECT_EQ(LaneOf(route), Lane::kVital);
  route.upstream = "core-manager";
  EXPECT_EQ(LaneOf(route), Lane::kProxy) << "what goes elsewhere is never vital";
  route.is_socket = true;
  EXPECT_EQ(LaneOf(route), Lane::kSocket);
}

TEST(RouteTable, PrintsLaneAndTarget) {
  RouteTable table;
  AddCoreManagerRoutes(table, nullptr);
  const std::string text = table.ToText();
  EXPECT_THAT(text.substr(0, text.find('\n')), HasSubstr("TARGET"));
  EXPECT_THAT(text,
              ::testing::ContainsRegex(
                  "GET +/api/v1/templates +role admin +proxy +upstream +proxy +core-manager"));
}

TEST(RouteMetrics, AreTheSameForTheSameRoute) {
  RouteMetrics& first = MetricsOf("GET", "/metrics-test");
  EXPECT_EQ(&MetricsOf("GET", "/metrics-test"), &first);
  EXPECT_NE(&MetricsOf("POST", "/metrics-test"), &first);
  EXPECT_EQ(first.name, "/metrics-test");
}

// What every row behind the bound shares; in a process of its own, which it fills.
bool IsBounded() {
  const RouteMetrics& first = MetricsOf("GET", "/first");
  for (std::size_t i = 0; i < kRouteSeriesMax; ++i) MetricsOf("GET", "/" + std::to_string(i));
  const RouteMetrics& beyond = MetricsOf("GET", "/beyond");
  return beyond.name == "other" && &beyond == &MetricsOf("PUT", "/one-more") &&
         &first == &MetricsOf("GET", "/first");
}

TEST(RouteMetricsDeathTest, AreBounded) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(std::_Exit(IsBounded() ? 0 : 1), ::testing::ExitedWithCode(0), "");
}

// Without CORE_MANAGER_URL.
class CoreManagerRoutesTest : public GatewayTest {};

TEST_F(CoreManagerRoutesTest, WithoutAnAddressTheDocumentedError) {
  const Answer answer = Get("/api/v1/templates", admin_);
  EXPECT_EQ(answer.status, 502);
  EXPECT_EQ(Code(answer), "BAD_GATEWAY");
  EXPECT_THAT(answer.body, HasSubstr(R"("message":"Service temporarily unavailable")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("status_code":502)"));
  EXPECT_THAT(answer.body, HasSubstr(R"("service":"core-manager")"));
}

TEST_F(CoreManagerRoutesTest, WhoMayNotIsToldFirst) {
  EXPECT_EQ(Get("/api/v1/templates", "").status, 401);
  EXPECT_EQ(Get("/api/v1/templates", user_).status, 403);
  EXPECT_EQ(Get("/api/v1/admin/workflows/abc", user_).status, 403);
  EXPECT_EQ(Get("/api/v1/personas/instances", "").status, 401);
  EXPECT_EQ(Get("/api/v1/personas/instances", user_).status, 502);
  const std::string moderator = services_.AddToken("moderator", {"manage_users"});
  EXPECT_EQ(Get("/api/v1/templates", moderator).status, 403);
  EXPECT_EQ(Get("/api/v1/personas/instances", moderator).status, 502);
}

TEST_F(CoreManagerRoutesTest, BothSlashFormsAndHead) {
  EXPECT_EQ(Get("/api/v1/templates/", admin_).status, 502);
  EXPECT_EQ(Get("/api/v1/templates/abc/", admin_).status, 502);
  const Answer head = Send("HEAD", "/api/v1/templates", admin_);
  EXPECT_EQ(head.status, 502);
  EXPECT_EQ(head.body, "");
}

TEST_F(CoreManagerRoutesTest, OtherMethodsAreNamed) {
  const Answer answer = Send("PATCH", "/api/v1/templates/abc", admin_, "{}");
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.Get("Allow"), "DELETE, GET, HEAD, PUT, OPTIONS");
  EXPECT_EQ(Get("/api/v1/admin/nothing", admin_).status, 404);
}

TEST_F(CoreManagerRoutesTest, AnIdIsOfLettersDigitsAndTwoMore) {
  const std::string longest(128, 'a');
  for (const std::string& id : {std::string("a-Z_9"), std::string("0"), longest}) {
    EXPECT_EQ(Get("/api/v1/templates/" + id, admin_).status, 502) << id;
  }
  for (const std::string& id :
       {longest + "a", std::string("a.b"), std::string(".."), std::string("%2e%2e"),
        std::string("a%2fb"), std::string("a;b"), std::string("caf%C3%A9"), std::string("a%20b"),
        std::string("%61"), std::string("a:b"), std::string("~")}) {
    const Answer answer = Get("/api/v1/templates/" + id, admin_);
    EXPECT_EQ(answer.status, 400) << id;
    EXPECT_EQ(Code(answer), "ID_INVALID") << id;
  }
  EXPECT_EQ(Code(Get("/api/v1/personas/instances/a.b/logs", user_)), "ID_INVALID");
}

}  // namespace
}  // namespace gatehouse::gateway
