// The main job on the real programs: from an invitation to a billed job.
#include <gmock/gmock.h>
#include <signal.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "tests/harness/stack.h"

namespace gatehouse {
namespace {

using harness::Answer;
using harness::Eventually;
using harness::Quote;
using harness::Stack;

class MainJobFlow : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    stack_ = new Stack();
    ASSERT_EQ(stack_->Start(), "");
  }
  static void TearDownTestSuite() {
    delete stack_;
    stack_ = nullptr;
  }

  static std::string Credentials(const std::string& name, const std::string& passkey) {
    return R"({"username":)" + Quote(name) + R"(,"email":)" + Quote(name + "@example.com") +
           R"(,"password":)" + Quote(harness::kPassword) + R"(,"passkey":)" + Quote(passkey) + "}";
  }

  static std::string JobBody(const std::string& key, const std::string& text) {
    return R"({"type":"text.stats","payload":{"text":)" + Quote(text) + R"(},"idempotency_key":)" +
           Quote(key) + "}";
  }

  // Waits until the job has ended and its cost is booked.
  static Answer Ended(const std::string& id, const std::string& token) {
    Answer job;
    EXPECT_TRUE(Eventually([&] {
      job = stack_->http().Call("GET", "/api/jobs/" + id + "/", "", token);
      return job.At("/status") != "queued" && job.At("/status") != "running" &&
             job.At("/cost_cents") != "null" && !job.At("/cost_cents").empty();
    })) << job.body;
    return job;
  }

  static std::string Balance(const std::string& token) {
    return stack_->http()
        .Call("GET", "/api/billing/reserve/balance/", "", token)
        .At("/balance_cents");
  }

  static Stack* stack_;
};

Stack* MainJobFlow::stack_ = nullptr;

TEST_F(MainJobFlow, BootstrapIsIdempotent) {
  harness::Process again("auth", stack_->at("auth").environment(), stack_->directory() + "/again");
  EXPECT_EQ(again.Run({"bootstrap"}), 0) << again.Log();
  EXPECT_EQ(stack_->Sql("SELECT count(*) FROM auth.users WHERE username = 'admin'"), "1");
  EXPECT_EQ(stack_->Sql("SELECT count(*) FROM auth.tenants WHERE client_id = 'default'"), "1");
  EXPECT_FALSE(stack_->AdminToken().empty());
}

TEST_F(MainJobFlow, APasskeyIsShownOnceAndSpentOnce) {
  const std::string admin = stack_->AdminToken();
  const Answer made = stack_->http().Call("POST", "/api/admin/passkeys/",
                                          R"({"expires_days":7,"notes":"one"})", admin);
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string passkey = made.At("/passkey");
  EXPECT_EQ(passkey.size(), 32u);
  const Answer list = stack_->http().Call("GET", "/api/admin/passkeys/list/", "", admin);
  EXPECT_EQ(list.status, 200);
  EXPECT_EQ(list.body.find(passkey), std::string::npos);

  const Answer user =
      stack_->http().Call("POST", "/api/auth/signup/", Credentials("first", passkey));
  ASSERT_EQ(user.status, 201) << user.body;
  EXPECT_EQ(user.At("/user/username"), "first");
  EXPECT_NE(user.At("/user/profile/tenant"), "");
  const Answer second =
      stack_->http().Call("POST", "/api/auth/signup/", Credentials("second", passkey));
  EXPECT_EQ(second.status, 400) << second.body;
  EXPECT_EQ(stack_->Sql("SELECT count(*) FROM auth.users WHERE username = 'second'"), "0");
  EXPECT_EQ(stack_->Sql("SELECT count(*) FROM auth.signups WHERE username = 'second'"), "0");
}

TEST_F(MainJobFlow, EightAtOnceYieldOneUser) {
  const std::string passkey = stack_->Passkey();
  std::atomic<int> created{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const Answer answer = stack_->http().Call("POST", "/api/auth/signup/",
                                                Credentials("racer" + std::to_string(i), passkey));
      created += answer.status == 201;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(created, 1);
  EXPECT_EQ(stack_->Sql("SELECT count(*) FROM auth.users WHERE username LIKE 'racer%'"), "1");
  EXPECT_EQ(stack_->Sql("SELECT count(*) FROM auth.signups WHERE username LIKE 'racer%' AND "
                        "username NOT IN (SELECT username FROM auth.users)"),
            "0");
}

TEST_F(MainJobFlow, AJobIsExecutedAndBilledOnceToTheCent) {
  const std::string token = stack_->SignUp("worker");
  stack_->Credit(stack_->TenantOf(token), 500);
  ASSERT_EQ(Balance(token), "500");
  std::ifstream file(GATEHOUSE_SOURCE "/README.md");
  const std::string readme{std::istreambuf_iterator<char>(file), {}};

  const Answer made = stack_->http().Call("POST", "/api/jobs/", JobBody("key-1", readme), token);
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.At("/status"), "queued");
  const std::string id = made.At("/id");
  const Answer job = Ended(id, token);

  EXPECT_EQ(job.At("/status"), "success") << job.body;
  EXPECT_EQ(job.At("/result/bytes"), std::to_string(readme.size()));
  EXPECT_EQ(job.At("/result/lines"),
            std::to_string(std::count(readme.begin(), readme.end(), '\n')));
  EXPECT_NE(job.At("/result/top_words/9/word"), "");
  EXPECT_EQ(Balance(token), "498");
  const Answer events = stack_->http().Call("GET", "/api/jobs/" + id + "/events/", "", token);
  EXPECT_EQ(events.At("/job_id"), id);
  EXPECT_NE(events.At("/events/2/message"), "") << events.body;

  const Answer again = stack_->http().Call("POST", "/api/jobs/", JobBody("key-1", readme), token);
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.At("/id"), id);
  const Answer other = stack_->http().Call("POST", "/api/jobs/", JobBody("key-1", "x"), token);
  EXPECT_EQ(other.status, 409) << other.body;
  EXPECT_EQ(Balance(token), "498");
  const Answer ledger = stack_->http().Call("GET", "/api/billing/reserve/ledger/", "", token);
  EXPECT_EQ(ledger.Header("X-Total-Count"), "2");
  EXPECT_EQ(ledger.At("/0/related_job_id"), id) << ledger.body;
  EXPECT_EQ(ledger.At("/0/amount_cents"), "-2");
  EXPECT_EQ(ledger.At("/0/type"), "debit");
  EXPECT_EQ(ledger.At("/0/balance_after_cents"), "498");
  EXPECT_EQ(ledger.At("/1/amount_cents"), "500");
}

TEST_F(MainJobFlow, BlockRefusesWithoutFundsAndATopUpCuresIt) {
  const std::string token = stack_->SignUp("broke");
  ASSERT_EQ(stack_->http()
                .Call("PATCH", "/api/billing/profile/", R"({"low_balance_policy":"block"})", token)
                .status,
            200);
  const std::string body = JobBody("key-1", "a few words");
  const Answer refused = stack_->http().Call("POST", "/api/jobs/", body, token);
  EXPECT_EQ(refused.status, 402) << refused.body;
  EXPECT_EQ(refused.At("/balance_cents"), "0");
  EXPECT_EQ(refused.At("/required_cents"), "2");
  EXPECT_EQ(stack_->http().Call("GET", "/api/jobs/", "", token).body.find("text.stats"),
            std::string::npos);

  stack_->Credit(stack_->TenantOf(token), 2);
  const Answer made = stack_->http().Call("POST", "/api/jobs/", body, token);
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(Ended(made.At("/id"), token).At("/status"), "success");
  EXPECT_EQ(Balance(token), "0");
}

TEST_F(MainJobFlow, AnotherTenantsJobIsNotThere) {
  const std::string owner = stack_->SignUp("owner");
  const std::string stranger = stack_->SignUp("stranger");
  const Answer made = stack_->http().Call("POST", "/api/jobs/", JobBody("k", "words"), owner);
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string path = "/api/jobs/" + made.At("/id") + "/";
  EXPECT_EQ(stack_->http().Call("GET", path, "", stranger).status, 404);
  EXPECT_EQ(stack_->http().Call("GET", path + "events/", "", stranger).status, 404);
  EXPECT_EQ(stack_->http().Call("GET", path, "", stack_->AdminToken()).status, 200);
  EXPECT_EQ(stack_->http().Call("GET", path, "").status, 401);
}

TEST_F(MainJobFlow, AKilledProcessShowsInHealthAndComesBackAlone) {
  const auto service = [&](const std::string& name) {
    return stack_->http().Call("GET", "/health").At("/services/" + name + "/status");
  };
  for (const char* name : {"jobs", "orchestrator_monitor", "billing", "invitations"}) {
    ASSERT_TRUE(Eventually([&] { return service(name) == "healthy"; }));
    const pid_t neighbour = stack_->at("auth").pid();
    stack_->at(name).Kill();
    EXPECT_TRUE(Eventually([&] { return service(name) == "unhealthy"; }, std::chrono::seconds(3)));
    const Answer degraded = stack_->http().Call("GET", "/health");
    EXPECT_EQ(degraded.status, 200);
    EXPECT_EQ(degraded.At("/status"), "degraded");
    ASSERT_TRUE(stack_->at(name).Start()) << stack_->Log(name);
    EXPECT_TRUE(Eventually([&] { return service(name) == "healthy"; }));
    EXPECT_EQ(stack_->at("auth").pid(), neighbour);
  }
  stack_->at("auth").Kill();
  EXPECT_TRUE(Eventually([&] { return stack_->http().Call("GET", "/health").status == 503; },
                         std::chrono::seconds(3)));
  ASSERT_TRUE(stack_->at("auth").Start());
  EXPECT_TRUE(stack_->AwaitHealthy());
  EXPECT_EQ(stack_->http().Call("GET", "/api/me/", "", stack_->AdminToken()).status, 200);
}

TEST_F(MainJobFlow, EveryProcessDrainsWithExitCodeZero) {
  for (const char* name :
       {"gateway", "jobs", "billing", "invitations", "orchestrator_monitor", "auth"}) {
    EXPECT_EQ(stack_->at(name).Stop(), 0) << name << stack_->Log(name);
  }
  for (const char* name :
       {"auth", "invitations", "billing", "jobs", "orchestrator_monitor", "gateway"}) {
    ASSERT_TRUE(stack_->at(name).Start()) << stack_->Log(name);
  }
  EXPECT_TRUE(stack_->AwaitHealthy());
}

}  // namespace
}  // namespace gatehouse
