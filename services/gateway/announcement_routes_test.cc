// /api/admin/announcements.
#include "services/gateway/gateway_fixture.h"

namespace gatehouse::gateway {
namespace {

using ::testing::HasSubstr;

constexpr char kPath[] = "/api/admin/announcements/";
constexpr char kHello[] = R"({"type":"notification","message":"hello"})";

class AnnouncementRoutesTest : public GatewayTest {
 protected:
  AnnouncementRoutesTest() {
    services_.create_announcement.Do([](const auth::v1::CreateAnnouncementRequest& request) {
      auth::v1::Announcement made;
      made.set_id("0198c0de-0000-7000-8000-000000000001");
      made.set_type(request.type());
      made.set_message(request.message());
      made.set_tenant_id(request.tenant_id());
      made.mutable_create_time()->set_seconds(1'800'000'000);
      return made;
    });
  }

  auth::v1::CreateAnnouncementRequest Last() const { return services_.create_announcement.last(); }
};

TEST_F(AnnouncementRoutesTest, AnnouncesToEverybody) {
  const Answer answer = Post(kPath, admin_, kHello);
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.body,
            R"({"id":"0198c0de-0000-7000-8000-000000000001","type":"notification",)"
            R"("message":"hello","tenant_id":null,"create_time":"2027-01-15T08:00:00.000000Z"})");
  EXPECT_EQ(Last().type(), auth::v1::ANNOUNCEMENT_TYPE_NOTIFICATION);
  EXPECT_FALSE(Last().has_enabled());
  EXPECT_EQ(services_.create_announcement.principal().role(), "admin");
  const auth::v1::AuditEvent event = services_.append_audit.last().event();
  EXPECT_EQ(event.type(), "admin_action");
  EXPECT_EQ(event.details_json(), R"({"action":"announcement_created","type":"notification"})");
}

TEST_F(AnnouncementRoutesTest, AnnouncesToATenantOrAUserAndMaintenanceCanEnd) {
  const Answer answer = Post(kPath, admin_,
                             R"({"type":"maintenance","message":"over","enabled":false,)"
                             R"("tenant_id":7,"user_id":"41"})");
  EXPECT_EQ(answer.status, 201) << answer.body;
  EXPECT_THAT(answer.body, HasSubstr(R"("tenant_id":7)"));
  EXPECT_EQ(Last().type(), auth::v1::ANNOUNCEMENT_TYPE_MAINTENANCE);
  EXPECT_TRUE(Last().has_enabled());
  EXPECT_FALSE(Last().enabled());
  EXPECT_EQ(Last().tenant_id(), 7);
  EXPECT_EQ(Last().user(), "41");
  EXPECT_EQ(services_.append_audit.last().event().tenant_id(), 7);
}

TEST_F(AnnouncementRoutesTest, OnlyAdministratorsMay) {
  const std::string moderator = services_.AddToken("moderator", {"manage_users", "manage_auth"});
  EXPECT_EQ(Post(kPath, "", kHello).status, 401);
  EXPECT_EQ(Post(kPath, user_, kHello).status, 403);
  EXPECT_EQ(Post(kPath, moderator, kHello).status, 403);
  EXPECT_EQ(services_.create_announcement.calls() + services_.append_audit.calls(), 0u);
}

TEST_F(AnnouncementRoutesTest, TellsEveryFieldThatIsWrong) {
  const Answer answer =
      Post(kPath, admin_, R"({"type":"news","message":"","enabled":true,"tenant_id":0,"x":1})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(Code(answer), "VALIDATION_FAILED");
  for (const char* field : {"type", "message", "enabled", "tenant_id", "x"}) {
    EXPECT_THAT(answer.body, HasSubstr(std::string(R"("field":")") + field));
  }
  EXPECT_EQ(Post(kPath, admin_, "").status, 400);
  const std::string longest(2000, 'm');
  EXPECT_EQ(Post(kPath, admin_, R"({"type":"alert","message":")" + longest + "\"}").status, 201);
  EXPECT_EQ(Post(kPath, admin_, R"({"type":"alert","message":")" + longest + "m\"}").status, 400);
  EXPECT_EQ(services_.create_announcement.calls(), 1u);
}

TEST_F(AnnouncementRoutesTest, WhatAuthRefusesIsAuditedAsNotDone) {
  services_.create_announcement.Fail(
      Error(absl::StatusCode::kNotFound, "TENANT_NOT_FOUND", "there is no such tenant"));
  const Answer answer = Post(kPath, admin_, R"({"type":"alert","message":"look","tenant_id":99})");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(Code(answer), "TENANT_NOT_FOUND");
  ASSERT_TRUE(Eventually([&] { return services_.append_audit.calls() == 2; }));
  EXPECT_FALSE(services_.append_audit.last().event().success());
}

TEST_F(AnnouncementRoutesTest, NothingIsAnnouncedUnaudited) {
  services_.append_audit.Fail(absl::UnavailableError("x"));
  const Answer answer = Post(kPath, admin_, kHello);
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(Code(answer), "AUDIT_UNAVAILABLE");
  EXPECT_EQ(services_.create_announcement.calls(), 0u);
}

}  // namespace
}  // namespace gatehouse::gateway
