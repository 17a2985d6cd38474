#include "services/auth/audit_service.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "gatehouse/auth/v1/audit.methods.h"
#include "libs/base/uuid.h"
#include "libs/pg/sealer.h"
#include "services/auth/audit_store.h"
#include "services/auth/auth_testing.h"

namespace gatehouse::auth {
namespace {

using Api = v1::AuditService;

constexpr char kAda[] = "0198c0de-0000-7000-8000-00000000ada0";

class AuditServiceTest : public ::testing::Test {
 protected:
  static v1::AuditEvent Event(const std::string& type = "admin_action") {
    v1::AuditEvent event;
    event.set_id(UuidV7());
    event.set_type(type);
    event.mutable_event_time()->set_seconds(1800000000);
    event.mutable_event_time()->set_nanos(123456000);
    event.set_actor_user_id(kAda);
    event.set_actor_username("ada");
    event.set_target("user/0198c0de-0000-7000-8000-00000000b0b0");
    event.set_tenant_id(7);
    event.set_client_address("192.0.2.1");
    event.set_user_agent("curl \"8\"");
    event.set_request_id("r1");
    event.set_success(true);
    event.set_reason("because");
    event.set_details_json(R"({"a": [1,  "ü"]})");
    return event;
  }

  absl::Status Append(const v1::AuditEvent& event, const std::string& caller = "gateway") {
    v1::AppendAuditRequest request;
    *request.mutable_event() = event;
    return server_.client(caller).Call(Api::kAppendAudit, request).status();
  }

  absl::StatusOr<v1::ListAuditEventsResponse> List(const v1::ListAuditEventsRequest& request) {
    return server_.gateway().Call(Api::kListAuditEvents, request);
  }

  std::vector<std::string> TypesOf(const v1::ListAuditEventsRequest& request) {
    std::vector<std::string> types;
    const auto list = List(request);
    EXPECT_TRUE(list.ok()) << list.status();
    if (list.ok()) {
      for (const auto& event : list->events()) types.push_back(event.type());
    }
    return types;
  }

  void SealAll() {
    absl::StatusOr<int> sealed = 0;
    do {
      sealed = pg::Seal(database_.db(), AuditChain(), 10);
      ASSERT_TRUE(sealed.ok()) << sealed.status();
    } while (*sealed > 0);
  }

  absl::StatusOr<std::int64_t> Verify() { return pg::VerifyChain(database_.db(), AuditChain()); }

  testing::AuthDatabase database_;
  testing::AuthServer server_{database_};
};

TEST_F(AuditServiceTest, KeepsEveryFieldAndRepeatsChangeNothing) {
  const v1::AuditEvent event = Event();
  ASSERT_TRUE(Append(event).ok());
  v1::AuditEvent changed = event;
  changed.set_reason("another");
  EXPECT_TRUE(Append(changed).ok());
  const auto list = List({});
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->events_size(), 1);
  EXPECT_EQ(list->events(0).SerializeAsString(), event.SerializeAsString());
}

TEST_F(AuditServiceTest, FillsInTimeAndDetails) {
  v1::AuditEvent event;
  event.set_id(UuidV7());
  event.set_type("logout");
  ASSERT_TRUE(Append(event).ok());
  const auto list = List({});
  ASSERT_EQ(list->events_size(), 1);
  EXPECT_EQ(list->events(0).details_json(), "{}");
  EXPECT_GT(list->events(0).event_time().seconds(), 1700000000);
}

TEST_F(AuditServiceTest, RefusesWhatIsNoEvent) {
  const std::vector<std::function<void(v1::AuditEvent&)>> faults = {
      [](v1::AuditEvent& e) { e.set_id("1"); },
      [](v1::AuditEvent& e) { e.clear_id(); },
      [](v1::AuditEvent& e) { e.set_type(""); },
      [](v1::AuditEvent& e) { e.set_type("Login"); },
      [](v1::AuditEvent& e) { e.set_type("a b"); },
      [](v1::AuditEvent& e) { e.set_type(std::string(65, 'a')); },
      [](v1::AuditEvent& e) { e.set_actor_user_id("ada"); },
      [](v1::AuditEvent& e) { e.set_tenant_id(-1); },
      [](v1::AuditEvent& e) { e.set_user_agent(std::string(513, 'u')); },
      [](v1::AuditEvent& e) { e.set_reason(std::string("a\0b", 3)); },
      [](v1::AuditEvent& e) { e.mutable_event_time()->set_seconds(-1); },
      [](v1::AuditEvent& e) { e.mutable_event_time()->set_seconds(253402300800); },
      [](v1::AuditEvent& e) { e.mutable_event_time()->set_nanos(1000000000); },
      [](v1::AuditEvent& e) { e.set_details_json("[]"); },
      [](v1::AuditEvent& e) { e.set_details_json("{\"a\":}"); },
      [](v1::AuditEvent& e) { e.set_details_json("{\"a\":\"" + std::string(16384, 'x') + "\"}"); },
  };
  for (std::size_t i = 0; i < faults.size(); ++i) {
    v1::AuditEvent event = Event();
    faults[i](event);
    EXPECT_EQ(Reason(Append(event)), "AUDIT_EVENT_INVALID") << i;
  }
  EXPECT_EQ(database_.Count("auth.audit_events"), 0);
}

TEST_F(AuditServiceTest, FiltersByTypeFamilyAndUser) {
  for (const char* type : {"login_success", "login_failure", "loginx", "logout"}) {
    v1::AuditEvent event = Event(type);
    if (event.type() == "logout") event.set_actor_user_id("");
    ASSERT_TRUE(Append(event).ok());
  }
  v1::ListAuditEventsRequest request;
  request.set_type("login");
  EXPECT_EQ(TypesOf(request), (std::vector<std::string>{"login_failure", "login_success"}));
  request.set_type("login_success");
  EXPECT_EQ(TypesOf(request), std::vector<std::string>{"login_success"});
  EXPECT_EQ(List(request)->total(), 1);
  request.set_type("log");
  EXPECT_TRUE(TypesOf(request).empty());
  EXPECT_EQ(List(request)->total(), 0);
  request.clear_type();
  request.set_user_id(kAda);
  EXPECT_EQ(TypesOf(request).size(), 3u) << "as the actor";
  request.set_user_id("0198C0DE-0000-7000-8000-00000000B0B0");
  EXPECT_EQ(TypesOf(request).size(), 4u) << "as the target";
  request.set_user_id("ada");
  EXPECT_EQ(Reason(List(request).status()), "USER_ID_INVALID");
}

TEST_F(AuditServiceTest, PagesNewestFirstWithoutGapsOrRepeats) {
  for (int i = 0; i < 7; ++i) {
    v1::AuditEvent event = Event();
    event.mutable_event_time()->set_seconds(1800000000 + i / 3);  // Equal times, too.
    ASSERT_TRUE(Append(event).ok());
  }
  v1::ListAuditEventsRequest request;
  request.set_page_size(2);
  std::vector<std::pair<std::int64_t, std::string>> seen;
  int pages = 0;
  do {
    const auto page = List(request);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_EQ(page->total(), 7) << "on every page";
    for (const auto& event : page->events()) {
      seen.emplace_back(event.event_time().seconds(), event.id());
    }
    request.set_page_token(page->next_page_token());
    ASSERT_LT(++pages, 6);
  } while (!request.page_token().empty());
  EXPECT_EQ(pages, 4);
  ASSERT_EQ(seen.size(), 7u);
  EXPECT_TRUE(std::is_sorted(seen.rbegin(), seen.rend()));
  EXPECT_EQ(std::unique(seen.begin(), seen.end()), seen.end());
  request.set_page_token("bogus");
  EXPECT_EQ(Reason(List(request).status()), "PAGE_TOKEN_INVALID");
  request.clear_page_token();
  request.set_page_size(-1);
  EXPECT_EQ(Reason(List(request).status()), "PAGE_SIZE_INVALID");
}

TEST_F(AuditServiceTest, ServicesAppendAndOnlyTheGatewayLists) {
  for (const char* caller : {"jobs", "billing", "invitations"}) {
    EXPECT_TRUE(Append(Event(), caller).ok()) << caller;
    EXPECT_EQ(server_.client(caller)
                  .Call(Api::kListAuditEvents, v1::ListAuditEventsRequest(), {})
                  .status()
                  .code(),
              absl::StatusCode::kPermissionDenied);
  }
}

TEST_F(AuditServiceTest, TheServiceItselfCannotChangeTheLog) {
  ASSERT_TRUE(Append(Event()).ok());
  SealAll();
  for (const char* sql :
       {"UPDATE auth.audit_events SET reason = ''", "DELETE FROM auth.audit_events",
        "TRUNCATE auth.audit_events", "UPDATE auth.audit_chain SET position = 9",
        "DELETE FROM auth.audit_chain"}) {
    const absl::Status status = database_.db().Statement([&](pg::Tx& tx) -> absl::Status {
      tx.exec(sql);
      return absl::OkStatus();
    });
    EXPECT_FALSE(status.ok()) << sql;
  }
  EXPECT_EQ(Verify().value_or(-1), 1);
}

TEST_F(AuditServiceTest, SealsWhatParallelWritersAppend) {
  std::atomic<bool> done = false;
  std::vector<std::thread> sealers;
  for (int i = 0; i < 2; ++i) {
    sealers.emplace_back([&] {
      while (!done) EXPECT_TRUE(pg::Seal(database_.db(), AuditChain(), 7).ok());
    });
  }
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&] {
      for (int n = 0; n < 25; ++n) EXPECT_TRUE(Append(Event()).ok());
    });
  }
  for (std::thread& writer : writers) writer.join();
  done = true;
  for (std::thread& sealer : sealers) sealer.join();
  SealAll();
  const auto rows = Verify();
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(*rows, 100);
}

TEST_F(AuditServiceTest, ShowsWhatWasChangedRemovedOrSwapped) {
  for (const char* tampering :
       {"UPDATE auth.audit_events SET success = NOT success WHERE position = 2",
        "UPDATE auth.audit_events SET details = '{\"a\": [1, \"ü\"]}' WHERE position = 2",
        "UPDATE auth.audit_events SET event_time = event_time + interval '1 us' WHERE position = 2",
        "UPDATE auth.audit_events SET append_time = append_time - interval '1 s' WHERE position = "
        "2",
        "DELETE FROM auth.audit_events WHERE position = 2"}) {
    database_.Execute("TRUNCATE auth.audit_events, auth.audit_chain RESTART IDENTITY");
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(Append(Event()).ok());
    SealAll();
    ASSERT_EQ(Verify().value_or(-1), 3);
    database_.Execute(tampering);
    EXPECT_EQ(Reason(Verify().status()), "CHAIN_BROKEN") << tampering;
  }
}

TEST_F(AuditServiceTest, SealsALongBacklogCompletely) {
  for (int i = 0; i < 25; ++i) ASSERT_TRUE(Append(Event()).ok());
  // Written over many hours, while no sealer ran.
  database_.Execute(
      "UPDATE auth.audit_events SET append_time = now() - (26 - position) * interval '1 hour'");
  SealAll();
  EXPECT_EQ(Verify().value_or(-1), 25);
}

TEST(ClipTest, CutsBetweenCharacters) {
  EXPECT_EQ(Clip("abc", 3), "abc");
  EXPECT_EQ(Clip("abcd", 3), "abc");
  EXPECT_EQ(Clip("aü", 2), "a");
  EXPECT_EQ(Clip("a€€", 6), "a€");
  EXPECT_EQ(Clip(std::string("a\0b", 3), 9), "a");
}

}  // namespace
}  // namespace gatehouse::auth
