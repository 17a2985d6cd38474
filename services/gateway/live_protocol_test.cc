#include "services/gateway/live_protocol.h"

#include <gtest/gtest.h>

#include "libs/base/time_text.h"

namespace gatehouse::gateway {
namespace {

const Time kNow = *ParseTime("2026-11-21T10:00:00Z");
constexpr char kStamp[] = R"("timestamp":"2026-11-21T10:00:00.000000Z"})";

TEST(MatchesPattern, IsExactOrAPrefixBeforeDotStar) {
  EXPECT_TRUE(MatchesPattern("execution.completed", "execution.completed"));
  EXPECT_FALSE(MatchesPattern("execution.complete", "execution.completed"));
  EXPECT_FALSE(MatchesPattern("execution", "execution.completed"));
  EXPECT_TRUE(MatchesPattern("execution.*", "execution.completed"));
  EXPECT_TRUE(MatchesPattern("instance.*", "instance.status.changed"));
  EXPECT_TRUE(MatchesPattern("instance.status.*", "instance.status.changed"));
  EXPECT_FALSE(MatchesPattern("instance.status.*", "instance.status"));
  EXPECT_FALSE(MatchesPattern("instance.status.*", "instance.status."));
  EXPECT_FALSE(MatchesPattern("inst*", "instance.created")) << "a star stands behind a dot only";
  EXPECT_FALSE(MatchesPattern("*.completed", "execution.completed"));
  EXPECT_TRUE(MatchesPattern("*", "anything.at.all"));
  EXPECT_FALSE(MatchesPattern("", "system.alert"));
}

TEST(Subscriptions, KeepEachPatternOnceInOrder) {
  Subscriptions subscriptions;
  EXPECT_FALSE(subscriptions.Wants("system.alert"));
  EXPECT_EQ(subscriptions.Add({"system.*", "execution.failed", "system.*"}), "");
  EXPECT_EQ(subscriptions.patterns(), (std::vector<std::string>{"system.*", "execution.failed"}));
  EXPECT_TRUE(subscriptions.Wants("system.alert"));
  EXPECT_TRUE(subscriptions.Wants("execution.failed"));
  EXPECT_FALSE(subscriptions.Wants("execution.started"));
  subscriptions.Remove({"system.*", "unknown"});
  EXPECT_FALSE(subscriptions.Wants("system.alert"));
}

TEST(Subscriptions, RefuseTooManyAndTooLongOnesWhole) {
  Subscriptions subscriptions;
  std::vector<std::string> many;
  for (int i = 0; i < 99; ++i) many.push_back("event." + std::to_string(i));
  EXPECT_EQ(subscriptions.Add(many), "");
  EXPECT_NE(subscriptions.Add({"a", "b"}), "");
  EXPECT_EQ(subscriptions.patterns().size(), 99u) << "nothing of a refused list stays";
  EXPECT_EQ(subscriptions.Add({"a", "event.1"}), "");
  EXPECT_NE(subscriptions.Add({"b"}), "");
  EXPECT_EQ(Subscriptions().Add({std::string(128, 'x')}), "");
  EXPECT_NE(Subscriptions().Add({std::string(129, 'x')}), "");
  EXPECT_NE(Subscriptions().Add({""}), "");
}

type::v1::Principal User(const std::string& role, std::int64_t tenant, const std::string& id) {
  type::v1::Principal principal;
  principal.set_role(role);
  principal.set_tenant_id(tenant);
  principal.set_user_id(id);
  return principal;
}

LiveEvent Event(std::int64_t tenant, const std::string& user) {
  LiveEvent event;
  event.tenant_id = tenant;
  event.user_id = user;
  event.type = "execution.completed";
  return event;
}

TEST(MaySee, IsBoundedByTenantAndUser) {
  const type::v1::Principal ada = User("user", 7, "ada");
  EXPECT_TRUE(MaySee(ada, Event(7, "ada")));
  EXPECT_TRUE(MaySee(ada, Event(7, "")));
  EXPECT_TRUE(MaySee(ada, Event(0, "")));
  EXPECT_FALSE(MaySee(ada, Event(7, "bob")));
  EXPECT_FALSE(MaySee(ada, Event(8, "ada")));
  EXPECT_FALSE(MaySee(ada, Event(8, "")));
  EXPECT_FALSE(MaySee(ada, Event(0, "bob")));
  EXPECT_FALSE(MaySee(User("moderator", 7, "mo"), Event(7, "ada")));
  EXPECT_TRUE(MaySee(User("admin", 1, "root"), Event(7, "ada")));
  EXPECT_FALSE(MaySee(User("user", 0, "nobody"), Event(7, "")));
}

TEST(ParseCommand, ReadsTheDocumentsSample) {
  const LiveCommand command = ParseCommand(
      R"({"type":"command","event":"subscribe",)"
      R"("data":{"events":["instance.status.*","execution.complete"]},"id":"cmd_123"})");
  EXPECT_TRUE(command.is_frame);
  EXPECT_EQ(command.problem, "");
  EXPECT_EQ(command.name, "subscribe");
  EXPECT_EQ(command.id_json, R"("cmd_123")");
  EXPECT_EQ(command.events, (std::vector<std::string>{"instance.status.*", "execution.complete"}));
}

TEST(ParseCommand, GivesIdsBackAsTheyCame) {
  EXPECT_EQ(ParseCommand(R"({"type":"command","event":"ping","id":17})").id_json, "17");
  EXPECT_EQ(ParseCommand(R"({"type":"command","event":"ping","id":"a\"b"})").id_json, R"("a\"b")");
  EXPECT_EQ(ParseCommand(R"({"type":"command","event":"ping"})").id_json, "");
  EXPECT_EQ(ParseCommand(R"({"type":"command","event":"ping","id":null})").id_json, "");
  EXPECT_NE(ParseCommand(R"({"type":"command","event":"ping","id":{"a":1}})").problem, "");
  const std::string long_id(129, 'i');
  EXPECT_NE(ParseCommand(R"({"type":"command","event":"ping","id":")" + long_id + "\"}").problem,
            "");
}

TEST(ParseCommand, KnowsWhatIsNoFrame) {
  for (const char* text :
       {"", "ping", "[]", "{", "17", R"({"type":"command"})", R"({"event":"ping"})",
        R"({"type":"event","event":"ping"})", R"({"type":"command","event":7})",
        R"({"type":"command","event":"ping","event":"ping"})"}) {
    EXPECT_FALSE(ParseCommand(text).is_frame) << text;
    EXPECT_NE(ParseCommand(text).problem, "") << text;
  }
}

TEST(ParseCommand, WantsAListOfTextsToSubscribeTo) {
  const std::string begin = R"({"type":"command","event":"subscribe","id":"1")";
  for (const char* data : {"", R"(,"data":{})", R"(,"data":[])", R"(,"data":{"events":"a"})",
                           R"(,"data":{"events":["a",1]})", R"(,"data":{"events":[["a"]]})",
                           R"(,"data":{"events":{"a":1}})"}) {
    const LiveCommand command = ParseCommand(begin + data + "}");
    EXPECT_TRUE(command.is_frame) << data;
    EXPECT_NE(command.problem, "") << data;
  }
  EXPECT_EQ(ParseCommand(begin + R"(,"data":{"events":[]}})").problem, "");
}

TEST(Frames, HaveTheMembersOfTheContract) {
  LiveCommand command;
  command.name = "subscribe";
  command.id_json = R"("cmd_1")";
  Subscriptions subscriptions;
  ASSERT_EQ(subscriptions.Add({"system.*", "a\"b"}), "");
  EXPECT_EQ(SubscribedFrame(command, subscriptions, kNow),
            R"({"type":"response","event":"subscribe","data":{"events":["system.*","a\"b"]},)"
            R"("id":"cmd_1",)" +
                std::string(kStamp));
  EXPECT_EQ(PongFrame(command, kNow),
            R"({"type":"response","event":"pong","id":"cmd_1",)" + std::string(kStamp));
  EXPECT_EQ(StatusFrame(command, subscriptions, {kNow, 12, 3}, kNow),
            R"({"type":"response","event":"get_status","data":{)"
            R"("connected_since":"2026-11-21T10:00:00.000000Z",)"
            R"("subscriptions":["system.*","a\"b"],"queued":12,"dropped":3},"id":"cmd_1",)" +
                std::string(kStamp));
  command.name = "foo";
  EXPECT_EQ(ErrorFrame("Invalid command", "Command 'foo' not recognized", command, kNow),
            R"({"type":"error","error":"Invalid command",)"
            R"("data":{"details":"Command 'foo' not recognized","command":"foo"},"id":"cmd_1",)" +
                std::string(kStamp));
}

TEST(Frames, TellEventsAndGaps) {
  LiveEvent event = Event(7, "ada");
  event.data_json = R"({"execution_id":"x","status":"success"})";
  event.time = "2026-11-21T09:59:59.500000Z";
  event.position = "j1.2.3";
  EXPECT_EQ(EventFrame(event), R"({"type":"event","event":"execution.completed",)"
                               R"("data":{"execution_id":"x","status":"success"},"id":"j1.2.3",)"
                               R"("timestamp":"2026-11-21T09:59:59.500000Z"})");
  EXPECT_EQ(GapFrame(4, kNow),
            R"({"type":"event","event":"gap","data":{"dropped":4},)" + std::string(kStamp));
  EXPECT_EQ(GapFrame(std::nullopt, kNow),
            R"({"type":"event","event":"gap","data":{"dropped":null},)" + std::string(kStamp));
}

}  // namespace
}  // namespace gatehouse::gateway
