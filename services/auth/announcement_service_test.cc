#include "services/auth/announcement_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gatehouse/auth/v1/announcement.methods.h"
#include "libs/base/uuid.h"
#include "services/auth/auth_testing.h"

namespace gatehouse::auth {
namespace {

using testing::As;
using Request = v1::CreateAnnouncementRequest;

Request RequestOf(v1::AnnouncementType type, const std::string& message) {
  Request request;
  request.set_type(type);
  request.set_message(message);
  return request;
}

class AnnouncementServiceTest : public ::testing::Test {
 protected:
  absl::StatusOr<v1::Announcement> Announce(const Request& request) {
    return Announce(request, As(admin_, "root", "admin"));
  }
  absl::StatusOr<v1::Announcement> Announce(const Request& request, const rpc::CallOptions& as) {
    return server_.gateway().Call(v1::AnnouncementService::kCreateAnnouncement, request, as);
  }

  // One column of the only event.
  std::string Event(const std::string& column) {
    EXPECT_EQ(database_.Count("auth.events"), 1);
    return database_.Select("SELECT " + column + " FROM auth.events");
  }
  std::int64_t TenantOf(const std::string& user_id) {
    return std::stoll(
        database_.Select("SELECT tenant_id FROM auth.users WHERE id = '" + user_id + "'"));
  }
  void ExpectNothingDone() {
    EXPECT_EQ(database_.Count("auth.events"), 0);
    EXPECT_EQ(database_.Count("auth.audit_events WHERE type = 'announcement_created'"), 0);
  }

  testing::AuthDatabase database_;
  testing::AuthServer server_{database_};
  const std::string admin_ = database_.AddUser("root", "admin");
  const std::string ada_ = database_.AddUser("ada");
  const std::string bob_ = database_.AddUser("bob");
};

TEST_F(AnnouncementServiceTest, BecomesAnEventForEverybodyWithItsAuditEvent) {
  const auto made = Announce(RequestOf(v1::ANNOUNCEMENT_TYPE_NOTIFICATION, "Grüße, \"all\""));
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_TRUE(IsUuid(made->id()));
  EXPECT_EQ(made->message(), "Grüße, \"all\"");
  EXPECT_EQ(made->tenant_id(), 0);
  EXPECT_FALSE(made->has_enabled());
  EXPECT_GT(made->create_time().seconds(), 1'700'000'000);
  EXPECT_EQ(Event("type"), "system.notification");
  EXPECT_EQ(Event("tenant_id"), "0");
  EXPECT_EQ(Event("user_id"), "");
  EXPECT_EQ(Event("subject"), "announcement/" + made->id());
  EXPECT_EQ(Event("data->>'message'"), "Grüße, \"all\"");
  EXPECT_EQ(Event("data->>'id'"), made->id());
  EXPECT_EQ(Event("data ? 'enabled'"), "f");
  EXPECT_EQ(database_.Count("auth.audit_events WHERE type = 'announcement_created' AND success"
                            " AND actor_username = 'root' AND target = 'announcement/" +
                            made->id() + "'"),
            1);
}

TEST_F(AnnouncementServiceTest, MaintenanceIsOnUnlessItSaysOff) {
  const auto on = Announce(RequestOf(v1::ANNOUNCEMENT_TYPE_MAINTENANCE, "soon"));
  ASSERT_TRUE(on.ok()) << on.status();
  EXPECT_TRUE(on->enabled());
  EXPECT_EQ(Event("type"), "system.maintenance");
  EXPECT_EQ(Event("data->'enabled'"), "true");
  database_.Execute("DELETE FROM auth.events");
  Request request = RequestOf(v1::ANNOUNCEMENT_TYPE_MAINTENANCE, "over");
  request.set_enabled(false);
  const auto off = Announce(request);
  ASSERT_TRUE(off.ok()) << off.status();
  EXPECT_TRUE(off->has_enabled());
  EXPECT_FALSE(off->enabled());
  EXPECT_EQ(Event("data->'enabled'"), "false");
}

TEST_F(AnnouncementServiceTest, CanBeForATenantOrAUser) {
  Request request = RequestOf(v1::ANNOUNCEMENT_TYPE_ALERT, "look");
  request.set_tenant_id(TenantOf(ada_));
  ASSERT_TRUE(Announce(request).ok());
  EXPECT_EQ(Event("type"), "system.alert");
  EXPECT_EQ(Event("tenant_id"), std::to_string(TenantOf(ada_)));
  EXPECT_EQ(Event("user_id"), "");
  database_.Execute("DELETE FROM auth.events");
  request.clear_tenant_id();
  request.set_user(database_.Select("SELECT number FROM auth.users WHERE username = 'ada'"));
  const auto made = Announce(request);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->user_id(), ada_);
  EXPECT_EQ(made->tenant_id(), TenantOf(ada_)) << "the user's own";
  EXPECT_EQ(Event("user_id"), ada_);
  EXPECT_EQ(Event("tenant_id"), std::to_string(TenantOf(ada_)));
}

TEST_F(AnnouncementServiceTest, NobodyIsTheAudienceOfNothing) {
  Request request = RequestOf(v1::ANNOUNCEMENT_TYPE_ALERT, "look");
  request.set_tenant_id(999'999'999);
  EXPECT_EQ(Reason(Announce(request).status()), "TENANT_NOT_FOUND");
  request.set_tenant_id(TenantOf(ada_));
  request.set_user(bob_);
  EXPECT_EQ(Reason(Announce(request).status()), "USER_NOT_FOUND") << "of another tenant";
  request.set_user("nobody");
  EXPECT_EQ(Reason(Announce(request).status()), "USER_NOT_FOUND");
  ExpectNothingDone();
}

TEST_F(AnnouncementServiceTest, OnlyAdministratorsAnnounce) {
  const Request request = RequestOf(v1::ANNOUNCEMENT_TYPE_NOTIFICATION, "hello");
  const absl::Status refused = Announce(request, As(ada_, "ada")).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Reason(refused), "ADMIN_REQUIRED");
  rpc::CallOptions narrowed = As(admin_, "root", "admin");
  narrowed.principal.set_is_narrowed(true);
  narrowed.principal.add_scopes("manage_users");
  EXPECT_EQ(Reason(Announce(request, narrowed).status()), "ADMIN_REQUIRED");
  rpc::CallOptions dead = As(admin_, "root", "admin");
  dead.principal.set_credential_id(UuidV7());
  EXPECT_EQ(Reason(Announce(request, dead).status()), "CREDENTIALS_INVALID");
  const auto by_jobs =
      server_.client("jobs").Call(v1::AnnouncementService::kCreateAnnouncement, request);
  EXPECT_EQ(Reason(by_jobs.status()), "CALLER_NOT_ALLOWED");
  ExpectNothingDone();
}

TEST_F(AnnouncementServiceTest, RefusesWhatCannotBeAnnounced) {
  std::string longest;
  for (int i = 0; i < 2000; ++i) longest += "ü";
  EXPECT_TRUE(Announce(RequestOf(v1::ANNOUNCEMENT_TYPE_NOTIFICATION, longest)).ok());
  database_.Execute("DELETE FROM auth.events; DELETE FROM auth.audit_events");
  const auto refused = [&](const Request& request) {
    const absl::Status status = Announce(request).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(Reason(status), "ANNOUNCEMENT_INVALID");
  };
  refused(RequestOf(v1::ANNOUNCEMENT_TYPE_UNSPECIFIED, "hello"));
  refused(RequestOf(static_cast<v1::AnnouncementType>(17), "hello"));
  refused(RequestOf(v1::ANNOUNCEMENT_TYPE_NOTIFICATION, ""));
  refused(RequestOf(v1::ANNOUNCEMENT_TYPE_NOTIFICATION, longest + "x"));
  refused(RequestOf(v1::ANNOUNCEMENT_TYPE_NOTIFICATION, std::string("a\0b", 3)));
  Request request = RequestOf(v1::ANNOUNCEMENT_TYPE_ALERT, "hello");
  request.set_enabled(true);
  refused(request);
  request.clear_enabled();
  request.set_tenant_id(-1);
  refused(request);
  ExpectNothingDone();
}

}  // namespace
}  // namespace gatehouse::auth
