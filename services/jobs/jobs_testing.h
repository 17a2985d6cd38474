// What the tests of this service share: a migrated database, a billing port with
// fault knobs, a call as the gateway makes it. Never part of the service.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "libs/pg/testing.h"
#include "libs/rpc/server.h"
#include "services/jobs/billing_port.h"
#include "services/jobs/job_service.h"
#include "services/jobs/job_type.h"
#include "services/jobs/lease_store.h"
#include "services/jobs/runner.h"
#include "services/jobs/settle.h"

namespace gatehouse::jobs::testing {

inline constexpr char kAda[] = "0198c0de-0000-7000-8000-00000000ada0";
inline constexpr std::int64_t kTenant = 7;
inline constexpr std::int64_t kOtherTenant = 8;
inline constexpr std::int64_t kPriceNanos = 20000000;

// A tenant's hold as billing would keep it, and every call in order.
class FakeBilling final : public BillingPort {
 public:
  absl::StatusOr<billing::v1::Hold> Reserve(const billing::v1::ReserveRequest& request,
                                            const BillingCall& call) override;
  absl::StatusOr<billing::v1::Hold> Bind(const billing::v1::BindRequest& request) override;
  absl::StatusOr<billing::v1::CaptureResponse> Capture(
      const billing::v1::CaptureRequest& request) override;
  absl::StatusOr<billing::v1::Hold> Release(const billing::v1::ReleaseRequest& request) override;

  // Knobs. `fail` is asked before each call ("reserve", "bind", …) and answers it
  // unless OK; `lose` is asked after it, so that the effect is there and the
  // answer is not. Set them before use by several threads.
  std::function<absl::Status(const std::string& method)> fail;
  std::function<absl::Status(const std::string& method)> lose;
  std::vector<std::string> warnings;

  // "reserve <key>", "bind <key>", "capture <key> <number> <final>", "release <key>".
  std::vector<std::string> calls();
  int CountCalls(const std::string& prefix);
  std::int64_t CapturedNanos(const std::string& key);
  std::string tool();  // Of the last reservation.

 private:
  absl::Status Ask(const std::function<absl::Status(const std::string&)>& knob,
                   const std::string& method);
  billing::v1::Hold& HoldOf(const std::string& key);

  std::mutex mutex_;
  std::vector<std::string> calls_;                                         // guarded by mutex_
  std::string tool_;                                                       // guarded by mutex_
  std::map<std::string, billing::v1::Hold> holds_;                         // guarded by mutex_
  std::map<std::pair<std::string, std::int64_t>, std::int64_t> captures_;  // guarded by mutex_
};

// A call of the gateway on behalf of a user of `tenant_id`.
class FakeCall final : public rpc::Call {
 public:
  explicit FakeCall(std::int64_t tenant_id = kTenant, const std::string& role = "user");
  const std::string& caller() const override { return caller_; }
  const type::v1::Principal& principal() const override { return principal_; }
  const std::string& request_id() const override { return request_id_; }
  const std::string& trace_parent() const override { return trace_parent_; }
  SteadyTime deadline() const override { return deadline_; }
  bool IsCancelled() const override { return false; }

  void set_deadline(SteadyTime deadline) { deadline_ = deadline; }
  type::v1::Principal& mutable_principal() { return principal_; }

 private:
  const std::string caller_ = "gateway";
  const std::string request_id_ = "request-1";
  const std::string trace_parent_ = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  type::v1::Principal principal_;
  SteadyTime deadline_;
};

// The service on an empty database, which the tests of a suite share.
class JobsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();

  JobsTest();
  ~JobsTest() override;

  v1::SubmitJobRequest TextStatsRequest(const std::string& key = "");
  v1::SubmitJobRequest SleepRequest(int seconds);
  // Fails the test unless it succeeds.
  v1::Job Submit(const v1::SubmitJobRequest& request);
  v1::Job Get(const std::string& id);
  // "source message", in order.
  std::vector<std::string> Timeline(const std::string& id);
  // Claims exactly one job.
  Claim ClaimOne(const std::string& session);
  // Delivers the whole outbox once, in order, and removes what was delivered.
  void DeliverOutbox();
  // "kind" of each row of a job, in order.
  std::vector<std::string> OutboxKinds(const std::string& id);
  // One value by SQL, as the service's role.
  std::string Value(const std::string& sql);
  void Execute(const std::string& sql);

  static std::unique_ptr<pg::testing::TestDatabase> database_;
  pg::Database& db_;
  JobTypes types_;
  FakeBilling billing_;
  SystemClock clock_;
  JobService service_;
  Settler settler_;
  FakeCall call_;
};

// Short times: a lease of 900 ms.
Runner::Options QuickRunner();

// Polls until `done` or 20 s have passed.
bool Eventually(const std::function<bool()>& done);

}  // namespace gatehouse::jobs::testing
