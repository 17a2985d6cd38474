// Every route of the edge with every kind of credential, as tests/access/routes.tsv
// says: none, garbage, expired, revoked, of another tenant, without the right, the
// right one.
#include <gmock/gmock.h>

#include "tests/access/matrix.h"
#include "tests/harness/stack.h"

namespace gatehouse {
namespace {

using access::Row;
using harness::Answer;
using harness::Quote;
using harness::Stack;

using Values = std::map<std::string, std::string>;

class HttpAccessFlow : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    stack_ = new Stack();
    ASSERT_EQ(stack_->Start(), "");
    for (const char* name : {"owner", "other", "victim"}) stack_->SignUp(name);
    const std::string token = LogIn("owner");
    const Answer me = Call("GET", "/api/me/", "", token);
    const Answer job =
        Call("POST", "/api/jobs/", R"({"type":"text.stats","payload":{"text":"a b"}})", token);
    values_ = {{"user", me.At("/uuid")},
               {"tenant", me.At("/profile/tenant")},
               {"job", job.At("/id")},
               {"victim", Call("GET", "/api/me/", "", LogIn("victim")).At("/uuid")},
               {"uuid", "0198c0de-0000-7000-8000-0000000000ff"},
               {"password", harness::kPassword}};
    EXPECT_TRUE(harness::Eventually([&] {
      return Call("GET", "/api/jobs/" + job.At("/id") + "/", "", token).At("/status") == "success";
    }));
  }
  static void TearDownTestSuite() {
    delete stack_;
    stack_ = nullptr;
  }

  static Answer Call(const std::string& method, const std::string& path, const std::string& body,
                     const std::string& token) {
    return stack_->http().Call(method, path, body, token);
  }

  static std::string LogIn(const std::string& name) {
    if (name == "admin") return stack_->AdminToken();
    const Answer answer = Call(
        "POST", "/api/auth/token/",
        R"({"username":)" + Quote(name) + R"(,"password":)" + Quote(harness::kPassword) + "}", "");
    EXPECT_EQ(answer.status, 200) << name << " " << answer.body;
    return answer.At("/token");
  }

  // A new API token; `more` are further members of the request.
  static Answer Mint(const std::string& name, const std::string& more = "") {
    Answer answer =
        Call("POST", "/api/v1/auth/tokens", R"({"name":"matrix")" + more + "}", LogIn(name));
    EXPECT_EQ(answer.status, 200) << name << " " << answer.body;
    return answer;
  }

  static std::string Expired(const std::string& name) {
    return Mint(name, R"(,"expires_at":"2020-01-01T00:00:00Z")").At("/token");
  }

  static std::string Revoked(const std::string& name) {
    const Answer minted = Mint(name);
    EXPECT_EQ(Call("DELETE", "/api/v1/auth/tokens/" + minted.At("/id"), "", LogIn(name)).status,
              200);
    return minted.At("/token");
  }

  // "/api/jobs/{id}/" with "id=…", or any path with "?…", to the target of a request.
  static std::string PathOf(const Row& row) {
    std::string path = row.at("path");
    const std::string arguments = access::Fill(row.at("arguments"), values_);
    if (arguments.starts_with('?')) return path + arguments;
    for (std::size_t begin = 0; begin < arguments.size();) {
      const std::size_t end = std::min(arguments.find(' ', begin), arguments.size());
      const std::size_t equals = arguments.find('=', begin);
      const std::string name = "{" + arguments.substr(begin, equals - begin) + "}";
      path.replace(path.find(name), name.size(), arguments.substr(equals + 1, end - equals - 1));
      begin = end + 1;
    }
    return path;
  }

  void Expect(const Row& row, const std::string& token, const std::string& status,
              const std::string& credential) {
    const Answer answer =
        Call(row.at("method"), PathOf(row), access::Fill(row.at("body"), values_), token);
    EXPECT_EQ(std::to_string(answer.status), status)
        << row.at("method") << " " << row.at("path") << " with " << credential << ": "
        << answer.body;
  }

  static Stack* stack_;
  static Values values_;
};

Stack* HttpAccessFlow::stack_ = nullptr;
Values HttpAccessFlow::values_;

TEST_F(HttpAccessFlow, EveryRouteAnswersEveryCredentialAsTheMatrixSays) {
  const Values expired = {{"user", Expired("owner")}, {"admin", Expired("admin")}};
  const Values revoked = {{"user", Revoked("owner")}, {"admin", Revoked("admin")}};
  // A user lacks the right when the credential is narrowed, an administrator's route
  // when it is a user's.
  const std::string narrowed =
      Call("POST", "/admin/keys", R"({"user":"owner","scopes":["llm.chat"]})", LogIn("admin"))
          .At("/token");
  ASSERT_NE(narrowed, "");
  const Values lacking = {{"user", narrowed}, {"admin", Mint("owner").At("/token")}};
  int rows = 0;
  for (const Row& row : access::ReadRows("routes.tsv")) {
    ++rows;
    const std::string& who = row.at("who");
    const std::string& right = row.at("right");
    if (who == "public") {
      Expect(row, "", right, "nothing");
      Expect(row, "ora_garbage", right, "garbage");
      Expect(row, expired.at("user"), right, "an expired credential");
      continue;
    }
    const std::string name = who == "admin" ? "admin" : "owner";
    Expect(row, "", "401", "nothing");
    for (const char* garbage : {"ora_garbage", "aaaa.bbbb.cccc", "%00", "ghr_AAAA"}) {
      Expect(row, garbage, "401", garbage);
    }
    Expect(row, expired.at(who), "401", "an expired credential");
    Expect(row, revoked.at(who), "401", "a revoked credential");
    Expect(row, lacking.at(who), "403", "a credential without the right");
    // Fresh ones: some routes end the credential that they are asked with.
    Expect(row, Mint("other").At("/token"), row.at("other"), "a credential of another tenant");
    Expect(row, Mint(name).At("/token"), right, "the right credential");
  }
  EXPECT_GT(rows, 80);
}

}  // namespace
}  // namespace gatehouse
