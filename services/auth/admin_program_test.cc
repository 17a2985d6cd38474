// The commands of the real program as an operator meets them: arguments, standard
// input, and a terminal.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>

#include "libs/base/secret.h"
#include "libs/base/unique_fd.h"
#include "libs/token/api_token.h"
#include "services/auth/program_testing.h"

namespace gatehouse::auth {
namespace {

using ::testing::HasSubstr;
using testing::kPassword;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

constexpr int kPatienceMillis = 10000;
constexpr char kNewPassword[] = "heron-quince-47";

using Environment = std::map<std::string, std::string>;

// One run of the program. Its standard input is a text, or a terminal that also shows
// its standard error.
class Shell {
 public:
  struct Terminal {};
  Shell(const Environment& environment, const std::vector<std::string>& arguments,
        const std::string& input);
  Shell(const Environment& environment, const std::vector<std::string>& arguments, Terminal);
  ~Shell();
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;

  // Waits until the terminal has shown `prompt` once more.
  bool Await(const std::string& prompt);
  void Type(const std::string& line) {
    EXPECT_EQ(::write(terminal_.get(), line.data(), line.size()), std::ssize(line));
  }
  void Interrupt() const { ::kill(pid_, SIGINT); }
  bool Echoes() const {
    termios state{};
    return ::tcgetattr(terminal_.get(), &state) == 0 && (state.c_lflag & ECHO) != 0;
  }

  // Waits for the end: the exit code, or minus the signal.
  int Wait();
  const std::string& output() const { return output_text_; }  // After Wait.
  const std::string& errors() const { return errors_text_; }  // After Wait.

 private:
  void Start(const Environment& environment, const std::vector<std::string>& arguments, int input,
             int errors);
  // What there is on `file` within the patience is put behind `text`; false at the end.
  static bool ReadSome(int file, std::string* text);

  UniqueFd terminal_, output_, errors_;
  std::string output_text_, errors_text_;
  std::size_t seen_ = 0;  // Of errors_text_.
  pid_t pid_ = -1;
};

Shell::Shell(const Environment& environment, const std::vector<std::string>& arguments,
             const std::string& input) {
  int in[2], errors[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(errors, O_CLOEXEC) != 0) ::abort();
  EXPECT_EQ(::write(in[1], input.data(), input.size()), std::ssize(input));
  ::close(in[1]);
  errors_ = UniqueFd(errors[0]);
  const UniqueFd read_end(in[0]), write_end(errors[1]);
  Start(environment, arguments, read_end.get(), write_end.get());
}

Shell::Shell(const Environment& environment, const std::vector<std::string>& arguments, Terminal)
    : terminal_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
  std::array<char, 64> name;
  if (::grantpt(terminal_.get()) != 0 || ::unlockpt(terminal_.get()) != 0 ||
      ::ptsname_r(terminal_.get(), name.data(), name.size()) != 0) {
    ::abort();
  }
  const UniqueFd end(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
  Start(environment, arguments, end.get(), end.get());
}

Shell::~Shell() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Shell::Start(const Environment& environment, const std::vector<std::string>& arguments,
                  int input, int errors) {
  std::vector<std::string> words = {AUTH_PROGRAM};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> settings;
  for (const auto& [name, value] : environment) {
    settings.push_back(std::string(name).append("=").append(value));
  }
  std::vector<char*> argv, envp;
  for (std::string& word : words) argv.push_back(word.data());
  for (std::string& setting : settings) envp.push_back(setting.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  int output[2];
  if (::pipe2(output, O_CLOEXEC) != 0) ::abort();
  output_ = UniqueFd(output[0]);
  const UniqueFd write_end(output[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
  EXPECT_EQ(::posix_spawn(&pid_, AUTH_PROGRAM, &actions, nullptr, argv.data(), envp.data()), 0);
  posix_spawn_file_actions_destroy(&actions);
}

bool Shell::ReadSome(int file, std::string* text) {
  std::array<char, 4096> buffer;
  pollfd ready{.fd = file, .events = POLLIN, .revents = 0};
  if (::poll(&ready, 1, kPatienceMillis) <= 0) return false;
  const ssize_t count = ::read(file, buffer.data(), buffer.size());
  if (count <= 0) return false;
  text->append(buffer.data(), static_cast<std::size_t>(count));
  return true;
}

bool Shell::Await(const std::string& prompt) {
  std::size_t at;
  while ((at = errors_text_.find(prompt, seen_)) == std::string::npos) {
    if (!ReadSome(terminal_.get(), &errors_text_)) return false;
  }
  seen_ = at + prompt.size();
  return true;
}

int Shell::Wait() {
  while (ReadSome(output_.get(), &output_text_)) {
  }
  while (ReadSome(terminal_.valid() ? terminal_.get() : errors_.get(), &errors_text_)) {
  }
  int status = 0;
  if (pid_ <= 0 || ::waitpid(pid_, &status, 0) != pid_) return -1000;
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

class AdminProgramTest : public ::testing::Test {
 protected:
  Environment environment() const { return world_.Environment(); }
  bool Fits(const std::string& password) {
    const std::string hash = database_.Select("SELECT password_hash FROM auth.users");
    return testing::TheHasher().Verify(password, hash).value_or(Fit::kNo) == Fit::kYes;
  }

  testing::AuthDatabase database_;
  testing::ProgramWorld world_{database_};
};

const std::vector<std::string> kCreateGrace = {"create-admin", "-u", "grace", "-e",
                                               "grace@example.com"};

TEST_F(AdminProgramTest, CreateAdminReadsThePasswordAndPrintsATokenOnce) {
  Shell shell(environment(), kCreateGrace, std::string(kPassword) + "\nand more\n");
  ASSERT_EQ(shell.Wait(), 0) << shell.errors();
  EXPECT_EQ(shell.errors(), "");
  EXPECT_THAT(shell.output(), MatchesRegex("user grace created, role admin\n"
                                           "Initial Admin Token, shown this once:\n"
                                           "ora_[0-9A-Za-z]+\n"));
  std::string token = shell.output().substr(shell.output().find("ora_"));
  token.pop_back();
  EXPECT_EQ(database_.Count("auth.credentials WHERE digest = decode('" +
                            HexEncode(token::TokenDigest(token)) + "', 'hex')"),
            1);
  EXPECT_TRUE(Fits(kPassword));

  Shell again(environment(), kCreateGrace, std::string(kPassword) + "\n");
  EXPECT_EQ(again.Wait(), 1);
  EXPECT_EQ(again.output(), "");
  EXPECT_THAT(again.errors(), HasSubstr("USERNAME_TAKEN"));
}

TEST_F(AdminProgramTest, CreateAdminWarnsOfAPasswordThatOthersSee) {
  std::vector<std::string> arguments = kCreateGrace;
  arguments.insert(arguments.end(), {"-p", kPassword});
  Shell shell(environment(), arguments, "");
  EXPECT_EQ(shell.Wait(), 0);
  EXPECT_THAT(shell.errors(), HasSubstr("others can see -p in the list of processes"));
  EXPECT_THAT(shell.errors(), Not(HasSubstr(kPassword)));
  EXPECT_TRUE(Fits(kPassword));
}

TEST_F(AdminProgramTest, CreateAdminAsksAtATerminal) {
  Shell shell(environment(), {"create-admin"}, Shell::Terminal());
  ASSERT_TRUE(shell.Await("Username: "));
  shell.Type("grace\n");
  ASSERT_TRUE(shell.Await("Email: "));
  shell.Type("grace@example.com\n");
  ASSERT_TRUE(shell.Await("Password: "));
  EXPECT_FALSE(shell.Echoes());
  shell.Type(std::string(kPassword) + "\n");
  ASSERT_TRUE(shell.Await("Again: "));
  shell.Type(std::string(kPassword) + "\n");
  EXPECT_EQ(shell.Wait(), 0) << shell.errors();
  EXPECT_THAT(shell.errors(), HasSubstr("grace@example.com")) << "what was typed is seen";
  EXPECT_THAT(shell.errors(), Not(HasSubstr(kPassword))) << "but for the password";
  EXPECT_THAT(shell.output(), HasSubstr("ora_"));
  EXPECT_TRUE(Fits(kPassword));
}

TEST_F(AdminProgramTest, TwoPasswordsThatDifferSetNothing) {
  Shell shell(environment(), kCreateGrace, Shell::Terminal());
  ASSERT_TRUE(shell.Await("Password: "));
  shell.Type(std::string(kPassword) + "\n");
  ASSERT_TRUE(shell.Await("Again: "));
  shell.Type("kestrel-plum-92\n");
  EXPECT_EQ(shell.Wait(), 1);
  EXPECT_THAT(shell.errors(), HasSubstr("PASSWORDS_DIFFER"));
  EXPECT_EQ(database_.Count("auth.users"), 0);
}

TEST_F(AdminProgramTest, AnInterruptAtThePasswordPutsTheTerminalRight) {
  Shell shell(environment(), kCreateGrace, Shell::Terminal());
  ASSERT_TRUE(shell.Await("Password: "));
  ASSERT_FALSE(shell.Echoes());
  shell.Interrupt();
  ASSERT_TRUE(shell.Await("INPUT_ENDED"));
  EXPECT_TRUE(shell.Echoes());
  EXPECT_EQ(shell.Wait(), 1);
  EXPECT_EQ(database_.Count("auth.users"), 0);
}

TEST_F(AdminProgramTest, SetPasswordTakesALineOrATerminal) {
  database_.AddUser("ada");
  Shell piped(environment(), {"set-password", "ada"}, std::string(kNewPassword) + "\r\n");
  EXPECT_EQ(piped.Wait(), 0) << piped.errors();
  EXPECT_EQ(piped.output(), "the password of ada is set; every credential is revoked\n");
  EXPECT_TRUE(Fits(kNewPassword));

  Shell typed(environment(), {"set-password", "ada@example.com"}, Shell::Terminal());
  ASSERT_TRUE(typed.Await("Password: "));
  typed.Type("magpie-teal-83\n");
  ASSERT_TRUE(typed.Await("Again: "));
  typed.Type("magpie-teal-83\n");
  EXPECT_EQ(typed.Wait(), 0) << typed.errors();
  EXPECT_TRUE(Fits("magpie-teal-83"));
}

TEST_F(AdminProgramTest, FailuresExitWith1) {
  database_.AddUser("ada");
  struct Case {
    std::vector<std::string> arguments;
    std::string input;
    std::string reason;
  };
  const std::vector<Case> cases = {
      {{"set-password", "bob"}, "heron-quince-47\n", "USER_NOT_FOUND"},
      {{"set-password", "ada"}, "password1\n", "PASSWORD_TOO_WEAK"},
      {{"set-password", "ada"}, "", "INPUT_ENDED"},
      {{"set-password", "ada"}, std::string(5000, 'x'), "INPUT_TOO_LONG"},
      {kCreateGrace, "12345678\n", "PASSWORD_TOO_WEAK"},
      {{"create-admin", "-u", "ada", "-e", "b@example.com"}, "heron-quince-47\n", "USERNAME_TAKEN"},
      {{"create-admin", "-u", "bob", "-e", "ada@example.com"}, "heron-quince-47\n", "EMAIL_TAKEN"},
  };
  for (const Case& one : cases) {
    Shell shell(environment(), one.arguments, one.input);
    EXPECT_EQ(shell.Wait(), 1);
    EXPECT_EQ(shell.output(), "");
    EXPECT_THAT(shell.errors(), HasSubstr("auth " + one.arguments[0] + ": " + one.reason + ": "));
  }
  EXPECT_TRUE(Fits(kPassword));
}

TEST_F(AdminProgramTest, WrongArgumentsExitWith2) {
  const std::vector<std::vector<std::string>> wrong = {
      {"create-admin"}, {"create-admin", "-u", "grace"}, {"create-admin", "--force"},
      {"set-password"}, {"set-password", "a", "b"},      {"revoke-user"},
  };
  for (const auto& arguments : wrong) {
    Shell shell(environment(), arguments, "heron-quince-47\n");
    EXPECT_EQ(shell.Wait(), 2) << arguments.back();
    EXPECT_NE(shell.errors(), "");
  }
}

TEST_F(AdminProgramTest, EveryCommandHasHelpThatNeedsNoSettings) {
  for (const char* command : {"bootstrap", "revoke-user", "verify-audit", "create-admin",
                              "set-password", "rotate-keys", "list-keys"}) {
    Shell shell({}, {command, "--help"}, "");
    EXPECT_EQ(shell.Wait(), 0) << command;
    EXPECT_THAT(shell.output(), StartsWith(std::string("Usage: auth ") + command));
    EXPECT_EQ(shell.errors(), "");
  }
}

}  // namespace
}  // namespace gatehouse::auth
