// The fixture of the saga tests: the real programs, crashed at failpoints, and what
// their databases say afterwards. Not a test itself.
#pragma once

#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/harness/stack.h"

namespace gatehouse {

using harness::Answer;
using harness::Eventually;
using harness::Quote;
using harness::Stack;

class SagaFlow : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    Stack::Options options;
    options.own["auth"] = {{"SIGNUP_SWEEP_SECONDS", "1"}};
    options.proxied = {{"auth", "invitations"}, {"jobs", "billing"}};
    stack_ = new Stack(options);
    ASSERT_EQ(stack_->Start(), "");
    token_ = stack_->SignUp("saga");
    stack_->Credit(stack_->TenantOf(token_), 100000);
  }
  static void TearDownTestSuite() {
    delete stack_;
    stack_ = nullptr;
  }
  void TearDown() override {
    for (const char* name : {"auth", "invitations", "billing", "jobs"}) {
      stack_->at(name).environment().erase("GATEHOUSE_FAILPOINTS");
      if (!stack_->at(name).running()) {
        ASSERT_TRUE(stack_->at(name).Start()) << stack_->Log(name);
      }
    }
    ASSERT_TRUE(stack_->AwaitHealthy());
  }

  // Arms `failpoint` in a process for one crash. It is down once that was reached.
  static void Arm(const std::string& process, const std::string& failpoint) {
    const std::string mark = stack_->directory() + "/" + failpoint + ".crashed";
    unlink(mark.c_str());
    ASSERT_TRUE(stack_->Restart(process, failpoint + "=crash-once:" + mark));
    ASSERT_TRUE(stack_->AwaitHealthy());
  }

  // Repeats `act` until the armed process has died of it, and starts it again. (A
  // gateway needs a moment to find a process that was restarted.)
  template <typename Act>
  static void CrashBy(const std::string& process, const std::string& failpoint, Act act) {
    int exit_code = 0;
    ASSERT_TRUE(Eventually([&] {
      act();
      return stack_->at(process).AwaitExit(std::chrono::milliseconds(300), &exit_code);
    })) << failpoint
        << " was not reached";
    ASSERT_EQ(exit_code, -SIGKILL) << failpoint;
    ASSERT_TRUE(stack_->at(process).Start()) << stack_->Log(process);
    ASSERT_TRUE(stack_->AwaitHealthy());
  }

  static std::string SignupBody(const std::string& name, const std::string& passkey) {
    return R"({"username":)" + Quote(name) + R"(,"email":)" + Quote(name + "@example.com") +
           R"(,"password":)" + Quote(harness::kPassword) + R"(,"passkey":)" + Quote(passkey) + "}";
  }
  static Answer SignUp(const std::string& name, const std::string& passkey) {
    return stack_->http().Call("POST", "/api/auth/signup/", SignupBody(name, passkey));
  }
  static std::string Users(const std::string& name) {
    return stack_->Sql("SELECT count(*) FROM auth.users WHERE username = '" + name + "'");
  }
  // Redemptions of the newest invitation.
  static std::string Uses() {
    return stack_->Sql(
        "SELECT uses FROM invitations.invitations ORDER BY create_time DESC, id DESC");
  }

  static Answer Submit(const std::string& key) {
    return stack_->http().Call(
        "POST", "/api/jobs/",
        R"({"type":"text.stats","payload":{"text":"one two two"},"idempotency_key":)" + Quote(key) +
            "}",
        token_);
  }
  static std::string Holds(const std::string& states) {
    return stack_->Sql("SELECT count(*) FROM billing.holds WHERE state IN (" + states + ")");
  }
  static std::string JobsOf(const std::string& key) {
    return stack_->Sql("SELECT count(*) FROM jobs.jobs WHERE idempotency_key = '" + key + "'");
  }
  static std::string Charges(const std::string& job) {
    return stack_->Sql(
        "SELECT count(*) || ' ' || coalesce(sum(amount_nanos), 0)"
        " FROM billing.ledger_entries WHERE job_id = '" +
        job + "'");
  }

  // The key's job ends well, is charged once, and leaves nothing held.
  static void ExpectBilledOnce(const std::string& key) {
    Answer job;
    ASSERT_TRUE(Eventually([&] {
      job = Submit(key);
      return job.status == 200 || job.status == 201;
    })) << job.status
        << job.body;
    const std::string id = job.At("/id");
    EXPECT_TRUE(Eventually([&] { return Charges(id) == "1 20000000"; }, std::chrono::seconds(15)))
        << key << ": " << Charges(id) << stack_->Log("jobs");
    EXPECT_EQ(stack_->http().Call("GET", "/api/jobs/" + id + "/", "", token_).At("/status"),
              "success");
    EXPECT_EQ(JobsOf(key), "1");
    EXPECT_TRUE(Eventually([&] { return Holds("'reserved','bound'") == "0"; })) << key;
    EXPECT_EQ(stack_->Sql("SELECT coalesce(sum(held_nanos), 0) FROM billing.accounts"), "0");
  }

  static inline Stack* stack_ = nullptr;
  static inline std::string token_;
};

}  // namespace gatehouse
