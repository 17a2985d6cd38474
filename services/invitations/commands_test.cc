#include "services/invitations/commands.h"

#include <gmock/gmock.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <map>

#include "absl/strings/str_cat.h"
#include "gatehouse/auth/v1/audit.pb.h"
#include "libs/base/secret.h"
#include "libs/base/time_text.h"
#include "libs/pg/testing.h"
#include "services/invitations/migrations.h"

namespace gatehouse::invitations {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

constexpr std::int64_t kDaySeconds = 86400;

TEST(ParseCreatePasskeyTest, DefaultsToOneUseInSevenDaysByAnybody) {
  const auto draft = ParseCreatePasskey({});
  ASSERT_TRUE(draft.ok()) << draft.status();
  EXPECT_EQ(draft->ttl_seconds, 7 * kDaySeconds);
  EXPECT_EQ(draft->uses_max, 1);
  EXPECT_EQ(draft->tenant_id, 0);
  EXPECT_EQ(draft->email, "");
  EXPECT_EQ(draft->creator_user_id, "");
  EXPECT_EQ(draft->creator_username, "shell");
}

TEST(ParseCreatePasskeyTest, TakesEveryOption) {
  const auto draft = ParseCreatePasskey({"--expires-days", "30", "--max-uses", "5", "--tenant",
                                         "12", "--email", "bob@example.com", "--notes", "for Bob"});
  ASSERT_TRUE(draft.ok()) << draft.status();
  EXPECT_EQ(draft->ttl_seconds, 30 * kDaySeconds);
  EXPECT_EQ(draft->uses_max, 5);
  EXPECT_EQ(draft->tenant_id, 12);
  EXPECT_EQ(draft->email, "bob@example.com");
  EXPECT_EQ(draft->notes, "for Bob");
}

TEST(ParseCreatePasskeyTest, RefusesWrongUsageAndSaysWhy) {
  const std::map<std::string, std::vector<std::string>> refused = {
      {"--expires-days must be a whole number from 1 to 365", {"--expires-days", "0"}},
      {"--expires-days must be", {"--expires-days", "366"}},
      {"--expires-days must ", {"--expires-days", "2d"}},
      {"--max-uses must be a whole number from 1 to 1000", {"--max-uses", "1001"}},
      {"--max-uses must be", {"--max-uses", "-1"}},
      {"--tenant must be a whole number", {"--tenant", "99999999999999999999"}},
      {"--tenant needs a value", {"--tenant"}},
      {"--email must be an email address", {"--email", "bob"}},
      {"--notes must be at most 2,000 bytes", {"--notes", std::string(2001, 'n')}},
      {"there is no option --uses", {"--uses", "1"}},
      {"there is no option bob", {"bob", "1"}}};
  for (const auto& [problem, arguments] : refused) {
    const absl::Status status = ParseCreatePasskey(arguments).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(problem));
  }
}

// The real program.
class CreatePasskeyTest : public ::testing::Test {
 protected:
  struct Result {
    int code = -1;
    std::string output;  // Of both streams.
  };

  // `arguments` as for a shell.
  Result Run(const std::string& arguments, const std::string& url) {
    const std::string command = absl::StrCat("ENV_FILE=/dev/null DATABASE_URL='", url, "' ",
                                             INVITATIONS_PROGRAM, " ", arguments, " 2>&1");
    Result result;
    std::FILE* pipe = ::popen(command.c_str(), "r");
    std::array<char, 4096> buffer;
    while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) {
      result.output += buffer.data();
    }
    const int status = ::pclose(pipe);
    if (WIFEXITED(status)) result.code = WEXITSTATUS(status);
    return result;
  }
  Result Run(const std::string& arguments) {
    return Run(arguments, database_.Url("gatehouse_invitations"));
  }

  std::string Select(const std::string& sql) {
    const auto value = database_.db().Read([&](pg::Tx& tx) -> absl::StatusOr<std::string> {
      return std::string(tx.exec1(sql)[0].c_str());
    });
    EXPECT_TRUE(value.ok()) << value.status();
    return value.value_or("");
  }

  pg::testing::TestDatabase database_{"invitations", Migrations()};
};

TEST_F(CreatePasskeyTest, PrintsThePasskeyOnceAndWhenItExpires) {
  const Result made = Run("create-passkey --expires-days 2 --max-uses 3 --tenant 9 --notes 'x y'");
  EXPECT_EQ(made.code, 0) << made.output;
  ASSERT_THAT(made.output, MatchesRegex("passkey: [A-Za-z0-9_-]{32}\nexpires: [0-9TZ.:-]+\n"));
  const std::string passkey = made.output.substr(9, 32);
  const std::string row = absl::StrCat("FROM invitations.invitations WHERE token_digest = '\\x",
                                       Sha256Hex(passkey), "'");
  EXPECT_EQ(Select("SELECT uses_max || ' ' || tenant_id || ' ' || notes || ' ' ||"
                   " creator_username || ' ' || coalesce(creator_user_id::text, '-') " +
                   row),
            "3 9 x y shell -");
  EXPECT_EQ(Select("SELECT expire_time - create_time " + row), "2 days");
  const std::size_t at = made.output.find("expires: ") + 9;
  const auto expires = ParseTime(made.output.substr(at, made.output.size() - at - 1));
  ASSERT_TRUE(expires.has_value()) << made.output;
  EXPECT_EQ(Select("SELECT " + pg::MicrosOf("expire_time") + " " + row),
            absl::StrCat(ToMicros(*expires)));
  EXPECT_EQ(Select("SELECT count(*) FROM invitations.invitations i WHERE i::text LIKE '%" +
                   passkey + "%'"),
            "0")
      << "the raw passkey is at rest";
}

TEST_F(CreatePasskeyTest, LeavesWordForTheAuditLog) {
  const Result made = Run("create-passkey --expires-days 1 --email bob@example.com");
  ASSERT_EQ(made.code, 0) << made.output;
  const std::string passkey = made.output.substr(9, 32);
  EXPECT_EQ(Select("SELECT kind || ' ' || (subject = 'passkey/' || i.id)"
                   " FROM invitations.outbox, invitations.invitations i"),
            "auth.append_audit true");
  const auto payload = database_.db().Read([&](pg::Tx& tx) -> absl::StatusOr<std::string> {
    return pg::Bytes(tx.exec1("SELECT payload FROM invitations.outbox")[0]);
  });
  ASSERT_TRUE(payload.ok()) << payload.status();
  EXPECT_THAT(*payload, Not(HasSubstr(passkey)));
  auth::v1::AppendAuditRequest request;
  ASSERT_TRUE(request.ParseFromString(*payload));
  EXPECT_EQ(request.event().actor_username(), "shell");
  EXPECT_EQ(request.event().details_json(),
            R"({"action":"passkey_created","ttl_seconds":86400,"max_uses":1,"tenant_scope":0,)"
            R"("email_bound":true})");
}

TEST_F(CreatePasskeyTest, OnlyServingNeedsTheAddressOfAuth) {
  EXPECT_EQ(Run("create-passkey").code, 0);
  const Result serve = Run("serve");
  EXPECT_EQ(serve.code, 2);
  EXPECT_THAT(serve.output, HasSubstr("AUTH_ADDRESS"));
}

TEST_F(CreatePasskeyTest, ExitsWith2ForWrongUsageAndMakesNothing) {
  for (const char* arguments : {"--max-uses 0", "--tenant", "--dance 1"}) {
    const Result wrong = Run(absl::StrCat("create-passkey ", arguments));
    EXPECT_EQ(wrong.code, 2) << arguments;
    EXPECT_THAT(wrong.output, HasSubstr("invitations create-passkey: ")) << arguments;
    EXPECT_THAT(wrong.output, HasSubstr("try --help")) << arguments;
  }
  EXPECT_EQ(Select("SELECT count(*) FROM invitations.invitations"), "0");
  EXPECT_EQ(Select("SELECT count(*) FROM invitations.outbox"), "0");
}

TEST_F(CreatePasskeyTest, ExitsWith1WithoutTheDatabaseAndKeepsTheUrlToItself) {
  const Result failed =
      Run("create-passkey", "postgresql://gatehouse_invitations:hunter2@/none?host=/nowhere");
  EXPECT_EQ(failed.code, 1);
  EXPECT_THAT(failed.output, AllOf(HasSubstr("DATABASE_UNAVAILABLE"), Not(HasSubstr("hunter2"))));
}

TEST_F(CreatePasskeyTest, HelpNeedsNoSettings) {
  const Result help = Run("create-passkey --help", "");
  EXPECT_EQ(help.code, 0) << help.output;
  EXPECT_THAT(help.output, AllOf(HasSubstr("--expires-days N"), HasSubstr("--max-uses N"),
                                 HasSubstr("INVITATION_TENANT_NOT_FOUND")));
}

}  // namespace
}  // namespace gatehouse::invitations
