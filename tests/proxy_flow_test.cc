// core-manager behind the real programs: what it hears of a user is what auth knows at
// that moment, on every documented route and on its WebSocket.
#include <gmock/gmock.h>

#include "libs/http/message.h"
#include "services/gateway/fake_upstream.h"
#include "tests/access/matrix.h"
#include "tests/harness/stack.h"

namespace gatehouse {
namespace {

using gateway::FakeUpstream;
using gateway::SeenRequest;
using harness::Answer;
using harness::Quote;
using harness::Stack;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kInstances[] = "/api/v1/personas/instances";

class ProxyFlow : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    upstream_ = new FakeUpstream();
    Stack::Options options;
    options.own["gateway"] = {{"CORE_MANAGER_URL", upstream_->url()}};
    stack_ = new Stack(options);
    ASSERT_EQ(stack_->Start(), "");
    stack_->SignUp("ada");
  }
  static void TearDownTestSuite() {
    delete stack_;
    delete upstream_;
    stack_ = nullptr;
    upstream_ = nullptr;
  }

  void SetUp() override { upstream_->Take(); }

  static Answer Call(const std::string& method, const std::string& path, const std::string& body,
                     const std::string& token) {
    return stack_->http().Call(method, path, body, token);
  }

  // The answer of /api/v1/auth/login: a signed token is in it.
  static Answer LogIn(const std::string& username) {
    Answer answer = Call(
        "POST", "/api/v1/auth/login",
        R"({"username":)" + Quote(username) + R"(,"password":)" + Quote(harness::kPassword) + "}",
        "");
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer;
  }

  static SeenRequest TakeOne() {
    std::vector<SeenRequest> seen = upstream_->Take();
    EXPECT_EQ(seen.size(), 1u);
    return seen.empty() ? SeenRequest() : seen.front();
  }

  static Stack* stack_;
  static FakeUpstream* upstream_;
};

Stack* ProxyFlow::stack_ = nullptr;
FakeUpstream* ProxyFlow::upstream_ = nullptr;

TEST_F(ProxyFlow, TheUpstreamHearsWhatAuthKnowsOfTheUser) {
  const Answer login = LogIn("ada");
  const std::string token = login.At("/access_token");
  EXPECT_EQ(Call("GET", kInstances, "", token).status, 200);
  const SeenRequest seen = TakeOne();
  const Answer me = Call("GET", "/api/me/", "", token);
  EXPECT_THAT(seen.All("X-User-ID"), ElementsAre(me.At("/uuid")));
  EXPECT_THAT(seen.All("X-User-Email"), ElementsAre(me.At("/email")));
  EXPECT_THAT(seen.All("X-User-Role"), ElementsAre("user"));
  EXPECT_THAT(seen.All("X-User-Tier"), ElementsAre("free"));
  EXPECT_THAT(seen.All("X-Client-ID"),
              ElementsAre(stack_->Sql("SELECT client_id FROM auth.tenants WHERE id = " +
                                      me.At("/profile/tenant"))));
  EXPECT_THAT(seen.All("X-User-Permissions"), ElementsAre(""));
  EXPECT_THAT(seen.All("Authorization"), ElementsAre("Token " + token)) << "signed: it may go on";
  EXPECT_EQ(seen.All("X-Request-ID").size(), 1u);

  EXPECT_EQ(Call("GET", kInstances, "", stack_->AdminToken()).status, 200);
  const SeenRequest admin = TakeOne();
  EXPECT_THAT(admin.All("X-User-Role"), ElementsAre("admin"));
  EXPECT_THAT(admin.All("X-User-Permissions"), ElementsAre(HasSubstr("manage_users")));
  EXPECT_THAT(admin.All("Authorization"), IsEmpty()) << "opaque: it stays";
}

TEST_F(ProxyFlow, EveryDocumentedRouteArrivesAsItWasSent) {
  const std::string admin = stack_->AdminToken();
  int routes = 0;
  for (const access::Row& row : access::ReadRows("routes.tsv")) {
    std::string path = row.at("path");
    // Of the rows of the access matrix, these are core-manager's.
    if (row.at("right") != "502") continue;
    ++routes;
    if (const std::size_t at = path.find("{id}"); at != std::string::npos) {
      path.replace(at, 4, "0198c0de-0000-7000-8000-0000000000ff");
    }
    for (const std::string& target : {path + "?a=%20b&a", path + "/"}) {
      EXPECT_EQ(Call(row.at("method"), target, row.at("body"), admin).status, 200) << target;
      const SeenRequest seen = TakeOne();
      EXPECT_EQ(seen.RequestLine(), row.at("method") + " " + target + " HTTP/1.1");
      EXPECT_EQ(seen.body, row.at("body"));
    }
  }
  EXPECT_EQ(routes, 39 + 1) << "PATCH beside PUT";
}

TEST_F(ProxyFlow, ARoleOpensItsRoutesAsLongAsItIsHeld) {
  const std::string admin = stack_->AdminToken();
  const std::string token = stack_->SignUp("boss");
  const std::string user = Call("GET", "/api/me/", "", token).At("/uuid");
  const auto make_admin = [&](const std::string& flag) {
    const Answer answer =
        Call("PATCH", "/api/v1/users/" + user, R"({"is_admin":)" + flag + "}", admin);
    EXPECT_EQ(answer.status, 200) << answer.body;
  };
  const auto status_with = [](const std::string& credential) {
    return Call("GET", "/api/v1/templates", "", credential).status;
  };
  EXPECT_EQ(status_with(token), 403);
  make_admin("true");
  const std::string raised = LogIn("boss").At("/access_token");
  EXPECT_EQ(status_with(raised), 200);
  make_admin("false");
  EXPECT_TRUE(harness::Eventually([&] { return status_with(raised) == 401; }))
      << "a change of role ends what was issued before";
  EXPECT_EQ(status_with(LogIn("boss").At("/access_token")), 403);
}

TEST_F(ProxyFlow, ASocketIsOpenedInTheUsersName) {
  upstream_->Do([](const SeenRequest&) {
    return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
  });
  const std::string token = LogIn("ada").At("/access_token");
  const std::string address = stack_->http().address();
  // With a frame that closes.
  const std::string answer = harness::Exchange(
      address, "GET /api/v1/ws HTTP/1.1\r\nHost: " + address +
                   "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX_User_Role: admin\r\n"
                   "Sec-WebSocket-Protocol: bearer, " +
                   token + "\r\n\r\n" + std::string("\x88\x80\0\0\0\0", 6));
  EXPECT_THAT(answer, HasSubstr("HTTP/1.1 101 "));
  EXPECT_THAT(answer, HasSubstr("Sec-WebSocket-Protocol: bearer\r\n"));
  const SeenRequest seen = TakeOne();
  EXPECT_THAT(seen.All("X-User-Role"), ElementsAre("user"));
  EXPECT_EQ(seen.All("X-User-ID").size(), 1u);
  EXPECT_EQ(seen.head.find("X_User"), std::string::npos);
  EXPECT_EQ(seen.head.find(token), std::string::npos);
  EXPECT_THAT(stack_->Log("gateway"), HasSubstr(R"("message":"socket opened")"));
  EXPECT_THAT(stack_->Log("gateway"), Not(HasSubstr(token)));
}

}  // namespace
}  // namespace gatehouse
