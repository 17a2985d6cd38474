// What an operator does to identities, on the real programs: at a shell, in the
// database of an older installation, and by HTTP; and a reset by a mailed code.
#include <gmock/gmock.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <regex>

#include "tests/harness/stack.h"

namespace gatehouse {
namespace {

using harness::Answer;
using harness::Eventually;
using harness::Quote;
using harness::Stack;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class IdentityAdminFlow : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    Stack::Options options;
    options.own["auth"]["OPEN_REGISTRATION"] = "true";
    stack_ = new Stack(options);
    ASSERT_EQ(stack_->Start(), "");
  }
  static void TearDownTestSuite() {
    delete stack_;
    stack_ = nullptr;
  }

  static Answer Get(const std::string& path, const std::string& token) {
    return stack_->http().Call("GET", path, "", token);
  }
  static Answer Post(const std::string& path, const std::string& body,
                     const std::string& token = "") {
    return stack_->http().Call("POST", path, body, token);
  }

  static Answer LogIn(const std::string& name, const std::string& password) {
    return Post("/api/auth/token/",
                R"({"username":)" + Quote(name) + R"(,"password":)" + Quote(password) + "}");
  }

  // Signs up by this passkey.
  static Answer SignUp(const std::string& name, const std::string& passkey) {
    return Post("/api/auth/signup/", R"({"username":)" + Quote(name) + R"(,"email":)" +
                                         Quote(name + "@example.com") + R"(,"password":)" +
                                         Quote(harness::kPassword) + R"(,"passkey":)" +
                                         Quote(passkey) + "}");
  }

  // What `invitations create-passkey` prints.
  static std::string CreatePasskey(const std::vector<std::string>& options) {
    const std::string log = stack_->directory() + "/create-passkey.log";
    std::ofstream(log).close();  // Without what it said before.
    harness::Process program("invitations", stack_->at("invitations").environment(), log);
    std::vector<std::string> arguments = {"create-passkey"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    EXPECT_EQ(program.Run(arguments), 0) << program.Log();
    std::smatch found;
    const std::string printed = program.Log();
    std::regex_search(printed, found, std::regex("passkey: ([A-Za-z0-9_-]{32})\n"));
    EXPECT_EQ(found.size(), 2u) << printed;
    return found.size() == 2 ? found[1].str() : "";
  }

  // What the audit log's list says of the newest invitation's creation; "" before it
  // is there.
  static std::string Audited(const std::string& pointer, const std::string& admin) {
    const std::string id =
        stack_->Sql("SELECT id FROM invitations.invitations ORDER BY create_time DESC LIMIT 1");
    const Answer list = Get("/api/admin/audit-events/?event_type=admin_action", admin);
    for (int i = 0; !list.At("/" + std::to_string(i) + "/id").empty(); ++i) {
      const std::string event = "/" + std::to_string(i);
      if (list.At(event + "/target") == "passkey/" + id) return list.At(event + pointer);
    }
    return "";
  }

  struct Ended {
    int code = -1;
    std::string output;  // Of both streams.
  };

  // Runs `auth` with the service's settings and a line of standard input.
  static Ended RunAuth(const std::string& arguments, const std::string& line) {
    const std::string output = stack_->directory() + "/auth-command.log";
    std::string command = "printf '%s\\n' '" + line + "' | env -i";
    for (const auto& [name, value] : stack_->at("auth").environment()) {
      command += " '" + name + "=" + value + "'";
    }
    command += " " GATEHOUSE_BIN "/auth " + arguments + " > " + output + " 2>&1";
    const int status = std::system(command.c_str());
    std::ifstream file(output);
    return {.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            .output = {std::istreambuf_iterator<char>(file), {}}};
  }

  static std::string HashOf(const std::string& name) {
    return stack_->Sql("SELECT password_hash FROM auth.users WHERE username = '" + name + "'");
  }

  static Stack* stack_;
};

Stack* IdentityAdminFlow::stack_ = nullptr;

TEST_F(IdentityAdminFlow, APasskeyOfTheShellSignsSomebodyUpAndIsAudited) {
  const std::string admin = stack_->AdminToken();
  const std::string passkey = CreatePasskey({"--expires-days", "1", "--notes", "x"});
  EXPECT_TRUE(Eventually([&] { return Audited("/username", admin) == "shell"; }))
      << stack_->Log("invitations");
  EXPECT_EQ(Audited("/success", admin), "true");
  EXPECT_EQ(Audited("/details/action", admin), "passkey_created");
  EXPECT_EQ(Audited("/details/ttl_seconds", admin), "86400");
  const Answer newcomer = SignUp("alice", passkey);
  EXPECT_EQ(newcomer.status, 201) << newcomer.body;
  EXPECT_EQ(SignUp("mallory", passkey).At("/error"), "PASSKEY_USED");
  EXPECT_EQ(stack_->Sql("SELECT count(*) FROM auth.audit_events e WHERE e::text LIKE '%" + passkey +
                        "%'"),
            "0");
}

TEST_F(IdentityAdminFlow, WhatAShellDoesDuringAnOutageOfAuthIsAuditedAfterIt) {
  const std::string admin = stack_->AdminToken();
  stack_->at("auth").Kill();
  const std::string passkey = CreatePasskey({"--email", "bob@example.com"});
  EXPECT_TRUE(Eventually([&] {
    return stack_->Log("invitations").find("outbox delivery failed") != std::string::npos;
  }));
  ASSERT_TRUE(stack_->Restart("auth")) << stack_->Log("auth");
  ASSERT_TRUE(stack_->AwaitHealthy()) << "invitations has stayed up";
  EXPECT_TRUE(Eventually([&] { return Audited("/username", admin) == "shell"; }))
      << stack_->Log("invitations");
  EXPECT_EQ(Audited("/details/email_bound", admin), "true");
  EXPECT_EQ(SignUp("bob", passkey).status, 201);
}

TEST_F(IdentityAdminFlow, APasskeyForATenantThatIsNoneIsAnInvalidOne) {
  const Answer refused = SignUp("carol", CreatePasskey({"--tenant", "999999999"}));
  EXPECT_EQ(refused.status, 400) << refused.body;
  EXPECT_EQ(refused.At("/error"), "PASSKEY_INVALID");
  EXPECT_EQ(HashOf("carol"), "");
}

TEST_F(IdentityAdminFlow, APlanTierIsSeenEverywhereWithinASecond) {
  const std::string token = stack_->SignUp("dora");
  const std::string admin = stack_->AdminToken();
  const std::string tenant = "/api/admin/tenants/" + stack_->TenantOf(token) + "/";
  const auto seen = [&] {
    return Get(tenant, admin).At("/plan_tier") + " " +
           Post("/api/v1/auth/validate", R"({"token":)" + Quote(token) + "}").At("/user/tier") +
           " " + Get("/api/billing/profile/", token).At("/plan_tier");
  };
  ASSERT_EQ(seen(), "free free free");
  const Answer changed = stack_->http().Call("PATCH", tenant, R"({"plan_tier":"starter"})", admin);
  ASSERT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(changed.At("/plan_tier"), "starter");
  EXPECT_EQ(Get("/api/billing/profile/", token).At("/plan_tier"), "starter")
      << "billing owns it, and knows it at once";
  EXPECT_TRUE(
      Eventually([&] { return seen() == "starter starter starter"; }, std::chrono::seconds(1)))
      << seen();
}

TEST_F(IdentityAdminFlow, AnAdministratorOfTheShellAndTheNewPassword) {
  const std::string create = "create-admin -u root2 -e root2@example.com";
  const Ended made = RunAuth(create, "Copper-lantern-58");
  ASSERT_EQ(made.code, 0) << made.output;
  EXPECT_THAT(made.output, Not(HasSubstr("Copper-lantern-58")));
  std::smatch found;
  ASSERT_TRUE(std::regex_search(made.output, found, std::regex("\n(ora_[^\n]+)\n"))) << made.output;
  const std::string token = found[1];
  EXPECT_EQ(Get("/api/v1/users", token).status, 200);
  const Ended again = RunAuth(create, "Copper-lantern-58");
  EXPECT_EQ(again.code, 1) << again.output;
  EXPECT_THAT(again.output, HasSubstr("USERNAME_TAKEN"));
  EXPECT_EQ(Get("/api/v1/users", token).status, 200);
  const Ended set = RunAuth("set-password root2", "Walnut-harbour-31");
  ASSERT_EQ(set.code, 0) << set.output;
  EXPECT_TRUE(Eventually([&] { return Get("/api/v1/users", token).status == 401; },
                         std::chrono::seconds(1)));
  EXPECT_EQ(LogIn("root2", "Copper-lantern-58").status, 401);
  const std::string fresh = LogIn("root2", "Walnut-harbour-31").At("/token");
  EXPECT_EQ(Get("/api/v1/users", fresh).status, 200);
}

TEST_F(IdentityAdminFlow, HashesOfOlderInstallationsLogInAndAreUpgraded) {
  constexpr char kOldPassword[] = "kestrel-plum-91";
  const std::map<std::string, std::string> hashes = {
      {"erin", "$2b$12$Zs3hJ7qkQw2nVb8cLm5xRuk.9S3NBafU/K6OFGhw.msujYfydtCJ2"},
      {"frank", "pbkdf2_sha256$600000$Zs3hJ7qkQw2n$dtBPYiHzOsJ4t6kTBKumb17Z13veBJ9PQLAHc+zeY1w="}};
  for (const auto& [name, hash] : hashes) {
    stack_->SignUp(name);
    stack_->Sql("UPDATE auth.users SET password_hash = '" + hash + "' WHERE username = '" + name +
                "'");
    EXPECT_EQ(LogIn(name, harness::kPassword).status, 401) << name;
    EXPECT_EQ(HashOf(name), hash) << "a wrong password changes nothing";
    const Answer login = LogIn(name, kOldPassword);
    EXPECT_EQ(login.status, 200) << name << login.body;
    EXPECT_EQ(Get("/api/me/", login.At("/token")).At("/username"), name);
    EXPECT_THAT(HashOf(name), StartsWith("$argon2id$"));
    EXPECT_EQ(LogIn(name, kOldPassword).status, 200) << name;
  }
}

TEST_F(IdentityAdminFlow, AMailedCodeSetsAPasswordOnceAndStrangersGetTheSameAnswer) {
  const std::string token = stack_->SignUp("grace");
  const auto request = [](const std::string& email) {
    return Post("/api/auth/password/reset/", R"({"email":)" + Quote(email) + "}");
  };
  const Answer known = request("grace@example.com");
  const Answer unknown = request("nobody@example.com");
  EXPECT_EQ(known.status, 200) << known.body;
  EXPECT_EQ(unknown.status, 200);
  EXPECT_EQ(unknown.body, known.body);
  ASSERT_TRUE(Eventually([] { return stack_->Sql("SELECT count(*) FROM auth.outbox") == "0"; }));
  const std::string log = stack_->Log("auth");
  EXPECT_THAT(log, Not(HasSubstr("nobody@example.com")));
  std::smatch found;
  ASSERT_TRUE(std::regex_search(
      log, found, std::regex("\"to\":\"grace@example.com\"[^\n]*(ghp_[A-Za-z0-9_-]{43})")))
      << log;
  const auto confirm = [code = found[1].str()](const std::string& password) {
    return Post("/api/auth/password/reset/confirm/",
                R"({"token":)" + Quote(code) + R"(,"new_password":)" + Quote(password) + "}");
  };
  const Answer confirmed = confirm("Juniper-anchor-64");
  EXPECT_EQ(confirmed.status, 200) << confirmed.body;
  EXPECT_EQ(confirmed.At("/message"), "Password reset successfully");
  const Answer again = confirm("Meadow-cobalt-17");
  EXPECT_EQ(again.status, 400) << "the code is spent";
  EXPECT_EQ(again.At("/error"), "RESET_TOKEN_INVALID");
  EXPECT_TRUE(
      Eventually([&] { return Get("/api/me/", token).status == 401; }, std::chrono::seconds(1)));
  EXPECT_EQ(LogIn("grace", harness::kPassword).status, 401);
  EXPECT_EQ(LogIn("grace", "Meadow-cobalt-17").status, 401);
  EXPECT_EQ(LogIn("grace", "Juniper-anchor-64").status, 200);
}

TEST_F(IdentityAdminFlow, WhereRegistrationIsOpenEachNewcomerGetsATenantOfOnesOwn) {
  const auto register_as = [](const std::string& email, const std::string& more = "") {
    return Post("/api/v1/auth/register", R"({"email":)" + Quote(email) + R"(,"password":)" +
                                             Quote(harness::kPassword) + more + "}");
  };
  const Answer one = register_as("ivy@example.com", R"(,"company":"Ivy & Co")");
  const Answer two = register_as("ivy@example.org");
  ASSERT_EQ(one.status, 201) << one.body;
  ASSERT_EQ(two.status, 201) << two.body;
  EXPECT_NE(one.At("/user/client_id"), two.At("/user/client_id"));
  const harness::HttpClient http = stack_->http();
  const auto bearer = [](const Answer& answer) {
    return std::vector<std::pair<std::string, std::string>>{
        {"Authorization", "Bearer " + answer.At("/access_token")}};
  };
  EXPECT_EQ(http.Call("GET", "/api/me/", "", "", bearer(one)).At("/profile/tenant_name"),
            "Ivy & Co");
  EXPECT_EQ(register_as("ivy@example.com").status, 409) << "the address is taken";
  EXPECT_EQ(register_as("eve@example.com", R"(,"client_id":"default")").status, 422)
      << "nobody names a tenant";
  EXPECT_EQ(http.Call("GET", "/api/admin/users/", "", "", bearer(one)).status, 403);
}

}  // namespace
}  // namespace gatehouse
