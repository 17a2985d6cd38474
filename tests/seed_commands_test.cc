// The documents' own command lines, run by bash and curl as they
// are written, against the real programs.
#include <gmock/gmock.h>
#include <stdlib.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/harness/fake_stripe.h"
#include "tests/harness/stack.h"

namespace gatehouse {
namespace {

using harness::Quote;
using harness::Stack;

struct Command {
  std::string status;
  std::string holds;
  std::string lines;
};

std::vector<Command> ReadCommands() {
  std::ifstream file(GATEHOUSE_SOURCE "/tests/seed_commands/commands.txt");
  std::vector<Command> commands;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("== ")) {
      commands.push_back({line.substr(3, 3), line.substr(7), ""});
    } else if (!commands.empty() && !line.starts_with("#")) {
      commands.back().lines += line + "\n";
    }
  }
  return commands;
}

void Replace(const std::string& word, const std::string& by, std::string* text) {
  for (std::size_t at = 0; (at = text->find(word, at)) != std::string::npos; at += by.size()) {
    text->replace(at, word.size(), by);
  }
}

class SeedCommands : public ::testing::Test {
 protected:
  void SetUp() override {
    Stack::Options options;
    options.common["ADMIN_EMAIL"] = "admin@doorman.dev";
    options.own["billing"] = {{"STRIPE_SECRET_KEY", "sk_test_flow"},
                              {"STRIPE_WEBHOOK_SECRET", "whsec_flow"}};
    stack_ = std::make_unique<Stack>(options);
    ASSERT_EQ(stack_->Start(), "");
    stripe_ = std::make_unique<harness::FakeStripe>(stack_->directory());
    ASSERT_TRUE(stripe_->Start("", "whsec_flow"));
    stack_->at("billing").environment()["STRIPE_API_BASE"] = stripe_->Url();
    ASSERT_TRUE(stack_->Restart("billing"));
    ASSERT_TRUE(stack_->AwaitHealthy());
    const std::string login =
        R"({"username":"admin","password":)" + Quote(Stack::kAdminPassword) + "}";
    const std::string user_token = stack_->SignUp("ada");
    stack_->Credit(stack_->TenantOf(user_token), 5000);
    stack_->SignUp("alice");
    stack_->SignUp("jane");
    placeholders_ = {
        {"<ADMIN_PASSWORD>", std::string(Stack::kAdminPassword)},
        {"<admin-token>", stack_->AdminToken()},
        {"<user-token>", user_token},
        {"<user_id>", stack_->Sql("SELECT number FROM auth.users WHERE username = 'jane'")},
        {"your-username", std::string("ada")},
        {"your-password", std::string(harness::kPassword)},
        {"yourpassword", std::string(Stack::kAdminPassword)},
        {"<session_jwt>",
         stack_->http().Call("POST", "/api/v1/auth/login", login).At("/access_token")}};
    // Whatever host and port a command names is this stack's edge.
    const std::string edge = stack_->http().address();
    std::ofstream(stack_->directory() + "/.curlrc")
        << "silent\nconnect-to = \"localhost:8000:" << edge
        << "\"\nconnect-to = \"localhost:3001:" << edge
        << "\"\nwrite-out = \"%{stderr}\\nstatus %{http_code}\\n\"\n";
    setenv("CURL_HOME", stack_->directory().c_str(), 1);
    setenv("BASE", "http://localhost:3001", 1);
    setenv("COOKIE", (stack_->directory() + "/cookies").c_str(), 1);
  }

  // What the lines printed, and what they wrote into a file.
  std::string Run(std::string lines) {
    for (const auto& [word, value] : placeholders_) Replace(word, value, &lines);
    const std::string script = stack_->directory() + "/command.sh";
    const std::string output = stack_->directory() + "/command.out";
    const std::string written = stack_->directory() + "/ledger_export.csv";
    std::ofstream(script) << "cd " << stack_->directory() << "\n" << lines;
    const int status = std::system(("bash " + script + " > " + output + " 2>&1").c_str());
    std::ifstream file(output);
    std::stringstream text;
    text << file.rdbuf();
    if (std::ifstream export_file(written); export_file.good()) text << export_file.rdbuf();
    std::remove(written.c_str());
    return text.str() + (status == 0 ? "" : "\nthe command failed");
  }

  std::unique_ptr<harness::FakeStripe> stripe_;
  std::unique_ptr<Stack> stack_;
  std::vector<std::pair<std::string, std::string>> placeholders_;
};

TEST_F(SeedCommands, EachLineOfTheDocumentsWorksAsWritten) {
  const std::vector<Command> commands = ReadCommands();
  ASSERT_EQ(commands.size(), 23u);
  for (const Command& command : commands) {
    const std::string output = Run(command.lines);
    EXPECT_THAT(output, testing::HasSubstr("\nstatus " + command.status + "\n")) << command.lines;
    EXPECT_THAT(output, testing::HasSubstr(command.holds)) << command.lines;
  }
}

}  // namespace
}  // namespace gatehouse
