// The real program: killed at every failpoint, called by others, and its command.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gatehouse/billing/v1/account.methods.h"
#include "gatehouse/billing/v1/hold.methods.h"
#include "gatehouse/billing/v1/payment.methods.h"
#include "gmock/gmock.h"
#include "libs/base/clock.h"
#include "libs/base/secret.h"
#include "libs/base/unique_fd.h"
#include "libs/rpc/client.h"
#include "services/billing/billing_testing.h"
#include "services/billing/fake_auth.h"
#include "services/billing/stripe_testing.h"

namespace gatehouse::billing {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kTenant = 7;

std::string Text(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// One run of the program; killed when destroyed.
class Program {
 public:
  // Its output goes to the file `output`.
  Program(std::vector<std::string> arguments, std::vector<std::string> environment,
          const std::string& output) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    ready_.Reset(ends[0]);
    const UniqueFd writing(ends[1]);
    arguments.insert(arguments.begin(), BILLING_PROGRAM);
    environment.push_back(absl::StrCat("READY_FD=", ends[1]));
    const std::vector<char*> argv = Pointers(&arguments);
    const std::vector<char*> envp = Pointers(&environment);
    pid_ = ::fork();
    if (pid_ == 0) {
      // Only what is safe after a fork in a program with threads.
      const int file = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
      ::dup2(file, STDOUT_FILENO);
      ::dup2(file, STDERR_FILENO);
      ::fcntl(ends[1], F_SETFD, 0);
      ::execve(argv[0], argv.data(), envp.data());
      ::_exit(127);
    }
  }
  ~Program() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Waits until it serves, or has ended; whether it serves.
  bool AwaitReady() {
    pollfd ready{.fd = ready_.get(), .events = POLLIN, .revents = 0};
    char first = 0;
    return ::poll(&ready, 1, 10000) == 1 && ::read(ready_.get(), &first, 1) == 1;
  }

  // Waits for its end; the exit code, or minus the signal that ended it.
  int Wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  int Terminate() {
    ::kill(pid_, SIGTERM);
    return Wait();
  }

 private:
  static std::vector<char*> Pointers(std::vector<std::string>* texts) {
    std::vector<char*> pointers;
    for (std::string& text : *texts) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
  }

  UniqueFd ready_;
  pid_t pid_ = -1;
};

class BillingProgramTest : public BillingTest {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "billing-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    token::SigningKey billing = token::SigningKey::Generate("billing");
    token::SigningKey jobs = token::SigningKey::Generate("jobs");
    token::SigningKey gateway = token::SigningKey::Generate("gateway");
    std::ofstream list(directory_ + "/keys");
    for (const token::SigningKey* key : {&billing, &jobs, &gateway}) {
      list << key->kid() << " " << Base64UrlEncode(key->public_key()) << "\n";
    }
    list.close();
    // The first half of libsodium's secret key is the seed.
    seed_ = Base64UrlEncode(billing.secret_key().substr(0, 32));
    public_key_ = billing.public_key();
    jobs_ = std::make_unique<rpc::PassportIssuer>("jobs", std::move(jobs), clock_);
    gateway_ = std::make_unique<rpc::PassportIssuer>("gateway", std::move(gateway), clock_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // Starts it without waiting.
  std::unique_ptr<Program> Launch(const std::string& failpoints) {
    return std::make_unique<Program>(std::vector<std::string>{}, Environment(failpoints),
                                     directory_ + "/log");
  }

  std::unique_ptr<Program> Start(const std::string& failpoints = "") {
    std::unique_ptr<Program> program = Launch(failpoints);
    EXPECT_TRUE(program->AwaitReady()) << Text(directory_ + "/log");
    return program;
  }

  // Runs `billing verify-ledger` and puts what it says into `said`.
  int VerifyLedger(std::string* said = nullptr) { return RunCommand({"verify-ledger"}, said); }
  int RunCommand(const std::vector<std::string>& words, std::string* said) {
    const std::string output = directory_ + "/command";
    std::filesystem::remove(output);
    Program program(words, Environment(""), output);
    const int code = program.Wait();
    if (said != nullptr) *said = Text(output);
    return code;
  }

  rpc::Client Jobs() { return rpc::Client("billing", Address(), jobs_.get()); }
  rpc::Client Gateway() { return rpc::Client("billing", Address(), gateway_.get()); }

  // Auth, which the program looks for there.
  std::unique_ptr<FakeAuth> StartAuth() {
    return std::make_unique<FakeAuth>(AuthAddress(), public_key_);
  }
  // Over a session that is paid; signed now.
  static v1::ReceiveEventRequest PostedEvent(const std::string& type) {
    v1::ReceiveEventRequest request;
    request.set_payload(EventText("evt_1", type, SessionText{.customer = "null"}.ToJson()));
    request.set_signature(SignatureOf(request.payload(), std::time(nullptr)));
    return request;
  }
  absl::Status SetTier(const std::string& tier) {
    v1::UpdateAccountRequest request;
    request.set_tenant_id(kTenant);
    request.set_plan_tier(tier);
    return Gateway().Call(v1::AccountService::kUpdateAccount, request).status();
  }

  std::int64_t Held() { return AccountOf(kTenant).held().amount_nanos(); }

  const std::string key_ = UuidV7();
  std::string directory_;

 private:
  std::string Address() const { return "unix:" + directory_ + "/grpc.sock"; }
  std::string AuthAddress() const { return "unix:" + directory_ + "/auth.sock"; }
  std::vector<std::string> Environment(const std::string& failpoints) const {
    return {"DATABASE_URL=" + Url(),
            "GRPC_ADDRESS=" + Address(),
            "SERVICE_KEY=" + seed_,
            "SERVICE_KEYS_FILE=" + directory_ + "/keys",
            "GATEHOUSE_FAILPOINTS=" + failpoints,
            "STRIPE_WEBHOOK_SECRET=" + std::string(kWebhookSecret),
            "AUTH_ADDRESS=" + AuthAddress()};
  }

  SystemClock clock_;
  std::string seed_;
  std::string public_key_;
  std::unique_ptr<rpc::PassportIssuer> jobs_;
  std::unique_ptr<rpc::PassportIssuer> gateway_;
};

TEST_F(BillingProgramTest, ServesTheMainJobAndEndsCleanly) {
  const auto program = Start();
  {
    rpc::Client gateway = Gateway();
    rpc::Client jobs = Jobs();
    ASSERT_TRUE(
        gateway.Call(v1::AccountService::kAdjustBalance, AdjustRequestOf(kTenant, kJobNanos)).ok());
    ASSERT_TRUE(jobs.Call(v1::HoldService::kReserve, ReserveRequestOf(key_, kTenant)).ok());
    v1::BindRequest bind;
    bind.set_key(key_);
    ASSERT_TRUE(jobs.Call(v1::HoldService::kBind, bind).ok());
    const auto captured = jobs.Call(v1::HoldService::kCapture, CaptureRequestOf(key_, 1, 1, true));
    ASSERT_TRUE(captured.ok()) << captured.status();
    EXPECT_EQ(captured->amount().amount_nanos(), kJobNanos);
    v1::GetAccountRequest get;
    get.set_tenant_id(kTenant);
    const auto account = gateway.Call(v1::AccountService::kGetAccount, get);
    ASSERT_TRUE(account.ok()) << account.status();
    EXPECT_EQ(account->available().amount_nanos(), 0);
  }
  EXPECT_EQ(program->Terminate(), 0);
}

TEST_F(BillingProgramTest, EachMethodIsForItsCallersOnly) {
  const auto program = Start();
  rpc::Client gateway = Gateway();
  rpc::Client jobs = Jobs();
  const auto refused = [](const absl::Status& status) {
    return status.code() == absl::StatusCode::kPermissionDenied;
  };
  EXPECT_TRUE(
      refused(gateway.Call(v1::HoldService::kReserve, ReserveRequestOf(key_, kTenant)).status()));
  EXPECT_TRUE(refused(gateway.Call(v1::HoldService::kBind, v1::BindRequest()).status()));
  EXPECT_TRUE(refused(gateway.Call(v1::HoldService::kCapture, v1::CaptureRequest()).status()));
  EXPECT_TRUE(refused(gateway.Call(v1::HoldService::kRelease, v1::ReleaseRequest()).status()));
  EXPECT_TRUE(
      refused(jobs.Call(v1::AccountService::kAdjustBalance, AdjustRequestOf(kTenant, 1)).status()));
  EXPECT_TRUE(
      refused(jobs.Call(v1::AccountService::kUpdateAccount, v1::UpdateAccountRequest()).status()));
  EXPECT_TRUE(refused(
      jobs.Call(v1::AccountService::kListLedgerEntries, v1::ListLedgerEntriesRequest()).status()));
  v1::GetAccountRequest get;
  get.set_tenant_id(kTenant);
  EXPECT_TRUE(jobs.Call(v1::AccountService::kGetAccount, get).ok());
}

TEST_F(BillingProgramTest, RefusalsKeepTheirReasonAndMetadataOnTheWire) {
  SetPolicy(kTenant, v1::Account::POLICY_BLOCK);
  const auto program = Start();
  const absl::Status status =
      Jobs().Call(v1::HoldService::kReserve, ReserveRequestOf(key_, kTenant)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Reason(status), "RESERVE_INSUFFICIENT");
  EXPECT_EQ(ReasonMetadata(status, "required_nanos"), absl::StrCat(kJobNanos));
}

// A call that the program is killed in, before or after COMMIT, is made again
// when the program is back: it has happened once.
class KilledTest : public BillingProgramTest, public ::testing::WithParamInterface<const char*> {
 protected:
  // The call that passes the failpoint.
  absl::Status Call() {
    const std::string name = GetParam();
    v1::BindRequest bind;
    bind.set_key(key_);
    v1::ReleaseRequest release;
    release.set_key(key_);
    // A new process is waited for: the library backs off from the address of the
    // one that was killed.
    rpc::CallOptions options;
    options.wait_for_ready = true;
    if (name.find(".reserve.") != std::string::npos) {
      return Jobs()
          .Call(v1::HoldService::kReserve, ReserveRequestOf(key_, kTenant), options)
          .status();
    }
    if (name.find(".bind.") != std::string::npos) {
      return Jobs().Call(v1::HoldService::kBind, bind, options).status();
    }
    if (name.find(".capture.") != std::string::npos) {
      return Jobs()
          .Call(v1::HoldService::kCapture, CaptureRequestOf(key_, 1, 1, true), options)
          .status();
    }
    if (name.find(".release.") != std::string::npos) {
      return Jobs().Call(v1::HoldService::kRelease, release, options).status();
    }
    if (name.find(".event.") != std::string::npos) {
      return Gateway()
          .Call(v1::PaymentService::kReceiveEvent, PostedEvent("checkout.session.completed"),
                options)
          .status();
    }
    if (name.find(".reverse.") != std::string::npos) {
      return Gateway().Call(v1::AccountService::kReverseEntry, reverse_, options).status();
    }
    return Gateway().Call(v1::AccountService::kAdjustBalance, adjust_, options).status();
  }

  // Takes back an entry of five, made here.
  void PrepareReversal() {
    const auto adjusted = accounts_.AdjustBalance(AdjustRequestOf(kTenant, 5));
    ASSERT_TRUE(adjusted.ok()) << adjusted.status();
    reverse_.set_entry_id(adjusted->entry().id());
    reverse_.set_reason("a test");
    reverse_.set_idempotency_key(UuidV7());
  }

  const v1::AdjustBalanceRequest adjust_ = AdjustRequestOf(kTenant, 5);
  v1::ReverseEntryRequest reverse_;
};

TEST_P(KilledTest, TheCallHappensOnceWhenItIsRepeated) {
  const std::string name = GetParam();
  const bool needs_hold = name.find(".reserve.") == std::string::npos;
  if (needs_hold) {
    ASSERT_TRUE(Reserve(key_, kTenant).ok());
  }
  if (name.find(".reverse.") != std::string::npos) {
    ASSERT_NO_FATAL_FAILURE(PrepareReversal());
  }
  {
    const auto program = Start(name + "=crash");
    EXPECT_FALSE(Call().ok());
    EXPECT_EQ(program->Wait(), -SIGKILL);
  }
  const auto program = Start();
  const absl::Status repeated = Call();
  EXPECT_TRUE(repeated.ok()) << repeated;
  const v1::Account account = AccountOf(kTenant);
  if (name.find(".capture.") != std::string::npos) {
    EXPECT_EQ(account.settled().amount_nanos(), -kJobNanos);
    EXPECT_EQ(account.held().amount_nanos(), 0);
  } else if (name.find(".release.") != std::string::npos) {
    EXPECT_EQ(account.held().amount_nanos(), 0);
  } else if (name.find(".adjust.") != std::string::npos) {
    EXPECT_EQ(account.settled().amount_nanos(), 5);
  } else if (name.find(".reverse.") != std::string::npos) {
    EXPECT_EQ(account.settled().amount_nanos(), 0);
  } else if (name.find(".event.") != std::string::npos) {
    EXPECT_EQ(account.settled().amount_nanos(), kPaidNanos);
  } else {
    EXPECT_EQ(account.held().amount_nanos(), kJobNanos);
  }
  EXPECT_EQ(VerifyLedger(), 0);
}

INSTANTIATE_TEST_SUITE_P(AtEachFailpoint, KilledTest,
                         ::testing::Values("billing.reserve.commit", "billing.reserve.committed",
                                           "billing.bind.commit", "billing.bind.committed",
                                           "billing.capture.commit", "billing.capture.committed",
                                           "billing.release.commit", "billing.release.committed",
                                           "billing.adjust.commit", "billing.adjust.committed",
                                           "billing.reverse.commit", "billing.reverse.committed",
                                           "billing.event.commit", "billing.event.committed"),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) c = c == '.' ? '_' : c;
                           return name;
                         });

TEST_F(BillingProgramTest, AReserveThatNobodyRepeatsIsFreedAfterTheCrash) {
  v1::ReserveRequest request = ReserveRequestOf(key_, kTenant);
  request.set_ttl_seconds(1);
  {
    const auto program = Start("billing.reserve.committed=crash");
    EXPECT_FALSE(Jobs().Call(v1::HoldService::kReserve, request).ok());
    EXPECT_EQ(program->Wait(), -SIGKILL);
  }
  EXPECT_EQ(Held(), kJobNanos) << "the money is set aside, and nobody knows";
  for (const char* failpoint : {"billing.expire.commit=crash", "billing.expire.committed=crash"}) {
    const auto program = Launch(failpoint);
    EXPECT_EQ(program->Wait(), -SIGKILL) << failpoint;
    EXPECT_EQ(Held(), failpoint == std::string("billing.expire.commit=crash") ? kJobNanos : 0);
  }
  EXPECT_EQ(VerifyLedger(), 0);
}

TEST_F(BillingProgramTest, APlanTierWaitsForAuthAndReachesIt) {
  const auto program = Start();
  ASSERT_TRUE(SetTier("professional").ok()) << "auth is not there";
  EXPECT_TRUE(Eventually([&] {
    return Text(directory_ + "/log").find("outbox delivery failed") != std::string::npos;
  }));
  const auto auth = StartAuth();
  EXPECT_TRUE(Eventually([&] { return !auth->told().empty(); })) << Text(directory_ + "/log");
  EXPECT_EQ(auth->told().front(), "7 professional 1");
  ASSERT_TRUE(SetTier("enterprise").ok());
  EXPECT_TRUE(Eventually([&] { return auth->told().back() == "7 enterprise 2"; }));
  EXPECT_EQ(program->Terminate(), 0);
}

TEST_F(BillingProgramTest, APlanTierIsToldAgainAfterACrashBehindTheDelivery) {
  const auto auth = StartAuth();
  {
    const auto program = Start("billing.tier.delivered=crash");
    SetTier("starter").IgnoreError();  // The crash may overtake the answer.
    EXPECT_EQ(program->Wait(), -SIGKILL);
  }
  EXPECT_EQ(auth->told(), std::vector<std::string>{"7 starter 1"});
  const auto program = Start();
  EXPECT_TRUE(Eventually([&] { return auth->told().size() == 2; })) << Text(directory_ + "/log");
  EXPECT_EQ(auth->told().back(), "7 starter 1");
}

TEST_F(BillingProgramTest, EventsThatFailedAreHandledAgainByCommand) {
  constexpr char kRefuse[] =
      "ALTER TABLE billing.accounts ADD CONSTRAINT accounts_test_check "
      "CHECK (tenant_id <> 7) NOT VALID";
  const auto program = Start();
  std::string said;
  EXPECT_EQ(RunCommand({"replay-events"}, &said), 0);
  EXPECT_THAT(said, HasSubstr("0 failed events, 0 handled now"));
  Execute(kRefuse);
  const v1::ReceiveEventRequest event = PostedEvent("checkout.session.completed");
  EXPECT_EQ(Reason(Gateway().Call(v1::PaymentService::kReceiveEvent, event).status()),
            "EVENT_FAILED");
  EXPECT_EQ(RunCommand({"replay-events"}, &said), 1);
  EXPECT_THAT(said, HasSubstr("evt_1 checkout.session.completed: still fails: "));
  Execute("ALTER TABLE billing.accounts DROP CONSTRAINT accounts_test_check");
  EXPECT_EQ(RunCommand({"replay-events", "--dry-run"}, &said), 0);
  EXPECT_THAT(said, HasSubstr(", attempts 2, DATABASE_ERROR: database error"));
  EXPECT_EQ(RunCommand({"replay-events", "--since", "2200-01-01T00:00:00Z"}, &said), 0);
  EXPECT_THAT(said, HasSubstr("0 failed events"));
  EXPECT_EQ(AccountOf(kTenant).settled().amount_nanos(), 0);
  EXPECT_EQ(RunCommand({"replay-events", "--event", "evt_1"}, &said), 0);
  EXPECT_THAT(said, HasSubstr("evt_1 checkout.session.completed: processed, tenant 7, 12.34 USD"));
  EXPECT_EQ(RunCommand({"replay-events", "--dismiss", "evt_1"}, &said), 1);
  EXPECT_THAT(said, HasSubstr("evt_1: there is no such failed event"));
  Execute("UPDATE billing.stripe_events SET state = 'failed'");
  EXPECT_EQ(RunCommand({"replay-events", "--dismiss", "evt_1"}, &said), 0);
  EXPECT_THAT(said, HasSubstr("evt_1: dismissed"));
  EXPECT_EQ(RunCommand({"replay-events"}, &said), 0);
  EXPECT_THAT(said, HasSubstr("0 failed events"));
  EXPECT_EQ(RunCommand({"replay-events", "--dismiss", "evt_1", "--dry-run"}, &said), 2);
  EXPECT_EQ(RunCommand({"replay-events", "--since"}, &said), 2);
  EXPECT_EQ(RunCommand({"replay-events", "evt_1"}, &said), 2);
  EXPECT_EQ(AccountOf(kTenant).settled().amount_nanos(), kPaidNanos);
  EXPECT_EQ(VerifyLedger(), 0);
}

TEST_F(BillingProgramTest, ExportJournalPrintsTheJournalAlone) {
  Credit(kTenant, 5);
  std::string said;
  EXPECT_EQ(RunCommand({"export-journal", "--tenant", "7"}, &said), 0);
  EXPECT_EQ(said.substr(0, 10), "commodity ");
  EXPECT_THAT(said, HasSubstr("liabilities:reserve:tenant-7  -0.000000005 USD"));
  EXPECT_EQ(RunCommand({"export-journal", "--start", "today"}, &said), 2);
  EXPECT_EQ(said, "--start must be a day such as 2026-01-31\n");
}

TEST_F(BillingProgramTest, VerifyLedgerSaysWhatDiffersAndFails) {
  Credit(kTenant, 5);
  std::string said;
  EXPECT_EQ(VerifyLedger(&said), 0);
  EXPECT_THAT(said, HasSubstr("the ledger is right: 1 accounts, 1 entries, 1 sealed"));
  Execute("UPDATE billing.ledger_entries SET amount_nanos = 6");
  EXPECT_EQ(VerifyLedger(&said), 1);
  EXPECT_THAT(said, HasSubstr("tenant 7: the balance is 5, its entries add up to 6"));
  EXPECT_THAT(said, HasSubstr("the ledger is WRONG"));
}

}  // namespace
}  // namespace gatehouse::billing
