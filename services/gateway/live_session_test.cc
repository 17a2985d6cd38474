// Sockets on /api/v1/ws that the gateway serves itself.
#include <atomic>
#include <thread>
#include <vector>

#include "services/gateway/gateway_fixture.h"
#include "services/gateway/held_look_up.h"
#include "services/gateway/websocket_client.h"

namespace gatehouse::gateway {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

using Strings = std::vector<std::string>;

constexpr char kPath[] = "/api/v1/ws";

Headers Bearer(const std::string& token) { return {{"Authorization", "Bearer " + token}}; }

class LiveSessionTest : public GatewayTest {
 protected:
  LiveSessionTest() {
    EXPECT_TRUE(Eventually([&] {
      return services_.job_events.streams() > 0 && services_.billing_events.streams() > 0 &&
             services_.auth_events.streams() > 0;
    }));
  }

  WebSocketClient Open(const std::string& token, const std::string& path = kPath) {
    WebSocketClient client(gateway_.address(), path, Bearer(token));
    EXPECT_EQ(client.answer().status, 101) << client.answer().body;
    return client;
  }

  // An open socket that listens to `patterns`.
  WebSocketClient Listen(const std::string& token, const std::string& patterns) {
    WebSocketClient client = Open(token);
    Subscribe(client, patterns);
    return client;
  }
  static void Subscribe(WebSocketClient& client, const std::string& patterns,
                        const std::string& command = "subscribe") {
    client.SendText(R"({"type":"command","event":")" + command + R"(","data":{"events":)" +
                    patterns + R"(},"id":"s"})");
    EXPECT_THAT(client.Read(), StartsWith(R"({"type":"response","event":")" + command));
  }

  int Refused(const Headers& headers, const std::string& path = kPath) {
    return WebSocketClient(gateway_.address(), path, headers).answer().status;
  }

  void PushOf(const std::string& token, const std::string& type, const std::string& data) {
    services_.job_events.Push(type, 7, services_.UserId(token), data);
  }
};

TEST_F(LiveSessionTest, DeliversWhatWasSubscribedToAndNothingElse) {
  WebSocketClient client = Listen(user_, R"(["execution.*","system.alert"])");
  PushOf(user_, "instance.created", "{}");
  PushOf(user_, "execution.started", R"({"execution_id":"e1"})");
  services_.job_events.Push("system.alert", 0, "", R"({"text":"a"})");
  const std::string started = client.ReadUntil("execution.started");
  EXPECT_THAT(started, HasSubstr(R"({"type":"event","event":"execution.started",)"
                                 R"("data":{"execution_id":"e1"},"id":")"));
  EXPECT_THAT(started, HasSubstr(R"("timestamp":"2027-)"));
  EXPECT_THAT(client.Read(), HasSubstr("system.alert"));
  Subscribe(client, R"(["execution.*"])", "unsubscribe");
  PushOf(user_, "execution.failed", "{}");
  services_.job_events.Push("system.alert", 7, "", "{}");
  EXPECT_THAT(client.Read(), HasSubstr("system.alert"));
}

TEST_F(LiveSessionTest, KeepsTenantsAndUsersApart) {
  WebSocketClient user = Listen(user_, R"(["*"])");
  WebSocketClient admin = Listen(admin_, R"(["*"])");
  services_.job_events.Push("execution.started", 8, services_.UserId(user_), R"({"n":1})");
  services_.job_events.Push("execution.started", 7, "somebody", R"({"n":2})");
  services_.job_events.Push("execution.started", 8, "", R"({"n":3})");
  services_.job_events.Push("execution.started", 7, "", R"({"n":4})");
  PushOf(user_, "execution.started", R"({"n":5})");
  services_.job_events.Push("system.notification", 0, "", R"({"n":6})");
  for (const char* seen : {"4", "5", "6"}) {
    EXPECT_THAT(user.Read(), HasSubstr(R"("data":{"n":)" + std::string(seen) + "}"));
  }
  for (const char* seen : {"1", "2", "3", "4", "5", "6"}) {
    EXPECT_THAT(admin.Read(), HasSubstr(R"("data":{"n":)" + std::string(seen) + "}"));
  }
}

TEST_F(LiveSessionTest, AnswersEveryCommandAndClosesOnNone) {
  WebSocketClient client = Open(user_, "/ws");
  client.SendText(R"({"type":"command","event":"ping","id":"cmd_125"})");
  EXPECT_THAT(client.Read(), StartsWith(R"({"type":"response","event":"pong","id":"cmd_125",)"));
  client.SendText(R"({"type":"command","event":"foo","id":"f"})");
  EXPECT_THAT(client.Read(),
              StartsWith(R"({"type":"error","error":"Invalid command","data":{)"
                         R"("details":"Command 'foo' not recognized","command":"foo"},"id":"f",)"));
  client.SendText("{not json");
  EXPECT_THAT(client.Read(), StartsWith(R"({"type":"error","error":"Invalid message")"));
  client.SendBinary("\x01\x02");
  EXPECT_THAT(client.Read(), StartsWith(R"({"type":"error","error":"Invalid message")"));
  client.SendText(R"({"type":"command","event":"subscribe","id":"t","data":{"events":[")" +
                  std::string(129, 'x') + R"("]}})");
  EXPECT_THAT(client.Read(), HasSubstr(R"("error":"Invalid command")"));
  Subscribe(client, R"(["a.*"])");
  client.SendText(R"({"type":"command","event":"get_status","id":1})");
  const std::string status = client.Read();
  EXPECT_THAT(status, HasSubstr(R"("subscriptions":["a.*"],"queued":0,"dropped":0},"id":1,)"));
  EXPECT_THAT(status, HasSubstr(R"("connected_since":"20)"));
  client.SendClose(1000);
  EXPECT_EQ(client.Read(), "closed 1000");
  EXPECT_EQ(client.Read(), "end");
}

TEST_F(LiveSessionTest, SaysWhatIsWrongWithAHandshake) {
  const Answer plain = Get(kPath, user_);
  EXPECT_EQ(plain.status, 426);
  EXPECT_EQ(Code(plain), "UPGRADE_REQUIRED");
  EXPECT_EQ(plain.Get("Sec-WebSocket-Version"), "13");
  EXPECT_EQ(plain.Get("Upgrade"), "websocket");
  Headers bad = Bearer(user_);
  bad.push_back({"Sec-WebSocket-Key", "short"});
  EXPECT_EQ(Refused(bad), 400);
  Headers old = Bearer(user_);
  old.push_back({"Sec-WebSocket-Version", "8"});
  EXPECT_EQ(Refused(old), 426);
}

TEST_F(LiveSessionTest, WantsACredentialBeforeTheUpgrade) {
  EXPECT_EQ(Refused({}), 401);
  EXPECT_EQ(Refused(Bearer("ora_garbage")), 401);
  EXPECT_EQ(Refused({}, std::string(kPath) + "?token=" + user_), 401) << "never in the query";
  EXPECT_EQ(Refused({{"Sec-WebSocket-Protocol", "bearer"}}), 401);
  EXPECT_EQ(Refused({{"Sec-WebSocket-Protocol", "authorization.bearer." + user_}}), 401);
}

TEST_F(LiveSessionTest, TakesTheCredentialAsASubprotocol) {
  const WebSocketClient client(gateway_.address(), kPath,
                               {{"Sec-WebSocket-Protocol", "chat, bearer, " + user_}});
  EXPECT_EQ(client.answer().status, 101);
  EXPECT_EQ(client.answer().Get("Sec-WebSocket-Protocol"), "bearer");
  EXPECT_NE(client.answer().Get("X-Request-ID"), "");
}

TEST_F(LiveSessionTest, AsksWhereAPageComesFrom) {
  Headers foreign = Bearer(user_);
  foreign.push_back({"Origin", "https://elsewhere.example"});
  const WebSocketClient refused(gateway_.address(), kPath, foreign);
  EXPECT_EQ(refused.answer().status, 403);
  EXPECT_THAT(refused.answer().body, HasSubstr("ORIGIN_NOT_ALLOWED"));
  Headers own = Bearer(user_);
  own.push_back({"Origin", "http://" + gateway_.address()});
  EXPECT_EQ(Refused(own), 101);
  SetHot([](HotConfig& hot) { hot.cors.origins = {"https://elsewhere.example"}; });
  EXPECT_EQ(Refused(foreign), 101) << "from now on it is listed";
}

TEST_F(LiveSessionTest, TakesTheCookieOnlyOfAnOriginThatMayUseIt) {
  const Headers cookie = {{"Cookie", "access_token_cookie=" + user_},
                          {"Origin", "https://app.example"}};
  EXPECT_EQ(Refused(cookie), 403);
  SetHot([](HotConfig& hot) {
    hot.cors.origins = {"https://app.example"};
    hot.cors.credentials = true;
  });
  EXPECT_EQ(Refused(cookie), 101);
}

TEST_F(LiveSessionTest, WhatOnlyLooksLikeAnOfferDoesNotHideThatTheCookieCounts) {
  SetHot([](HotConfig& hot) { hot.cors.origins = {"*"}; });
  for (const std::string& offered : Strings{"x, bearer", "bearer", "Bearer, " + user_}) {
    EXPECT_EQ(Refused({{"Cookie", "access_token_cookie=" + user_},
                       {"Origin", "https://evil.example"},
                       {"Sec-WebSocket-Protocol", offered}}),
              403)
        << offered;
  }
  EXPECT_EQ(Refused({{"Cookie", "access_token_cookie=" + admin_},
                     {"Origin", "https://evil.example"},
                     {"Sec-WebSocket-Protocol", "x, bearer, " + user_}}),
            101);
}

TEST_F(LiveSessionTest, BoundsTheSocketsOfAUser) {
  SetHot([](HotConfig& hot) { hot.sockets_per_user_max = 2; });
  WebSocketClient first = Open(user_);
  const WebSocketClient second = Open(user_, "/ws");
  const WebSocketClient third(gateway_.address(), kPath, Bearer(user_));
  EXPECT_EQ(third.answer().status, 429);
  EXPECT_THAT(third.answer().body, HasSubstr("TOO_MANY_SOCKETS"));
  EXPECT_NE(third.answer().Get("Retry-After"), "");
  Open(admin_);
  first.SendClose(1000);
  EXPECT_TRUE(Eventually([&] { return Refused(Bearer(user_)) == 101; }))
      << "a place is free again when its socket has ended";
}

TEST_F(LiveSessionTest, EndsWithItsCredential) {
  WebSocketClient client = Listen(user_, R"(["*"])");
  auth::v1::ControlUpdate update;
  update.mutable_revocation()->set_token_id(services_.TokenId(user_));
  services_.control.Push(update);
  EXPECT_EQ(client.Read(), "closed 4401 the credential has expired or was revoked");
  EXPECT_EQ(client.Read(), "end");
}

TEST_F(LiveSessionTest, EndsWhenItsCredentialExpires) {
  const std::string token = services_.AddToken("user", {});
  services_.EditToken(token, [this](auth::v1::LookupTokenResponse& answer) {
    answer.mutable_expire_time()->set_seconds(
        std::chrono::system_clock::to_time_t(clock_.Now() + std::chrono::seconds(2)));
  });
  WebSocketClient client = Open(token);
  EXPECT_THAT(client.Read(), StartsWith("closed 4401 "));
}

TEST_F(LiveSessionTest, FollowsChangesOfRights) {
  WebSocketClient client = Listen(user_, R"(["*"])");
  const std::string subject = "user/" + services_.UserId(user_);
  services_.EditToken(user_, [](auth::v1::LookupTokenResponse& answer) {
    answer.mutable_principal()->set_role("admin");
  });
  auth::v1::ControlUpdate update;
  update.mutable_subject_change()->set_subject(subject);
  services_.control.Push(update);
  // One look-up later it sees other tenants' events.
  std::atomic<bool> is_heard = false;
  std::thread pushes([&] {
    EXPECT_TRUE(Eventually([&] {
      services_.job_events.Push("execution.started", 8, "x", "{}");
      return is_heard.load();
    }));
  });
  client.ReadUntil("execution.started");
  is_heard = true;
  pushes.join();
  services_.RemoveToken(user_);
  services_.control.Push(update);
  EXPECT_THAT(client.ReadUntil("closed"), StartsWith("closed 4401 "));
}

TEST_F(LiveSessionTest, ShowsNothingWhileItsRightsAreInDoubt) {
  WebSocketClient client = Listen(admin_, R"(["*"])");
  HeldLookUp held(services_, admin_, [](auth::v1::LookupTokenResponse& answer) {
    answer.mutable_principal()->set_role("user");
  });
  ASSERT_TRUE(held.AwaitAsked());
  services_.job_events.Push("execution.started", 8, "", R"({"n":1})");
  EXPECT_TRUE(Eventually([&] {
    client.SendText(R"({"type":"command","event":"get_status"})");
    const std::string status = client.Read();
    EXPECT_THAT(status, testing::Not(HasSubstr("execution.started")));
    return status.find(R"("dropped":1)") != std::string::npos;
  }));
  held.Release();
  EXPECT_THAT(client.Read(), HasSubstr(R"("event":"gap","data":{"dropped":null})"));
  services_.job_events.Push("execution.started", 8, "", R"({"n":2})");
  services_.job_events.Push("execution.started", 7, "", R"({"n":3})");
  EXPECT_THAT(client.Read(), HasSubstr(R"("data":{"n":3})"));
}

TEST_F(LiveSessionTest, TellsASlowReaderWhatItHasMissed) {
  WebSocketClient client(gateway_.address(), kPath, Bearer(user_), 4096);
  Subscribe(client, R"(["*"])");
  WebSocketClient fast = Listen(user_, R"(["*"])");
  const std::string data = R"({"text":")" + std::string(60000, 'x') + R"("})";
  // It reads only when everything has been said.
  for (int i = 0; i < 150; ++i) {
    PushOf(user_, "execution.progress", data);
    ASSERT_THAT(fast.Read(), HasSubstr("execution.progress"));
  }
  const std::string gap = client.ReadUntil(R"("event":"gap")");
  EXPECT_THAT(gap, HasSubstr(R"("data":{"dropped":)"));
  EXPECT_THAT(gap, testing::Not(HasSubstr(R"("dropped":0)")));
  PushOf(user_, "execution.completed", "{}");
  EXPECT_THAT(client.Read(), HasSubstr("execution.completed"));
}

TEST_F(LiveSessionTest, PassesOnThatTheHubItselfHasAGap) {
  WebSocketClient client = Listen(user_, R"(["execution.*"])");
  services_.job_events.Forget();
  EXPECT_THAT(client.Read(), HasSubstr(R"("event":"gap","data":{"dropped":null})"));
}

TEST_F(LiveSessionTest, GoesAwayWithinAShortGraceTime) {
  std::vector<WebSocketClient> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(Open(user_));
  std::thread drain([&] { gateway_.Drain(std::chrono::milliseconds(2000)); });
  for (WebSocketClient& client : clients) EXPECT_THAT(client.Read(), StartsWith("closed 1001 "));
  drain.join();
}

TEST_F(LiveSessionTest, GoesAwayInTheDrainAtAMomentOfItsOwn) {
  WebSocketClient client = Open(user_);
  std::thread drain([&] { gateway_.Drain(std::chrono::seconds(10)); });
  EXPECT_THAT(client.Read(), StartsWith("closed 1001 "));
  drain.join();
}

}  // namespace
}  // namespace gatehouse::gateway
