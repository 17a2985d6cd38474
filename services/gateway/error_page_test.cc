// The error object, request ids, credentials and the route table.
#include "services/gateway/error_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "libs/base/uuid.h"
#include "services/gateway/credential.h"
#include "services/gateway/parts.h"
#include "services/gateway/request_id.h"
#include "services/gateway/routes.h"

namespace gatehouse::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

void SetTarget(http::Request& request, const std::string& path) {
  request.target = path;
  request.path = request.target;
}

http::Response Page(const Problem& problem, const std::string& path,
                    const std::string& accept = "") {
  http::Request request;
  SetTarget(request, path);
  if (!accept.empty()) request.headers.push_back({"Accept", accept});
  return ErrorResponse(problem, request, "req-1");
}

std::vector<std::string> Values(const http::Response& response, const std::string& name) {
  std::vector<std::string> values;
  for (const http::Header& header : response.headers) {
    if (http::SameName(header.name, name)) values.push_back(header.value);
  }
  return values;
}

TEST(ErrorPageTest, HasTheMembersOfTheErrorObject) {
  const http::Response page = Page(ProblemOf(404), "/api/jobs/");
  EXPECT_EQ(page.status, 404);
  EXPECT_EQ(
      page.body,
      R"({"error":"NOT_FOUND","message":"not found","status_code":404,"request_id":"req-1"})");
  EXPECT_THAT(Values(page, "Content-Type"), testing::ElementsAre("application/json"));
}

TEST(ErrorPageTest, AddsEachSurfacesOwnSpelling) {
  const Problem problem = ProblemOf(403);
  EXPECT_THAT(Page(problem, "/api/v1/users").body, HasSubstr(R"("detail":"you do not)"));
  EXPECT_THAT(Page(problem, "/api/v1/users").body, Not(HasSubstr("error_code")));
  for (const char* path : {"/platform/config/current", "/api/caches", "/api/caches/"}) {
    const std::string body = Page(problem, path).body;
    EXPECT_THAT(body, HasSubstr(R"("error_code":"FORBIDDEN","error_message":"you do not)"));
    EXPECT_THAT(body, HasSubstr(R"("detail":"you do not)"));
  }
  EXPECT_THAT(Page(problem, "/api/v10/x").body, Not(HasSubstr("detail")));
}

TEST(ErrorPageTest, SendsProblemJsonToThoseWhoAskForIt) {
  const http::Response page =
      Page(ProblemOf(409), "/api/jobs/", "text/html, Application/Problem+JSON");
  EXPECT_THAT(Values(page, "Content-Type"), testing::ElementsAre("application/problem+json"));
  EXPECT_THAT(page.body, HasSubstr(R"({"type":"about:blank","title":"Conflict","status":409)"));
  EXPECT_THAT(page.body, HasSubstr(R"("code":"CONFLICT","request_id":"req-1")"));
  for (const char* accept : {"application/problem+json;q=0", "application/json", "*/*"}) {
    EXPECT_THAT(Page(ProblemOf(409), "/", accept).body, HasSubstr("status_code")) << accept;
  }
}

TEST(ErrorPageTest, Sends401WithBothChallenges) {
  EXPECT_THAT(Values(Page(ProblemOf(401), "/"), "WWW-Authenticate"),
              testing::ElementsAre("Bearer realm=\"gatehouse\"", "Token realm=\"gatehouse\""));
}

TEST(ErrorPageTest, EscapesWhatCameFromTheClient) {
  Problem problem = ProblemOf(400);
  problem.details.emplace_back("a\"b", "is not known");
  EXPECT_THAT(Page(problem, "/").body, HasSubstr(R"("details":[{"field":"a\"b","message":)"));
}

struct Row {
  absl::StatusCode code;
  const char* reason;
  int status;
};

TEST(ProblemTest, MapsEveryRowOfTheErrorTable) {
  using enum absl::StatusCode;
  for (const Row& row : std::vector<Row>{{kInvalidArgument, "X", 400},
                                         {kOutOfRange, "X", 400},
                                         {kUnauthenticated, "CREDENTIALS_INVALID", 401},
                                         {kUnauthenticated, "REFRESH_TOKEN_INVALID", 401},
                                         {kUnauthenticated, "REFRESH_TOKEN_REUSED", 401},
                                         {kUnauthenticated, "PASSPORT_INVALID", 500},
                                         {kPermissionDenied, "X", 403},
                                         {kPermissionDenied, "SCOPE_NOT_HELD", 403},
                                         {kPermissionDenied, "REGISTRATION_CLOSED", 404},
                                         {kPermissionDenied, "CALLER_NOT_ALLOWED", 500},
                                         {kNotFound, "X", 404},
                                         {kAlreadyExists, "X", 409},
                                         {kFailedPrecondition, "LAST_ADMIN", 409},
                                         {kFailedPrecondition, "ROLE_FIXED", 409},
                                         {kFailedPrecondition, "RESERVE_INSUFFICIENT", 402},
                                         {kFailedPrecondition, "ESTIMATE_ABOVE_CEILING", 402},
                                         {kAborted, "X", 409},
                                         {kResourceExhausted, "LOGIN_DELAYED", 429},
                                         {kResourceExhausted, "TOKENS_TOO_MANY", 409},
                                         {kResourceExhausted, "OVERLOADED", 503},
                                         {kResourceExhausted, "DATABASE_BUSY", 503},
                                         {kUnavailable, "X", 503},
                                         {kDeadlineExceeded, "X", 504},
                                         {kUnimplemented, "X", 501},
                                         {kInternal, "X", 500},
                                         {kUnknown, "COMMIT_IN_DOUBT", 500},
                                         {kCancelled, "X", 500}}) {
    const Problem problem = ProblemOf(Error(row.code, row.reason, "m"), "jobs");
    EXPECT_EQ(problem.status, row.status) << row.reason << " " << static_cast<int>(row.code);
    EXPECT_EQ(problem.service, row.status >= 500 ? "jobs" : "");
  }
}

TEST(ProblemTest, NeverTellsWhatHappenedInside) {
  const Problem problem =
      ProblemOf(absl::UnavailableError("failed to connect to unix:/run/x.sock"), "billing");
  EXPECT_EQ(problem.message, "billing is not available");
  EXPECT_EQ(problem.code, "SERVICE_UNAVAILABLE");
  EXPECT_EQ(ProblemOf(absl::InternalError("relation \"x\""), "auth").message, "internal error");
  EXPECT_EQ(ProblemOf(absl::InvalidArgumentError("odd text"), "auth").message,
            "the request is not valid");
}

TEST(ProblemTest, NamesTheServiceThatIsTheCause) {
  const auto unavailable = [](const char* reason) {
    return ProblemOf(Error(absl::StatusCode::kUnavailable, reason, "m"), "jobs").service;
  };
  EXPECT_EQ(unavailable("BILLING_UNAVAILABLE"), "billing");
  EXPECT_EQ(unavailable("DATABASE_UNAVAILABLE"), "jobs");
}

TEST(ProblemTest, ShortFundsComeWithTheirAmounts) {
  const Problem problem =
      ProblemOf(Error(absl::StatusCode::kFailedPrecondition, "RESERVE_INSUFFICIENT", "m",
                      {{"balance_nanos", "19999999"}, {"required_nanos", "20000001"}}),
                "jobs");
  EXPECT_THAT(Page(problem, "/api/jobs/").body,
              HasSubstr(R"("message":"Insufficient reserve balance","status_code":402)"));
  EXPECT_THAT(Page(problem, "/api/jobs/").body,
              HasSubstr(R"("balance_cents":1,"required_cents":3)"));
}

TEST(ProblemTest, LimitedAnswersSayWhenToComeBack) {
  const absl::Status limited =
      WithRetryDelay(Error(absl::StatusCode::kResourceExhausted, "QUOTA", "m"), 1500);
  EXPECT_THAT(Values(Page(ProblemOf(limited, "auth"), "/"), "Retry-After"),
              testing::ElementsAre("2"));
}

int StatusOn(const std::string& path, Problem problem) {
  AdaptToSurface(path, &problem);
  return problem.status;
}

TEST(SurfaceTest, SomeSurfacesCallAnInvalidRequest422) {
  for (const char* path : {"/api/v1/auth/login", "/api/v1/users", "/api/v1/users/7/",
                           "/api/v1/orchestrators/x", "/api/v1/statistics/uptime"}) {
    EXPECT_EQ(StatusOn(path, ProblemOf(400)), 422) << path;
    EXPECT_EQ(StatusOn(path, ProblemOf(404)), 404) << path;
    EXPECT_EQ(StatusOn(path, ProblemOf(415)), 415) << path;
  }
  for (const char* path : {"/api/v1/usersx", "/api/v1", "/api/auth/login/", "/platform/user"}) {
    EXPECT_EQ(StatusOn(path, ProblemOf(400)), 400) << path;
  }
  Problem host = ProblemOf(400);
  host.code = "HOST_NOT_ALLOWED";
  EXPECT_EQ(StatusOn("/api/v1/users", host), 400);
}

TEST(SurfaceTest, ANameThatIsTakenIs422AmongTheUsersOnly) {
  for (const char* reason : {"USERNAME_TAKEN", "EMAIL_TAKEN"}) {
    const Problem taken = ProblemOf(Error(absl::StatusCode::kAlreadyExists, reason, "m"), "auth");
    EXPECT_EQ(StatusOn("/api/v1/users/", taken), 422);
    EXPECT_EQ(StatusOn("/api/v1/auth/register", taken), 409);
    EXPECT_EQ(StatusOn("/api/admin/users/", taken), 409);
  }
  EXPECT_EQ(StatusOn("/api/v1/users/7", ProblemOf(409)), 409) << "any other conflict";
}

TEST(SurfaceTest, TheUsersSayWhomTheyAdmitInTheirOwnWords) {
  Problem problem = ProblemOf(403);
  AdaptToSurface("/api/v1/users", &problem);
  EXPECT_EQ(problem.message, "Admin privileges required");
}

TEST(RequestIdTest, KeepsTheCallersWhenItIsPlain) {
  http::Request request;
  request.headers.push_back({"x-request-id", "abc.DEF_1-2"});
  EXPECT_EQ(RequestId(request), "abc.DEF_1-2");
}

TEST(RequestIdTest, ReplacesWhatIsMissingTooLongOrOdd) {
  for (const std::string& sent : {std::string(""), std::string(129, 'a'), std::string("a b"),
                                  std::string("a\"b"), std::string("é")}) {
    http::Request request;
    request.headers.push_back({"X-Request-ID", sent});
    EXPECT_TRUE(IsUuid(RequestId(request))) << sent;
  }
  EXPECT_TRUE(IsUuid(RequestId(http::Request())));
}

TEST(RequestIdTest, MadeOnesAreOfVersion7AndNeverRepeat) {
  std::set<std::string> seen;
  for (int i = 0; i < 2000; ++i) {
    const std::string id = RequestId(http::Request());
    EXPECT_EQ(id[14], '7');
    EXPECT_THAT(std::string("89ab"), HasSubstr(std::string(1, id[19])));
    EXPECT_TRUE(seen.insert(id).second) << id;
  }
}

std::optional<Credential> Find(const std::vector<http::Header>& headers) {
  http::Request request;
  request.headers = headers;
  return FindCredential(request);
}

TEST(CredentialTest, IsReadFromEitherSchemeOrTheCookie) {
  EXPECT_EQ(Find({{"Authorization", "Bearer abc"}})->token, "abc");
  EXPECT_EQ(Find({{"authorization", "token  abc "}})->token, "abc");
  const auto cookie = Find({{"Cookie", "a=b; access_token_cookie=xyz"}});
  EXPECT_EQ(cookie->token, "xyz");
  EXPECT_TRUE(cookie->from_cookie);
}

TEST(CredentialTest, TheHeaderGoesBeforeTheCookieEvenWhenItIsUseless) {
  const http::Header cookie{"Cookie", "access_token_cookie=xyz"};
  EXPECT_EQ(Find({cookie, {"Authorization", "Bearer abc"}})->token, "abc");
  for (const char* value : {"Basic abc", "Bearer", "Bearer ", "abc", ""}) {
    EXPECT_FALSE(Find({cookie, {"Authorization", value}})) << value;
  }
  EXPECT_FALSE(Find({{"Authorization", "Bearer a"}, {"Authorization", "Bearer b"}}));
  EXPECT_FALSE(Find({}));
}

TEST(CsrfTest, DemandsTheSameValueTwice) {
  http::Request request;
  request.headers = {{"Cookie", "csrf_token=abc"}, {"X-CSRF-Token", "abc"}};
  EXPECT_TRUE(HasCsrfProof(request));
  request.headers[1].value = "abd";
  EXPECT_FALSE(HasCsrfProof(request));
  request.headers = {{"Cookie", "csrf_token="}, {"X-CSRF-Token", ""}};
  EXPECT_FALSE(HasCsrfProof(request));
}

TEST(RouteTableTest, EveryRouteSaysWhoMayUseIt) {
  RouteTable table;
  AddRoutes(table);
  std::set<std::string> seen;
  for (const Route& route : table.routes()) {
    const std::string name = route.method + " " + route.path;
    EXPECT_NE(route.audience, Audience::kNobody) << name;
    EXPECT_TRUE(seen.insert(name).second) << name;
    EXPECT_TRUE(route.handler) << name;
    const bool needs_requirement =
        route.audience == Audience::kRole || route.audience == Audience::kPermission;
    if (route.audience != Audience::kOptional) {
      EXPECT_EQ(!route.requirement.empty(), needs_requirement) << name;
    }
    EXPECT_THAT(table.ToText(), HasSubstr(route.path));
    if (route.path.find("/admin/") != std::string::npos) {
      EXPECT_TRUE(needs_requirement) << name;
    }
    if (route.audience == Audience::kPublic && route.method != "GET") {
      EXPECT_NE(route.limit, Limit::kNone) << name << ": anybody may send it";
    }
  }
  EXPECT_GE(seen.size(), 25u);
}

TEST(RouteTableTest, DeniesByDefault) {
  type::v1::Principal admin;
  admin.set_role("admin");
  admin.add_permissions("manage_users");
  EXPECT_FALSE(MayUse(Route(), admin));
  EXPECT_FALSE(MayUse({.method = "", .path = "", .audience = Audience::kRole}, admin));
  EXPECT_FALSE(MayUse({.method = "", .path = "", .audience = Audience::kPermission}, admin));
}

TEST(RouteTableTest, ScopesNarrowWhatTheOwnerMayDo) {
  const Route user{.method = "", .path = "", .audience = Audience::kUser};
  const Route manage{
      .method = "", .path = "", .audience = Audience::kPermission, .requirement = "manage_users"};
  const Route admin{.method = "", .path = "", .audience = Audience::kRole, .requirement = "admin"};
  type::v1::Principal owner;
  owner.set_role("admin");
  EXPECT_TRUE(MayUse(user, owner));
  EXPECT_TRUE(MayUse(admin, owner));
  EXPECT_FALSE(MayUse(manage, owner));
  owner.add_permissions("manage_users");
  EXPECT_TRUE(MayUse(manage, owner));
  owner.set_is_narrowed(true);
  for (const Route* route : {&user, &manage, &admin}) {
    EXPECT_FALSE(MayUse(*route, owner)) << "narrowed to nothing at all";
  }
  owner.add_scopes("manage_users");
  EXPECT_TRUE(MayUse(manage, owner));
  EXPECT_FALSE(MayUse(user, owner));
  EXPECT_FALSE(MayUse(admin, owner));
  owner.add_scopes("admin");
  EXPECT_TRUE(MayUse(user, owner));
  EXPECT_TRUE(MayUse(admin, owner));
}

TEST(RouteTableTest, ScopesOfAWholeCredentialNarrowNothing) {
  const Route user{.method = "", .path = "", .audience = Audience::kUser};
  type::v1::Principal owner;
  owner.add_scopes("llm.chat");
  EXPECT_TRUE(MayUse(user, owner));
}

TEST(RouteTableTest, AnOptionalRouteIsFullOnlyForItsRequirement) {
  const Route detail{
      .method = "", .path = "", .audience = Audience::kOptional, .requirement = "manage_gateway"};
  type::v1::Principal user;
  EXPECT_FALSE(MayUse(detail, user));
  user.add_permissions("manage_gateway");
  EXPECT_TRUE(MayUse(detail, user));
  user.set_is_narrowed(true);
  EXPECT_FALSE(MayUse(detail, user));
}

}  // namespace
}  // namespace gatehouse::gateway
