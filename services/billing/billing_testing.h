// What the tests of this service share: one database, emptied before each test, the
// services on it, and short words for requests. Never part of the program.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "libs/base/uuid.h"
#include "libs/pg/testing.h"
#include "services/billing/account_service.h"
#include "services/billing/hold_service.h"

namespace gatehouse::billing {

// What one text.stats job costs.
inline constexpr std::int64_t kJobNanos = 20'000'000;

class BillingTest : public ::testing::Test {
 protected:
  BillingTest();

  // Requests for a number of text.stats jobs.
  static v1::ReserveRequest ReserveRequestOf(const std::string& key, std::int64_t tenant_id,
                                             std::int64_t jobs = 1);
  static v1::CaptureRequest CaptureRequestOf(const std::string& key, std::int64_t number,
                                             std::int64_t jobs, bool final);
  static v1::AdjustBalanceRequest AdjustRequestOf(std::int64_t tenant_id, std::int64_t nanos,
                                                  const std::string& key = UuidV7());

  // These wait for the answer.
  absl::StatusOr<v1::Hold> Reserve(const v1::ReserveRequest& request);
  absl::StatusOr<v1::Hold> Reserve(const std::string& key, std::int64_t tenant_id,
                                   std::int64_t jobs = 1);
  absl::StatusOr<v1::Hold> Bind(const std::string& key);
  absl::StatusOr<v1::CaptureResponse> Capture(const v1::CaptureRequest& request);
  absl::StatusOr<v1::CaptureResponse> Capture(const std::string& key, std::int64_t number,
                                              std::int64_t jobs, bool final = true);
  absl::StatusOr<v1::Hold> Release(const std::string& key,
                                   v1::WorkOutcome outcome = v1::WORK_OUTCOME_UNSPECIFIED);

  // A tenant with money and a policy; for tenants of one's own per test.
  void Credit(std::int64_t tenant_id, std::int64_t nanos);
  void SetPolicy(std::int64_t tenant_id, v1::Account::Policy policy);
  v1::Account AccountOf(std::int64_t tenant_id);

  // SQL as the superuser.
  void Execute(const std::string& sql);
  // Fails the test unless the SQL condition holds, as the superuser sees it.
  void ExpectSql(const std::string& condition);
  // Lets the time of a reservation be over, for the database, now.
  void LetExpire(const std::string& key);

  // Everything re-added and the chain recomputed.
  void ExpectBooksRight();

  // URL of the database as the runtime role.
  static std::string Url();

  pg::Database db_;  // Connects at its first use.
  PriceBooks books_;
  HoldService holds_;
  AccountService accounts_;
};

// Waits for what `call` replies.
template <typename Response, typename Call>
absl::StatusOr<Response> Await(Call call) {
  // Shared: the replying thread may still be in set_value when this one goes on.
  auto answer = std::make_shared<std::promise<absl::StatusOr<Response>>>();
  call([answer](const absl::StatusOr<Response>& result) { answer->set_value(result); });
  return answer->get_future().get();
}

// Whether `condition` comes true within ten seconds.
bool Eventually(const std::function<bool()>& condition);

// Calls `work(0)` … `work(count - 1)` at the same moment, each on a thread.
void Together(int count, const std::function<void(int)>& work);

}  // namespace gatehouse::billing
