#include "services/gateway/openapi.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <set>

#include "gatehouse/jobs/v1/job.pb.h"
#include "services/gateway/gateway_fixture.h"
#include "services/gateway/page_asset.h"
#include "services/gateway/routes.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

namespace json = boost::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct OwnTable : RouteTable {
  OwnTable() {
    AddRoutes(*this);
    AddCoreManagerRoutes(*this, nullptr);
  }
};

json::value Parse(const RouteTable& table) { return json::parse(OpenApiDocument(table)); }

// The value at a JSON pointer, as JSON text; "" when it is not there.
std::string At(const json::value& document, const std::string& pointer) {
  json::error_code error;
  const json::value* found = document.find_pointer(pointer, error);
  return found == nullptr ? "" : json::serialize(*found);
}

std::set<std::string> Keys(const json::value& document, const std::string& pointer) {
  std::set<std::string> keys;
  for (const auto& member : document.at_pointer(pointer).as_object()) keys.emplace(member.key());
  return keys;
}

TEST(OpenApi, EveryRouteIsDescribedAndEveryDescriptionHasARoute) {
  std::set<std::string> routes;
  const OwnTable table;
  for (const Route& route : table.routes()) routes.insert(route.method + " " + route.path);
  std::set<std::string> described;
  for (const std::string& key : DescribedOperations()) described.insert(key);
  for (const std::string& route : routes) {
    EXPECT_TRUE(described.contains(route)) << route << " stands in no file of openapi/";
  }
  for (const std::string& key : described) {
    EXPECT_TRUE(routes.contains(key)) << key << " of openapi/ is no route";
  }
}

TEST(OpenApi, WhoMayAndWhatLimitsComeFromTheRoute) {
  RouteTable table;
  table.Add({.method = "GET", .path = "/a", .audience = Audience::kPublic, .limit = Limit::kNone});
  table.Add({.method = "POST",
             .path = "/b",
             .audience = Audience::kPermission,
             .requirement = "manage_auth"});
  table.Add({.method = "GET", .path = "/c", .audience = Audience::kOptional});
  table.Add({.method = "GET", .path = "/d", .audience = Audience::kRole, .requirement = "admin"});
  const json::value document = Parse(table);
  EXPECT_EQ(At(document, "/paths/~1a/get/security"), "[]");
  EXPECT_EQ(At(document, "/paths/~1a/get/responses/429"), "");
  EXPECT_EQ(At(document, "/paths/~1a/get/responses/401"), "");
  EXPECT_EQ(At(document, "/paths/~1b/post/x-permission"), "\"manage_auth\"");
  EXPECT_EQ(At(document, "/paths/~1b/post/security"),
            R"([{"bearerAuth":[]},{"tokenAuth":[]},{"cookieAuth":[]}])");
  for (const char* status : {"401", "403", "413", "415", "429", "503", "504", "default"}) {
    EXPECT_NE(At(document, std::string("/paths/~1b/post/responses/") + status), "") << status;
  }
  EXPECT_THAT(At(document, "/paths/~1c/get/security"), StartsWith("[{},"));
  EXPECT_EQ(At(document, "/paths/~1d/get/x-role"), "\"admin\"");
  EXPECT_NE(At(document, "/components/responses/Error-429/headers/Retry-After"), "");
}

TEST(OpenApi, ARouteThatOnlyTheConfigurationKnowsIsThereInGeneralTerms) {
  RouteTable table;
  table.Add({.method = "PUT",
             .path = "/v2/things/{id}",
             .audience = Audience::kUser,
             .limit = Limit::kProxy,
             .upstream = "things"});
  const json::value document = Parse(table);
  const std::string operation = "/paths/~1v2~1things~1{id}/put";
  EXPECT_EQ(At(document, operation + "/operationId"), "\"putV2ThingsId\"");
  EXPECT_EQ(At(document, operation + "/x-upstream"), "\"things\"");
  EXPECT_EQ(At(document, operation + "/parameters/0/name"), "\"id\"");
  EXPECT_NE(At(document, operation + "/responses/502"), "");
  EXPECT_THAT(At(document, "/tags"), HasSubstr("Configured"));
}

TEST(OpenApi, EnumerationsAreThoseOfTheProtos) {
  const json::value document = Parse(OwnTable());
  std::string states;
  for (int i = 1; i < jobs::v1::Job::State_descriptor()->value_count(); ++i) {
    const std::string name = jobs::v1::Job::State_descriptor()->value(i)->name();
    states += (i == 1 ? "\"" : ",\"") + AsciiLower(name.substr(6)) + "\"";
  }
  EXPECT_EQ(At(document, "/components/schemas/Job/properties/status/enum"), "[" + states + "]");
  EXPECT_EQ(At(document, "/components/schemas/Passkey/properties/status/enum"),
            R"(["active","used","expired","revoked"])");
  EXPECT_THAT(json::serialize(document), Not(HasSubstr("enum_of")));
}

TEST(OpenApi, InvalidArgumentsHaveTheStatusOfTheirSurface) {
  const json::value document = Parse(OwnTable());
  EXPECT_NE(At(document, "/paths/~1api~1jobs~1/post/responses/400"), "");
  EXPECT_EQ(At(document, "/paths/~1api~1jobs~1/post/responses/422"), "");
  EXPECT_NE(At(document, "/paths/~1api~1v1~1users~1/post/responses/422"), "");
  EXPECT_EQ(At(document, "/paths/~1api~1v1~1users~1/post/responses/400"), "");
}

TEST(OpenApi, EveryReferenceLeadsSomewhereAndEveryResponseIsUsed) {
  const json::value document = Parse(OwnTable());
  const std::string text = json::serialize(document);
  std::set<std::string> used;
  constexpr std::string_view kBegin = "\"$ref\":\"#";
  for (std::size_t at = text.find(kBegin); at != std::string::npos; at = text.find(kBegin, at)) {
    at += kBegin.size();
    used.insert(text.substr(at, text.find('"', at) - at));
  }
  EXPECT_GT(used.size(), 100u);
  for (const std::string& reference : used) EXPECT_NE(At(document, reference), "") << reference;
  for (const std::string& name : Keys(document, "/components/responses")) {
    EXPECT_TRUE(used.contains("/components/responses/" + name)) << name;
  }
}

class DocumentRoutes : public GatewayTest {
 protected:
  Answer Fetch(const std::string& path, const Headers& headers = {}) {
    return gateway::Fetch(gateway_.address(), "GET", path, headers);
  }
};

TEST_F(DocumentRoutes, TheDocumentIsServedOnceAndThenOnlyConfirmed) {
  const Answer first = Get("/openapi.json", "");
  ASSERT_EQ(first.status, 200);
  EXPECT_EQ(first.Get("Content-Type"), "application/json");
  EXPECT_EQ(first.Get("Cache-Control"), "no-cache");
  EXPECT_THAT(first.body, StartsWith(R"({"openapi":"3.1.0")"));
  const std::string etag = first.Get("ETag");
  EXPECT_THAT(etag, testing::MatchesRegex("\"[0-9a-f]{16}\""));
  EXPECT_EQ(Get("/api/v1/openapi.json/", "").body, first.body);
  for (const std::string& known : {etag, "\"x\", W/" + etag, std::string("*")}) {
    const Answer again = Get("/openapi.json", "", {{"If-None-Match", known}});
    EXPECT_EQ(again.status, 304) << known;
    EXPECT_EQ(again.body, "");
    EXPECT_EQ(again.Get("ETag"), etag);
  }
  EXPECT_EQ(Get("/openapi.json", "", {{"If-None-Match", "\"0\""}}).status, 200);
}

TEST_F(DocumentRoutes, ThePagesLoadOnlyWhatTheGatewayItselfServes) {
  for (const char* path : {"/docs", "/docs/", "/redoc", "/redoc/"}) {
    const Answer page = Fetch(path);
    EXPECT_EQ(page.status, 200) << path;
    EXPECT_EQ(page.Get("Content-Type"), "text/html; charset=utf-8");
    const std::string policy = page.Get("Content-Security-Policy");
    EXPECT_THAT(policy, HasSubstr("default-src 'none'; script-src 'self';"));
    EXPECT_THAT(policy, Not(HasSubstr("http")));
    EXPECT_THAT(page.body, Not(HasSubstr("://"))) << "nothing from elsewhere";
    EXPECT_THAT(page.body, Not(HasSubstr("<script>"))) << path;
    EXPECT_THAT(page.body, Not(HasSubstr("{{"))) << path;
  }
}

TEST_F(DocumentRoutes, AssetsAreKeptForEverAndPackedForWhoTakesThat) {
  int assets = 0;
  for (const PageAsset& asset : PageAssets()) {
    if (asset.name.ends_with(".html")) continue;
    ++assets;
    const std::string path = "/docs/assets/" + std::string(asset.name);
    const Answer plain = Fetch(path);
    EXPECT_EQ(plain.status, 200) << path;
    EXPECT_EQ(plain.body, asset.plain) << path;
    EXPECT_EQ(plain.Get("Content-Encoding"), "");
    EXPECT_EQ(plain.Get("Vary"), "Accept-Encoding");
    EXPECT_THAT(plain.Get("Cache-Control"), HasSubstr("immutable"));
    const Answer packed = Fetch(path, {{"Accept-Encoding", "br, GZIP;q=0.5"}});
    EXPECT_EQ(packed.body, asset.gzip) << path;
    EXPECT_EQ(packed.Get("Content-Encoding"), "gzip");
    EXPECT_NE(packed.Get("ETag"), plain.Get("ETag"));
    EXPECT_EQ(Fetch(path, {{"Accept-Encoding", "gzip;q=0.0, br"}}).body, asset.plain);
    const Answer known = Fetch(path, {{"If-None-Match", plain.Get("ETag")}});
    EXPECT_EQ(known.status, 304);
    EXPECT_EQ(known.body, "");
  }
  EXPECT_GT(assets, 0);
  for (const char* name : {"docs.html", "nothing.js", "..%2f"}) {
    EXPECT_EQ(Code(Get(std::string("/docs/assets/") + name, "")), "NOT_FOUND") << name;
  }
}

}  // namespace
}  // namespace gatehouse::gateway
