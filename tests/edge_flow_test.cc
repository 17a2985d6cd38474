// Bad input on the real edge: the documented error object with the right status,
// and nothing half-done.
#include <gmock/gmock.h>

#include "tests/harness/stack.h"

namespace gatehouse {
namespace {

using harness::Answer;
using harness::Exchange;
using harness::Quote;
using harness::Stack;

class EdgeFlow : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    stack_ = new Stack();
    ASSERT_EQ(stack_->Start(), "");
    admin_ = stack_->AdminToken();
    user_ = stack_->SignUp("visitor");
  }
  static void TearDownTestSuite() {
    delete stack_;
    stack_ = nullptr;
  }

  static Answer Post(const std::string& path, const std::string& json,
                     const std::string& token = "") {
    return stack_->http().Call("POST", path, json, token);
  }

  static void ExpectError(const Answer& answer, int status) {
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_EQ(answer.At("/status_code"), std::to_string(status)) << answer.body;
    EXPECT_NE(answer.At("/message"), "") << answer.body;
    EXPECT_EQ(answer.At("/request_id"), answer.Header("X-Request-ID")) << answer.body;
    EXPECT_EQ(answer.Header("X-Content-Type-Options"), "nosniff");
    EXPECT_NE(answer.At("/error"), "") << answer.body;
  }

  static Stack* stack_;
  static std::string admin_, user_;
};

Stack* EdgeFlow::stack_ = nullptr;
std::string EdgeFlow::admin_, EdgeFlow::user_;

TEST_F(EdgeFlow, MalformedJsonIs400) {
  for (const char* body : {"{", "[]", "\"x\"", "{\"type\":}", "{\"a\":1}{", "nul"}) {
    ExpectError(Post("/api/jobs/", body, user_), 400);
  }
  std::string deep(2000, '[');
  ExpectError(Post("/api/jobs/", deep, user_), 400);
  ExpectError(Post("/api/jobs/", R"({"type":"text.stats","type":"x","payload":{}})", user_), 400);
}

TEST_F(EdgeFlow, WrongTypesAre400WithTheField) {
  const Answer answer = Post("/api/jobs/", R"({"type":7,"payload":{"text":"x"}})", user_);
  ExpectError(answer, 400);
  EXPECT_NE(answer.body.find("type"), std::string::npos);
  ExpectError(Post("/api/jobs/", R"({"type":"text.stats","payload":"x"})", user_), 400);
  ExpectError(Post("/api/jobs/", R"({"type":"text.stats","payload":{"text":1}})", user_), 400);
  ExpectError(Post("/api/jobs/", R"({"type":"no.such","payload":{}})", user_), 400);
  ExpectError(Post("/api/admin/passkeys/", R"({"expires_days":0})", admin_), 400);
  ExpectError(Post("/api/admin/passkeys/", R"({"expires_days":1.5})", admin_), 400);
}

TEST_F(EdgeFlow, UnknownFieldsAreRefused) {
  ExpectError(
      Post("/api/jobs/", R"({"type":"text.stats","payload":{"text":"x"},"tenant_id":1})", user_),
      400);
  ExpectError(Post("/api/auth/token/", R"({"username":"a","password":"b","role":"admin"})"), 400);
}

TEST_F(EdgeFlow, InvalidUtf8Is400) {
  ExpectError(Post("/api/auth/token/", "{\"username\":\"\xff\xfe\",\"password\":\"x\"}"), 400);
}

TEST_F(EdgeFlow, TheBodyLimitIs413AndTheContentType415) {
  const std::string big =
      R"({"type":"text.stats","payload":{"text":)" + Quote(std::string(1100000, 'a')) + "}}";
  ExpectError(Post("/api/jobs/", big, user_), 413);
  const std::string text = "POST /api/jobs/ HTTP/1.1\r\nHost: a\r\nAuthorization: Token " + user_ +
                           "\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}";
  EXPECT_EQ(Exchange(stack_->http().address(), text).substr(0, 12), "HTTP/1.1 415");
}

TEST_F(EdgeFlow, HeaderBombsAre431AndLongTargets414) {
  const std::string host = "Host: a\r\n";
  std::string many = "GET / HTTP/1.1\r\n" + host;
  for (int i = 0; i < 500; ++i) many += "X-" + std::to_string(i) + ": y\r\n";
  EXPECT_EQ(Exchange(stack_->http().address(), many + "\r\n").substr(0, 12), "HTTP/1.1 431");
  const std::string large =
      "GET / HTTP/1.1\r\n" + host + "X-Large: " + std::string(40000, 'x') + "\r\n\r\n";
  EXPECT_EQ(Exchange(stack_->http().address(), large).substr(0, 12), "HTTP/1.1 431");
  const std::string target = "GET /" + std::string(9000, 'x') + " HTTP/1.1\r\n" + host + "\r\n";
  EXPECT_EQ(Exchange(stack_->http().address(), target).substr(0, 12), "HTTP/1.1 414");
}

TEST_F(EdgeFlow, SlowHeadersAreClosedAtTenSeconds) {
  const auto began = std::chrono::steady_clock::now();
  const std::string answer =
      Exchange(stack_->http().address(), "GET / HTTP/1.1\r\nHost: a\r\n", std::chrono::seconds(20));
  const auto waited = std::chrono::steady_clock::now() - began;
  EXPECT_GE(waited, std::chrono::seconds(9));
  EXPECT_LT(waited, std::chrono::seconds(15));
  EXPECT_EQ(answer.substr(0, 12), "HTTP/1.1 408");
}

TEST_F(EdgeFlow, MissingForgedAndForeignCredentialsAre401) {
  for (const std::string& token :
       {std::string(), std::string("garbage"), std::string(9000, 'x'), user_ + "x",
        user_.substr(0, user_.size() - 1) + (user_.back() == 'A' ? "B" : "A"),
        std::string("eyJhbGciOiJub25lIn0.e30.")}) {
    const Answer answer = stack_->http().Call("GET", "/api/me/", "", token);
    ExpectError(answer, 401);
    EXPECT_NE(answer.Header("WWW-Authenticate"), "");
  }
}

TEST_F(EdgeFlow, AUserMayNotDoWhatAdministratorsDo) {
  ExpectError(Post("/api/admin/passkeys/", "{}", user_), 403);
  ExpectError(Post("/api/billing/admin/reserve/adjust/",
                   R"({"tenant_id":1,"amount_cents":5,"reason":"x"})", user_),
              403);
  ExpectError(stack_->http().Call("GET", "/api/admin/audit-events/", "", user_), 403);
}

TEST_F(EdgeFlow, UnknownPathsAre404AndWrongMethods405) {
  ExpectError(stack_->http().Call("GET", "/nothing/here"), 404);
  const Answer answer = stack_->http().Call("DELETE", "/api/auth/token/");
  ExpectError(answer, 405);
  EXPECT_NE(answer.Header("Allow").find("POST"), std::string::npos);
  EXPECT_EQ(stack_->http().Call("GET", "/api/me", "", user_).status, 200) << "without a slash";
}

TEST_F(EdgeFlow, AnAdjustmentOfAnUnknownTenantIs404AndBooksNothing) {
  const std::string before = stack_->Sql("SELECT count(*) FROM billing.ledger_entries");
  ExpectError(Post("/api/billing/admin/reserve/adjust/",
                   R"({"tenant_id":999999,"amount_cents":5,"reason":"x"})", admin_),
              404);
  ExpectError(Post("/api/billing/admin/reserve/adjust/",
                   R"({"tenant_id":1,"amount_cents":0,"reason":"x"})", admin_),
              400);
  ExpectError(Post("/api/billing/admin/reserve/adjust/",
                   R"({"tenant_id":1,"amount_cents":5,"reason":" "})", admin_),
              400);
  EXPECT_EQ(stack_->Sql("SELECT count(*) FROM billing.ledger_entries"), before);
}

TEST_F(EdgeFlow, SignupErrorsLeaveNothing) {
  const std::string passkey = stack_->Passkey();
  const auto body = [&](const std::string& name, const std::string& password,
                        const std::string& key) {
    return R"({"username":)" + Quote(name) + R"(,"email":)" + Quote(name + "@example.com") +
           R"(,"password":)" + Quote(password) + R"(,"passkey":)" + Quote(key) + "}";
  };
  ExpectError(Post("/api/auth/signup/", body("weak", "12345678", passkey)), 400);
  ExpectError(Post("/api/auth/signup/", body("weak", "password", passkey)), 400);
  ExpectError(Post("/api/auth/signup/", body("x", harness::kPassword, passkey)), 400);
  ExpectError(Post("/api/auth/signup/", body("nokey", harness::kPassword, std::string(32, 'A'))),
              400);
  ExpectError(Post("/api/auth/signup/", body("visitor", harness::kPassword, passkey)), 409);
  EXPECT_EQ(stack_->Sql("SELECT count(*) FROM auth.users WHERE username IN ('weak','x','nokey')"),
            "0");
  EXPECT_EQ(Post("/api/auth/signup/", body("strong", harness::kPassword, passkey)).status, 201)
      << "the passkey is not spent by what was refused";
}

TEST_F(EdgeFlow, ProblemJsonOnRequest) {
  const Answer answer =
      stack_->http().Call("GET", "/nothing", "", "", {{"Accept", "application/problem+json"}});
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.Header("Content-Type"), "application/problem+json");
  EXPECT_EQ(answer.At("/status"), "404");
}

TEST_F(EdgeFlow, TheCallersRequestIdComesBackWhenItIsWellFormed) {
  EXPECT_EQ(stack_->http()
                .Call("GET", "/", "", "", {{"X-Request-ID", "abc.DEF_1-2"}})
                .Header("X-Request-ID"),
            "abc.DEF_1-2");
  EXPECT_EQ(stack_->http()
                .Call("GET", "/", "", "", {{"X-Request-ID", "a b"}})
                .Header("X-Request-ID")
                .size(),
            36u);
}

TEST_F(EdgeFlow, ARevokedTokenIsRefused) {
  const std::string token = stack_->SignUp("leaver");
  ASSERT_EQ(stack_->http().Call("GET", "/api/me/", "", token).status, 200);
  ASSERT_EQ(stack_->http().Call("POST", "/api/auth/logout/", "", token).status, 200);
  EXPECT_TRUE(harness::Eventually(
      [&] { return stack_->http().Call("GET", "/api/me/", "", token).status == 401; },
      std::chrono::seconds(1)));
}

}  // namespace
}  // namespace gatehouse
