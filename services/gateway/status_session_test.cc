// Sockets on /api/v1/ws/status.
#include "services/gateway/status_session.h"

#include "services/gateway/credential.h"
#include "services/gateway/gateway_fixture.h"
#include "services/gateway/websocket_client.h"

namespace gatehouse::gateway {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class StatusSessionTest : public GatewayTest {
 protected:
  WebSocketClient Open(const std::string& query, const Headers& headers = {}) {
    return {gateway_.address(), kStatusSocketPath + query, headers};
  }
};

TEST_F(StatusSessionTest, BeginsWithTheStatusAndTalks) {
  WebSocketClient client = Open("?token=" + user_);
  EXPECT_EQ(client.answer().status, 101);
  const std::string initial = client.Read();
  EXPECT_THAT(initial, StartsWith(R"({"type":"initial_status","timestamp":"20)"));
  EXPECT_THAT(initial, testing::EndsWith(R"(,"data":null})"));
  for (const char* ping : {"ping", "PING", "Ping"}) {
    client.SendText(ping);
    EXPECT_EQ(client.Read(), "pong");
  }
  client.SendText("hello \"you\"");
  EXPECT_EQ(client.Read(), R"({"type":"echo","message":"hello \"you\""})");
  client.SendClose(1000);
  EXPECT_EQ(client.Read(), "closed 1000");
}

TEST_F(StatusSessionTest, TellsEveryChangeToAll) {
  WebSocketClient first = Open("?token=" + user_);
  WebSocketClient second = Open("?token=" + admin_);
  EXPECT_THAT(first.Read(), HasSubstr("initial_status"));
  EXPECT_THAT(second.Read(), HasSubstr("initial_status"));
  gateway_.sockets().status().Set(R"({"bridge_status":"online"})");
  for (WebSocketClient* client : {&first, &second}) {
    const std::string update = client->Read();
    EXPECT_THAT(update, StartsWith(R"({"type":"status_update","timestamp":"20)"));
    EXPECT_THAT(update, testing::EndsWith(R"(,"data":{"bridge_status":"online"}})"));
  }
  WebSocketClient third = Open("?token=" + user_);
  EXPECT_THAT(third.Read(), testing::EndsWith(R"(,"data":{"bridge_status":"online"}})"));
}

TEST_F(StatusSessionTest, TakesItsCredentialInFourWays) {
  EXPECT_EQ(Open("", {{"Authorization", "Bearer " + user_}}).answer().status, 101);
  EXPECT_EQ(Open("?x=1&token=" + user_).answer().status, 101);
  EXPECT_EQ(Open("", {{"Sec-WebSocket-Protocol", "bearer, " + user_}})
                .answer()
                .Get("Sec-WebSocket-Protocol"),
            "bearer");
  const std::string offer = "authorization.bearer." + user_;
  const WebSocketClient client = Open("", {{"Sec-WebSocket-Protocol", offer}});
  EXPECT_EQ(client.answer().status, 101);
  EXPECT_EQ(client.answer().Get("Sec-WebSocket-Protocol"), offer);
}

TEST_F(StatusSessionTest, RefusesAtTheHandshake) {
  EXPECT_EQ(Open("").answer().status, 401);
  EXPECT_EQ(Open("?token=ora_garbage").answer().status, 401);
  EXPECT_EQ(Open("?token=" + user_ + "&token=" + user_).answer().status, 401);
  EXPECT_THAT(Open("?token=ora_garbage").answer().body, HasSubstr(R"("detail":")"));
  EXPECT_EQ(Open("?token=" + user_, {{"Origin", "https://x.example"}}).answer().status, 403);
}

TEST_F(StatusSessionTest, ACookieBesideAnotherCredentialAsksForNoMore) {
  SetHot([](HotConfig& hot) { hot.cors.origins = {"https://app.example"}; });
  const Headers page = {{"Cookie", "access_token_cookie=" + user_},
                        {"Origin", "https://app.example"}};
  EXPECT_EQ(Open("", page).answer().status, 403) << "the cookie alone";
  EXPECT_EQ(Open("?token=" + user_, page).answer().status, 101);
  Headers offers = page;
  offers.push_back({"Sec-WebSocket-Protocol", "authorization.bearer." + user_});
  EXPECT_EQ(Open("", offers).answer().status, 101);
}

TEST_F(StatusSessionTest, EndsWithItsCredentialByItsOwnCode) {
  WebSocketClient client = Open("?token=" + user_);
  auth::v1::ControlUpdate update;
  update.mutable_revocation()->set_token_id(services_.TokenId(user_));
  services_.control.Push(update);
  EXPECT_THAT(client.ReadUntil("closed"), StartsWith("closed 4001 "));
}

}  // namespace
}  // namespace gatehouse::gateway
