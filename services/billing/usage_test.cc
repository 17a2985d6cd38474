// Usage, added up by the hour or not: the answers must be the same.
#include <map>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "libs/base/time_text.h"
#include "libs/rpc/timestamp.h"
#include "services/billing/billing_testing.h"
#include "services/billing/usage_rollup.h"
#include "services/billing/usage_service.h"
#include "services/billing/usage_store.h"

namespace gatehouse::billing {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using ::testing::ElementsAre;

struct Line {
  std::string line_type;
  std::string resource;
  std::int64_t quantity = 0;
  std::int64_t nanos = 0;
};
struct Sample {
  std::int64_t tenant_id = 0;
  Time time{};
  std::string tool;
  std::vector<Line> lines;
  std::string outcome = "success";
};

// Three nanos' worth, at the time of its transaction's beginning.
constexpr char kLateCapture[] = R"(
INSERT INTO billing.captures (hold_key, capture_number, request_hash, amount_nanos, usage_lines,
  entry_id, response, tool, tenant_id, price_version)
VALUES (gen_random_uuid(), 1, decode(repeat('00', 32), 'hex'), 3,
  '[{"line_type":"per_job","resource":"t","quantity":1,"amount_nanos":3}]', gen_random_uuid(), '',
  't', 7, 1))";

std::string TimeText(Time time) { return absl::StrCat("timestamptz '", FormatTime(time), "'"); }

class UsageTest : public BillingTest {
 protected:
  UsageTest() {
    Execute(absl::StrCat("UPDATE billing.usage_mark SET mark_time = ", TimeText(Hour(-48))));
  }

  // The beginning of the hour in hand, and of others before it.
  Time Hour(int offset = 0) const { return now_ + hours(offset); }

  // Ended work with one capture, as the service would have stored it then.
  void Store(const std::vector<Sample>& samples) {
    std::string sql;
    for (const Sample& sample : samples) {
      const std::string key = UuidV7();
      std::int64_t amount = 0;
      std::vector<std::string> lines;
      for (const Line& line : sample.lines) {
        amount += line.nanos;
        lines.push_back(absl::StrCat(R"({"line_type":")", line.line_type, R"(","resource":")",
                                     line.resource, R"(","quantity":)", line.quantity,
                                     R"(,"amount_nanos":)", line.nanos, "}"));
      }
      absl::StrAppend(
          &sql, "INSERT INTO billing.accounts (tenant_id) VALUES (", sample.tenant_id,
          ") ON CONFLICT DO NOTHING; INSERT INTO billing.holds (key, tenant_id, request_hash, "
          "state, estimate_nanos, held_nanos, estimate_lines, price_version, policy, decision, "
          "decision_reason, expire_time, outcome, end_time) VALUES ('",
          key, "', ", sample.tenant_id, ", decode(repeat('00', 32), 'hex'), 'captured', 0, 0, ",
          "'[]', 1, 'warn', 'allowed', '', now(), '", sample.outcome, "', ", TimeText(sample.time),
          "); INSERT INTO billing.captures (hold_key, capture_number, request_hash, amount_nanos, ",
          "usage_lines, entry_id, response, create_time, tool, tenant_id, price_version) VALUES ('",
          key, "', 1, decode(repeat('00', 32), 'hex'), ", amount, ", '[", absl::StrJoin(lines, ","),
          "]', ", amount > 0 ? "gen_random_uuid()" : "NULL", ", '', ", TimeText(sample.time), ", '",
          sample.tool, "', ", sample.tenant_id, ", 1);");
    }
    Execute(sql);
  }

  RolledUp Step(const RollUpOptions& options = {.slice = hours(1)}) {
    const auto done = RollUp(db_, options);
    EXPECT_TRUE(done.ok()) << done.status();
    return done.value_or(RolledUp());
  }

  // Up to the clock less `delay`. Returns what was added.
  std::int64_t RollUpAll(std::chrono::seconds delay = std::chrono::seconds(0)) {
    std::int64_t records = 0;
    while (true) {
      const RolledUp done = Step({.slice = hours(1), .delay = delay});
      records += done.records;
      if (done.length < hours(1)) return records;
    }
  }

  v1::QueryCostsRequest RequestOf(Time start, Time end, std::int64_t tenant_id = 0) {
    v1::QueryCostsRequest request;
    request.set_tenant_id(tenant_id);
    *request.mutable_start_time() = rpc::ToTimestamp(start);
    *request.mutable_end_time() = rpc::ToTimestamp(end);
    return request;
  }
  v1::QueryCostsResponse Query(Time start, Time end, std::int64_t tenant_id = 0) {
    const auto costs = service_.QueryCosts(RequestOf(start, end, tenant_id));
    EXPECT_TRUE(costs.ok()) << costs.status();
    return costs.ok() ? *costs : v1::QueryCostsResponse();
  }
  template <typename Ask>
  auto Read(Ask ask) {
    auto result = db_.Read([&](pg::Tx& tx) { return ask(tx); });
    EXPECT_TRUE(result.ok()) << result.status();
    return *result;
  }

  // "name cost events in out" of each group.
  static std::vector<std::string> Texts(
      const google::protobuf::RepeatedPtrField<v1::CostGroup>& groups) {
    std::vector<std::string> texts;
    for (const v1::CostGroup& group : groups) {
      const std::string name = group.tenant_id() > 0 ? absl::StrCat(group.tenant_id())
                               : group.tool().empty()
                                   ? absl::StrCat(group.provider(), "|", group.model())
                                   : group.tool();
      texts.push_back(absl::StrCat(name, " ", group.cost().amount_nanos(), " ", group.event_count(),
                                   " ", group.tokens_in(), " ", group.tokens_out()));
    }
    return texts;
  }

  const Time now_ = std::chrono::floor<hours>(std::chrono::system_clock::now());
  UsageService service_{db_};
};

TEST_F(UsageTest, CostsAreGroupedByTenantToolAndModel) {
  Store({{7,
          Hour(-5),
          "chat",
          {{"prompt_tokens", "openai/gpt/x", 100, 15},
           {"completion_tokens", "openai/gpt/x", 10, 6},
           {"per_job", "chat", 1, 1000}}},
         {7, Hour(-4), "search", {{"embedding_tokens", "tiny", 50, 5}}},
         {8, Hour(-4), "chat", {{"prompt_tokens", "local/llama", 7, 0}}}});
  const auto costs = Query(Hour(-10), Hour());
  EXPECT_THAT(Texts(costs.tenants()), ElementsAre("7 1026 2 150 10", "8 0 1 7 0"));
  EXPECT_THAT(Texts(costs.tools()), ElementsAre("chat 1021 2 107 10", "search 5 1 50 0"));
  EXPECT_THAT(Texts(costs.models()),
              ElementsAre("openai|gpt/x 21 2 100 10", "|tiny 5 1 50 0", "local|llama 0 1 7 0"));
  EXPECT_EQ(costs.total().amount_nanos(), 1026);
  EXPECT_THAT(Texts(Query(Hour(-10), Hour(), 8).tenants()), ElementsAre("8 0 1 7 0"));
  EXPECT_THAT(Texts(Query(Hour(-4), Hour(-3)).tenants()), ElementsAre("7 5 1 50 0", "8 0 1 7 0"));
}

TEST_F(UsageTest, OnlyTheDearestAreListed) {
  std::vector<Sample> samples;
  samples.reserve(15);
  for (int i = 0; i < 15; ++i) {
    samples.push_back({7,
                       Hour(-3),
                       absl::StrCat("tool", i),
                       {{"prompt_tokens", absl::StrCat("p/m", i), 1, 100 + i}}});
  }
  Store(samples);
  v1::QueryCostsRequest request = RequestOf(Hour(-5), Hour());
  EXPECT_EQ(service_.QueryCosts(request)->tools_size(), 10);
  EXPECT_EQ(service_.QueryCosts(request)->models(0).model(), "m14");
  request.set_top(3);
  EXPECT_EQ(service_.QueryCosts(request)->models_size(), 3);
}

TEST_F(UsageTest, APeriodIsWholeHoursInOrder) {
  const auto reason = [&](Time start, Time end) {
    return Reason(service_.QueryCosts(RequestOf(start, end)).status());
  };
  EXPECT_EQ(reason(Hour(-1), Hour()), "");
  EXPECT_EQ(reason(Hour(), Hour()), "PERIOD_INVALID");
  EXPECT_EQ(reason(Hour(-1) + minutes(1), Hour()), "PERIOD_INVALID");
  EXPECT_EQ(reason(Hour(-1), Hour() + minutes(1)), "PERIOD_INVALID");
  EXPECT_EQ(reason(Hour(-24 * 3660), Hour()), "PERIOD_INVALID");
  EXPECT_EQ(Reason(service_.QueryCosts({}).status()), "PERIOD_INVALID");
}

TEST_F(UsageTest, WhatTheServiceCapturesIsFoundAtOnce) {
  Credit(7, 1'000'000'000);
  const std::string key = UuidV7();
  v1::ReserveRequest reserve = ReserveRequestOf(key, 7, 2);
  reserve.set_tool("stats");
  ASSERT_TRUE(Reserve(reserve).ok());
  ASSERT_TRUE(Capture(key, 1, 2).ok());
  const auto costs = Query(Hour(-1), Hour(2));
  EXPECT_THAT(Texts(costs.tools()), ElementsAre("stats 40000000 1 0 0"));
  EXPECT_THAT(Texts(costs.tenants()), ElementsAre("7 40000000 1 0 0"));
}

TEST_F(UsageTest, CapturesOfBeforeHaveTheTenantOfTheHoldAndTheToolOfTheirJob) {
  Store({{7, Hour(-5), "", {{"per_job", "text.stats", 1, 20}}},
         {7, Hour(-5), "", {{"per_request", "api", 1, 3}}}});
  Execute("UPDATE billing.captures SET tenant_id = NULL, price_version = NULL");
  const std::vector<std::string> expected = {"text.stats 20 1 0 0", "unknown 3 1 0 0"};
  EXPECT_EQ(Texts(Query(Hour(-6), Hour(), 7).tools()), expected);
  EXPECT_GT(RollUpAll(), 0);
  EXPECT_EQ(Texts(Query(Hour(-6), Hour(), 7).tools()), expected);
}

TEST_F(UsageTest, AddedUpOrNotTheAnswersAreTheSame) {
  std::mt19937 engine(5);
  const auto random = [&](int below) { return static_cast<int>(engine() % below); };
  const std::vector<std::string> types = {"prompt_tokens", "completion_tokens", "embedding_tokens",
                                          "per_job"};
  std::vector<Sample> samples;
  std::int64_t total = 0;
  for (int i = 0; i < 300; ++i) {
    Sample sample{.tenant_id = 1 + random(4),
                  .time = Hour(-random(48)) + minutes(random(60)),
                  .tool = absl::StrCat("tool", random(3)),
                  .lines = {},
                  .outcome = random(5) == 0 ? "failed" : "success"};
    for (int line = random(4); line > 0; --line) {
      sample.lines.push_back(
          {types[random(4)], absl::StrCat("p/m", random(3)), random(1000), random(100'000)});
      total += sample.lines.back().nanos;
    }
    samples.push_back(sample);
  }
  Store(samples);
  const auto ask = [&](std::int64_t tenant_id) {
    const UsagePeriod period{.tenant_id = tenant_id, .start = Hour(-40), .end = Hour(-2)};
    std::string text = Query(period.start, period.end, tenant_id).DebugString();
    const auto totals = Read([&](pg::Tx& tx) { return UsageTotals(tx, period); });
    const auto work = Read([&](pg::Tx& tx) { return WorkTotals(tx, period); });
    absl::StrAppend(&text, totals.cost_nanos, " ", totals.active_tenants, " ", totals.tokens_in,
                    " ", work.success, " ", work.failed, " ", work.cancelled);
    for (const UsageDay& day : Read([&](pg::Tx& tx) { return DailyUsage(tx, period); })) {
      absl::StrAppend(&text, "\n", FormatTime(day.day), " ", day.cost_nanos, " ", day.capture_count,
                      " ", day.active_tenants);
    }
    for (const WorkDay& day : Read([&](pg::Tx& tx) { return DailyWork(tx, period); })) {
      absl::StrAppend(&text, "\n", FormatTime(day.day), " ", day.work.failed);
    }
    return text;
  };
  EXPECT_EQ(Query(Hour(-48), Hour(1)).total().amount_nanos(), total);
  const std::string all = ask(0);
  const std::string one = ask(2);
  for (int i = 0; i < 40; ++i) ASSERT_EQ(Step({.slice = minutes(37)}).length, minutes(37));
  EXPECT_EQ(ask(0), all) << "the mark is in the middle of the period, and of an hour";
  EXPECT_EQ(ask(2), one);
  RollUpAll();
  EXPECT_EQ(ask(0), all);
  EXPECT_EQ(ask(2), one);
  EXPECT_EQ(Query(Hour(-48), Hour(1)).total().amount_nanos(), total);
  ExpectSql(
      "SELECT (SELECT sum(cost_nanos) FROM billing.capture_hours) = "
      "(SELECT sum(cost_nanos) FROM billing.usage_hours)");
}

TEST_F(UsageTest, ManyProcessesAddEachSliceUpOnce) {
  std::vector<Sample> samples;
  for (int i = 1; i < 48; ++i) samples.push_back({7, Hour(-i), "t", {{"per_job", "t", 1, i}}});
  Store(samples);
  const std::int64_t before = Query(Hour(-48), Hour()).total().amount_nanos();
  std::atomic<std::int64_t> records = 0;
  Together(4, [&](int) {
    for (int i = 0; i < 20; ++i) records += Step({.slice = minutes(25)}).records;
  });
  records += RollUpAll();
  EXPECT_EQ(records, 2 * 47) << "a capture and ended work each";
  EXPECT_EQ(Query(Hour(-48), Hour()).total().amount_nanos(), before);
}

TEST_F(UsageTest, OnlyTheLastMomentsAreReadAsTheyAre) {
  const Time now = std::chrono::system_clock::now();
  const minutes ago(3);
  Store({{7, now - ago, "t", {{"per_job", "t", 1, 5}}}, {7, now, "t", {{"per_job", "t", 1, 2}}}});
  RollUpAll(RollUpOptions().delay);
  ExpectSql("SELECT sum(cost_nanos) = 5 AND sum(line_count) = 1 FROM billing.usage_hours");
  ExpectSql("SELECT now() - mark_time < interval '1 minute' FROM billing.usage_mark");
  EXPECT_EQ(Query(Hour(-1), Hour(2)).total().amount_nanos(), 7);
}

TEST_F(UsageTest, ASliceThatIsNotDueIsLeft) {
  Execute(absl::StrCat("UPDATE billing.usage_mark SET mark_time = ", TimeText(Hour(1))));
  EXPECT_EQ(Step().length, hours(0));
  Execute("UPDATE billing.usage_mark SET mark_time = now() - interval '20 seconds'");
  EXPECT_EQ(Step().length, hours(0)) << "a clock may be set back by as much";
}

TEST_F(UsageTest, ACaptureThatIsCommittedLateIsCounted) {
  Execute("UPDATE billing.usage_mark SET mark_time = now() - interval '1 minute'");
  const absl::Status late = db_.InTransaction([&](pg::Tx& tx) {
    tx.exec("SELECT 1");  // It began now, and that is the time of what it writes.
    Store({{7, std::chrono::system_clock::now(), "t", {{"per_job", "t", 1, 5}}}});
    EXPECT_EQ(RollUpAll(), 0) << "what came after the beginning of this one waits, too";
    tx.exec(kLateCapture);
    EXPECT_EQ(RollUpAll(), 0);
    return absl::OkStatus();
  });
  ASSERT_TRUE(late.ok()) << late;
  EXPECT_EQ(Query(Hour(-1), Hour(2)).total().amount_nanos(), 8);
  // The server may take a moment to show that it has ended.
  EXPECT_TRUE(Eventually([&] { return RollUpAll() > 0; }));
  ExpectSql("SELECT sum(cost_nanos) = 8 FROM billing.capture_hours");
  EXPECT_EQ(Query(Hour(-1), Hour(2)).total().amount_nanos(), 8);
}

TEST_F(UsageTest, WhoOnlyReadsForLongHoldsNothingUp) {
  Execute("UPDATE billing.usage_mark SET mark_time = now() - interval '1 minute'");
  const RollUpOptions options{.slice = minutes(10), .delay = {}, .reader_age = {}};
  const absl::Status reader = db_.InTransaction([&](pg::Tx& tx) {
    tx.exec("SELECT 1");
    Store({{7, std::chrono::system_clock::now(), "t", {{"per_job", "t", 1, 5}}}});
    EXPECT_EQ(Step(options).records, 2);
    Store({{7, std::chrono::system_clock::now(), "t", {{"per_job", "t", 1, 5}}}});
    tx.exec("SELECT pg_current_xact_id()");
    EXPECT_EQ(Step(options).records, 0) << "now it writes";
    return absl::OkStatus();
  });
  ASSERT_TRUE(reader.ok()) << reader;
}

TEST_F(UsageTest, ASliceThatAnotherProcessIsAtIsLeftToIt) {
  const absl::Status other = db_.InTransaction([&](pg::Tx& tx) {
    tx.exec("SELECT FROM billing.usage_mark FOR UPDATE");
    EXPECT_EQ(Step().length, hours(0));
    return absl::OkStatus();
  });
  ASSERT_TRUE(other.ok()) << other;
  EXPECT_EQ(Step().length, hours(1));
}

TEST(UsageSliceTest, SlicesAreAsLongAsTheirRecordsAreFew) {
  EXPECT_EQ(NextSlice(kSliceMin, {.records = 0}), 2 * kSliceMin);
  EXPECT_EQ(NextSlice(kSliceMax, {.records = 0}), kSliceMax);
  EXPECT_EQ(NextSlice(minutes(2), {.records = kSliceRecords}), minutes(2));
  EXPECT_EQ(NextSlice(minutes(2), {.records = kSliceRecords + 1}), minutes(1));
  EXPECT_EQ(NextSlice(kSliceMin, {.records = 100 * kSliceRecords}), kSliceMin);
}

TEST_F(UsageTest, ASumThatIsTooLargeIsAnErrorAndNotAWrongNumber) {
  const Line most{"completion_tokens", "p/m", INT64_MAX, 0};
  Store({{7, Hour(-2), "t", {most}}, {7, Hour(-2), "t", {most}}});
  EXPECT_EQ(Reason(service_.QueryCosts(RequestOf(Hour(-3), Hour())).status()), "SUM_OUT_OF_RANGE");
}

TEST_F(UsageTest, WorkIsCountedByItsOutcomeWhenItEnded) {
  Store({{7, Hour(-3), "t", {}, "success"},
         {7, Hour(-3), "t", {}, "failed"},
         {8, Hour(-2), "t", {}, "cancelled"}});
  Credit(7, 1'000'000'000);
  const std::string key = UuidV7();
  ASSERT_TRUE(Reserve(key, 7).ok());
  ASSERT_TRUE(Release(key, v1::WORK_OUTCOME_FAILED).ok());
  const UsagePeriod all{.tenant_id = 0, .start = Hour(-5), .end = Hour(2)};
  const WorkCounts work = Read([&](pg::Tx& tx) { return WorkTotals(tx, all); });
  EXPECT_EQ(work.success, 1);
  EXPECT_EQ(work.failed, 2);
  EXPECT_EQ(work.cancelled, 1);
}

TEST_F(UsageTest, TheRollupWorksByItself) {
  Store({{7, Hour(-3), "t", {{"per_job", "t", 1, 5}}}});
  const UsageRollup rollup(db_);
  const auto rows = [&] {
    return *db_.Read([](pg::Tx& tx) -> absl::StatusOr<int> {
      return tx.exec1("SELECT count(*) FROM billing.usage_hours")[0].as<int>();
    });
  };
  EXPECT_TRUE(Eventually([&] { return rows() == 1; }));
}

}  // namespace
}  // namespace gatehouse::billing
