#include "services/auth/program_testing.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <utility>

#include "gatehouse/invitations/v1/invitations.methods.h"
#include "libs/base/secret.h"

namespace gatehouse::auth::testing {
namespace {

using invitations::v1::InvitationService;

constexpr int kReadyDescriptor = 3;
constexpr int kPatienceMillis = 10000;

std::string MakeDirectory() {
  std::string path = std::filesystem::temp_directory_path() / "auth_test.XXXXXX";
  if (mkdtemp(path.data()) == nullptr) abort();
  return path;
}

// Everything up to the end of `descriptor`, or up to `stop` if that is not empty.
std::string ReadUntil(int descriptor, const std::string& stop) {
  std::string text;
  std::array<char, 4096> buffer;
  while (stop.empty() || text.find(stop) == std::string::npos) {
    pollfd ready{.fd = descriptor, .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, kPatienceMillis) <= 0) break;
    const ssize_t count = read(descriptor, buffer.data(), buffer.size());
    if (count <= 0) break;
    text.append(buffer.data(), count);
  }
  return text;
}

}  // namespace

ProgramWorld::ProgramWorld(AuthDatabase& database)
    : directory_(MakeDirectory()),
      database_url_(database.url()),
      auth_seed_(RandomBytes(32)),
      invitations_(InvitationService::kFullName) {
  token::SigningKey gateway_key = token::SigningKey::Generate("gateway");
  const std::string auth_public_key = token::SigningKey::FromSeed("auth", auth_seed_)->public_key();
  std::ofstream(directory_ + "/keys") << "auth " << Base64UrlEncode(auth_public_key) << "\ngateway "
                                      << Base64UrlEncode(gateway_key.public_key()) << "\n";
  // Not the .env of a developer.
  std::ofstream(directory_ + "/env").flush();
  gateway_ = std::make_unique<rpc::PassportIssuer>("gateway", std::move(gateway_key), clock_);
  verifier_ = std::make_unique<rpc::PassportVerifier>(
      "invitations", std::map<std::string, std::string>{{"auth", auth_public_key}}, clock_);
  invitations_.Unary(InvitationService::kRedeemInvitation, {.callers = {"auth"}},
                     [this](rpc::Call&, const invitations::v1::RedeemInvitationRequest& request)
                         -> absl::StatusOr<invitations::v1::RedeemInvitationResponse> {
                       Signup signup;
                       signup.id = request.redemption_id();
                       signup.passkey_digest = request.token_digest();
                       GH_ASSIGN_OR_RETURN(const std::int64_t tenant_id, redeemer_.Redeem(signup));
                       invitations::v1::RedeemInvitationResponse response;
                       response.set_tenant_id(tenant_id);
                       return response;
                     });
  invitations_.Unary(InvitationService::kCheckInvitation, {.callers = {"auth"}},
                     [this](rpc::Call&, const invitations::v1::CheckInvitationRequest& request)
                         -> absl::StatusOr<invitations::v1::CheckInvitationResponse> {
                       Signup signup;
                       signup.passkey_digest = request.token_digest();
                       GH_RETURN_IF_ERROR(redeemer_.Check(signup));
                       return invitations::v1::CheckInvitationResponse();
                     });
  auto server = rpc::Server::Start({.address = "127.0.0.1:0"}, {&invitations_}, *verifier_);
  EXPECT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  server_->SetServing(true);
}

ProgramWorld::~ProgramWorld() { std::filesystem::remove_all(directory_); }

std::map<std::string, std::string> ProgramWorld::Environment() const {
  return {{"ENV_FILE", directory_ + "/env"},
          {"LOG_LEVEL", "error"},
          {"GRPC_ADDRESS", "127.0.0.1:0"},
          {"METRICS_ADDRESS", "127.0.0.1:0"},
          {"SERVICE_KEY", Base64UrlEncode(auth_seed_)},
          {"SERVICE_KEYS_FILE", directory_ + "/keys"},
          {"DATABASE_URL", database_url_},
          {"SECRET_KEY", kSecretKey},
          {"INVITATIONS_ADDRESS", server_->address()}};
}

ProgramRun::ProgramRun(ProgramWorld& world, const std::vector<std::string>& arguments,
                       const std::map<std::string, std::string>& extra) {
  std::map<std::string, std::string> environment = world.Environment();
  for (const auto& [name, value] : extra) environment[name] = value;
  environment["READY_FD"] = std::to_string(kReadyDescriptor);
  std::vector<std::string> words = {AUTH_PROGRAM};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> settings;
  settings.reserve(environment.size());
  for (const auto& [name, value] : environment) {
    settings.push_back(std::string(name).append("=").append(value));
  }
  std::vector<char*> argv, envp;
  for (std::string& word : words) argv.push_back(word.data());
  for (std::string& setting : settings) envp.push_back(setting.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);

  int output[2], ready[2];
  if (pipe2(output, O_CLOEXEC) != 0 || pipe2(ready, O_CLOEXEC) != 0) abort();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ready[1], kReadyDescriptor);
  const int failure =
      posix_spawn(&pid_, words[0].c_str(), &actions, nullptr, argv.data(), envp.data());
  EXPECT_EQ(failure, 0) << words[0];
  posix_spawn_file_actions_destroy(&actions);
  close(output[1]);
  close(ready[1]);
  output_ = output[0];
  ready_ = ready[0];
}

ProgramRun::~ProgramRun() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    Wait();
  }
  close(output_);
  close(ready_);
}

std::string ProgramRun::AwaitAddress() {
  const std::string lines = ReadUntil(ready_, "metrics=");
  const std::size_t begin = lines.find("grpc=");
  if (begin == std::string::npos) return "";
  return lines.substr(begin + 5, lines.find('\n', begin) - begin - 5);
}

int ProgramRun::Wait() {
  int status = 0;
  if (pid_ <= 0 || waitpid(pid_, &status, 0) != pid_) return -1000;
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::string ProgramRun::output() { return ReadUntil(output_, ""); }

}  // namespace gatehouse::auth::testing
