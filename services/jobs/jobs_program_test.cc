// The real program against a billing process that the test plays: its wiring, and
// what is left when it is killed in the middle of a submission or a delivery.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>

#include "gatehouse/billing/v1/hold.methods.h"
#include "gatehouse/jobs/v1/job.methods.h"
#include "libs/base/secret.h"
#include "libs/base/unique_fd.h"
#include "libs/rpc/client.h"
#include "services/jobs/jobs_testing.h"

namespace gatehouse::jobs::testing {
namespace {

using billing::v1::HoldService;

constexpr int kReadyFd = 9;

// One run of the program; killed when destroyed.
class Program {
 public:
  // Waits until it serves.
  explicit Program(std::vector<std::string> environment) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd reading(ends[0]);
    UniqueFd writing(ends[1]);
    environment.push_back("READY_FD=" + std::to_string(kReadyFd));
    std::string path = JOBS_PROGRAM;
    char* arguments[] = {path.data(), nullptr};
    std::vector<char*> variables;
    for (std::string& variable : environment) variables.push_back(variable.data());
    variables.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, writing.get(), kReadyFd);
    EXPECT_EQ(posix_spawn(&pid_, path.c_str(), &actions, nullptr, arguments, variables.data()), 0);
    posix_spawn_file_actions_destroy(&actions);
    writing.Reset();
    pollfd ready{.fd = reading.get(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(poll(&ready, 1, 10000), 1) << "the program does not become ready";
    EXPECT_NE(ready.revents & POLLIN, 0) << "the program ended";
  }
  ~Program() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    Wait();
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // The exit code, or minus the signal that ended it.
  int Wait() {
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  int Terminate() {
    kill(pid_, SIGTERM);
    return Wait();
  }

 private:
  pid_t pid_ = -1;
};

class JobsProgramTest : public JobsTest {
 protected:
  JobsProgramTest()
      : jobs_key_(token::SigningKey::Generate("jobs")),
        verifier_("billing", {{"jobs", jobs_key_.public_key()}}, clock_),
        hold_service_(HoldService::kFullName) {
    std::string pattern = "/tmp/jobs-XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    token::SigningKey gateway_key = token::SigningKey::Generate("gateway");
    std::ofstream(directory_ + "/keys")
        << "jobs " << Base64UrlEncode(jobs_key_.public_key()) << "\ngateway "
        << Base64UrlEncode(gateway_key.public_key()) << "\n";
    gateway_ = std::make_unique<rpc::PassportIssuer>("gateway", std::move(gateway_key), clock_);
    ServeBilling();
  }
  ~JobsProgramTest() override { std::filesystem::remove_all(directory_); }

  void ServeBilling() {
    const rpc::Policy policy{.callers = {"jobs"}};
    hold_service_
        .Unary(HoldService::kReserve, policy,
               [this](rpc::Call&, const auto& request) { return billing_.Reserve(request, {}); })
        .Unary(HoldService::kBind, policy,
               [this](rpc::Call&, const auto& request) { return billing_.Bind(request); })
        .Unary(HoldService::kCapture, policy,
               [this](rpc::Call&, const auto& request) { return billing_.Capture(request); })
        .Unary(HoldService::kRelease, policy,
               [this](rpc::Call&, const auto& request) { return billing_.Release(request); });
    auto server = rpc::Server::Start({.address = Address("billing")}, {&hold_service_}, verifier_);
    EXPECT_TRUE(server.ok()) << server.status();
    if (server.ok()) billing_server_ = *std::move(server);
  }

  std::string Address(const std::string& process) const {
    return "unix:" + directory_ + "/" + process + ".sock";
  }

  std::unique_ptr<Program> Start(const std::string& failpoints = "") {
    return std::make_unique<Program>(std::vector<std::string>{
        "DATABASE_URL=" + database_->Url("gatehouse_jobs"), "GRPC_ADDRESS=" + Address("jobs"),
        "BILLING_ADDRESS=" + Address("billing"),
        "SERVICE_KEY=" + Base64UrlEncode(jobs_key_.secret_key().substr(0, 32)),
        "SERVICE_KEYS_FILE=" + directory_ + "/keys", "GATEHOUSE_FAILPOINTS=" + failpoints});
  }

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(const rpc::Method<Request, Response>& method,
                                const Request& request) {
    rpc::Client client("jobs", Address("jobs"), gateway_.get());
    rpc::CallOptions options;
    options.principal = call_.principal();
    options.wait_for_ready = true;
    return client.Call(method, request, options);
  }

  absl::StatusOr<v1::SubmitJobResponse> SubmitTo(const v1::SubmitJobRequest& request) {
    return Call(v1::JobService::kSubmitJob, request);
  }

  std::string directory_;

 private:
  token::SigningKey jobs_key_;
  std::unique_ptr<rpc::PassportIssuer> gateway_;
  rpc::PassportVerifier verifier_;
  rpc::Service hold_service_;
  std::unique_ptr<rpc::Server> billing_server_;
};

TEST_F(JobsProgramTest, RunsTheMainJobAndEndsCleanly) {
  const auto program = Start();
  const auto submitted = SubmitTo(TextStatsRequest("key-1"));
  ASSERT_TRUE(submitted.ok()) << submitted.status();
  const std::string id = submitted->job().id();
  ASSERT_TRUE(Eventually([&] { return Get(id).has_cost(); }));
  v1::GetJobRequest get;
  get.set_id(id);
  get.set_tenant_id(kTenant);
  const auto job = Call(v1::JobService::kGetJob, get);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->state(), v1::Job::STATE_SUCCESS);
  EXPECT_EQ(job->cost().amount_nanos(), kPriceNanos);
  EXPECT_FALSE(SubmitTo(TextStatsRequest("key-1"))->created());
  EXPECT_EQ(program->Terminate(), 0);
  EXPECT_EQ(Value("SELECT count(*) FROM jobs.worker_sessions"), "0") << "no lease is left";
}

TEST_F(JobsProgramTest, GivesARunningJobBackWhenItIsTerminated) {
  const auto program = Start();
  const auto submitted = SubmitTo(SleepRequest(60));
  ASSERT_TRUE(submitted.ok()) << submitted.status();
  const std::string id = submitted->job().id();
  ASSERT_TRUE(Eventually([&] { return Get(id).state() == v1::Job::STATE_RUNNING; }));
  EXPECT_EQ(program->Terminate(), 0);
  EXPECT_EQ(Get(id).state(), v1::Job::STATE_QUEUED);
  EXPECT_EQ(Get(id).attempts(), 0);
}

TEST_F(JobsProgramTest, PassesTheReasonAndMetadataOfARefusalOn) {
  billing_.fail = [](const std::string&) {
    return Error(absl::StatusCode::kFailedPrecondition, "RESERVE_INSUFFICIENT", "no funds",
                 {{"required_nanos", "20000000"}});
  };
  const auto program = Start();
  const absl::Status refused = SubmitTo(TextStatsRequest()).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_EQ(Reason(refused), "RESERVE_INSUFFICIENT");
  EXPECT_EQ(ReasonMetadata(refused, "required_nanos"), "20000000");
}

// Killed there; then the client repeats itself.
class KilledProgramTest : public JobsProgramTest,
                          public ::testing::WithParamInterface<const char*> {};

TEST_P(KilledProgramTest, LeavesOneJobThatIsBilledOnce) {
  {
    const auto program = Start(std::string(GetParam()) + "=crash");
    // A delivery may kill it after the answer as well as before.
    SubmitTo(TextStatsRequest("key-1")).IgnoreError();
    EXPECT_EQ(program->Wait(), -SIGKILL);
  }
  const auto program = Start();
  const auto submitted = SubmitTo(TextStatsRequest("key-1"));
  ASSERT_TRUE(submitted.ok()) << submitted.status();
  const std::string id = submitted->job().id();
  ASSERT_TRUE(Eventually([&] { return Get(id).has_cost(); }));
  EXPECT_EQ(Get(id).state(), v1::Job::STATE_SUCCESS);
  EXPECT_EQ(Value("SELECT count(*) FROM jobs.jobs"), "1");
  EXPECT_EQ(billing_.CapturedNanos(id), kPriceNanos);
  EXPECT_EQ(billing_.CountCalls("reserve"), billing_.CountCalls("reserve " + id))
      << "no hold but that of the job";
}

INSTANTIATE_TEST_SUITE_P(AtAFailpoint, KilledProgramTest,
                         ::testing::Values("jobs.submit.reserved", "jobs.submit.commit",
                                           "jobs.submit.committed", "jobs.outbox.delivered"));

}  // namespace
}  // namespace gatehouse::jobs::testing
