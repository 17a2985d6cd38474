#include "services/auth/user_change.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gatehouse::auth {
namespace {

using ::testing::ElementsAre;

User Ada() {
  User user;
  user.id = "0198c0de-0000-7000-8000-00000000ada0";
  user.username = "ada";
  user.email = "ada@example.com";
  user.tenant.id = 3;
  user.role = "user";
  return user;
}

User Root() {
  User user;
  user.id = "0198c0de-0000-7000-8000-000000000001";
  user.role = "admin";
  return user;
}

const User kAda = Ada();
const User kRoot = Root();

std::string ReasonOf(UserChange change) { return Reason(CheckChange(change)); }

std::vector<std::string> TypesOf(const std::vector<ChangeEvent>& events) {
  std::vector<std::string> types;
  for (const ChangeEvent& event : events) types.push_back(event.type);
  return types;
}

TEST(UserChangeTest, AnEmptyChangeAndEveryFieldAtItsLimitAreFine) {
  EXPECT_EQ(ReasonOf({}), "");
  EXPECT_EQ(ReasonOf({.username = "Ada_L",
                      .email = "ada@example.org",
                      .role = "moderator",
                      .is_active = false,
                      .disable_reason = std::string(512, 'r'),
                      .tenant_id = 1,
                      .rate_limit_per_second = 10000,
                      .rate_limit_burst = 0,
                      .first_name = std::string(150, 'f'),
                      .last_name = std::string(150, 'l'),
                      .settings_json = "{}",
                      .notes = std::string(2000, 'n'),
                      .stripe_customer_id = std::string(255, 's')}),
            "");
}

TEST(UserChangeTest, EveryFieldIsChecked) {
  EXPECT_EQ(ReasonOf({.username = "a b"}), "USERNAME_INVALID");
  EXPECT_EQ(ReasonOf({.email = "ada"}), "EMAIL_INVALID");
  EXPECT_EQ(ReasonOf({.role = "root"}), "ROLE_UNKNOWN");
  EXPECT_EQ(ReasonOf({.role = ""}), "ROLE_UNKNOWN");
  EXPECT_EQ(ReasonOf({.disable_reason = std::string(513, 'r')}), "TEXT_INVALID");
  EXPECT_EQ(ReasonOf({.rate_limit_per_second = -1}), "RATE_OUT_OF_RANGE");
  EXPECT_EQ(ReasonOf({.rate_limit_burst = 10001}), "RATE_OUT_OF_RANGE");
  EXPECT_EQ(ReasonOf({.first_name = std::string(151, 'f')}), "NAME_INVALID");
  EXPECT_EQ(ReasonOf({.last_name = std::string("a\0b", 3)}), "NAME_INVALID");
  EXPECT_EQ(ReasonOf({.notes = std::string(2001, 'n')}), "TEXT_INVALID");
  EXPECT_EQ(ReasonOf({.notes = std::string(1, '\0')}), "TEXT_INVALID");
  EXPECT_EQ(ReasonOf({.stripe_customer_id = std::string(256, 's')}), "TEXT_INVALID");
  UserChange change{.first_name = std::string(151, 'f')};
  EXPECT_EQ(FieldViolations(CheckChange(change)).count("first_name"), 1u);
}

TEST(UserChangeTest, SettingsAreAnObjectThatTheDatabaseCanHold) {
  for (const std::string& settings :
       {std::string(""), std::string("[]"), std::string("1"), std::string("{"),
        std::string("{} {}"), std::string(R"({"a":"\u0000"})"), std::string(R"({"\u0000":1})"),
        std::string(R"({"a":[{"b":"\u0000"}]})"), std::string(R"({"a":1e999999})"),
        R"({"a":")" + std::string(16384, 'x') + "\"}",
        R"({"a":)" + std::string(20, '[') + std::string(20, ']') + "}"}) {
    EXPECT_EQ(ReasonOf({.settings_json = settings}), "SETTINGS_INVALID") << settings.substr(0, 40);
  }
  UserChange change{.settings_json = " { \"a\" : [ 1, 2.5, null, true, \"\\u00fc\" ] } "};
  ASSERT_TRUE(CheckChange(change).ok());
  EXPECT_EQ(*change.settings_json, R"({"a":[1,2.5E0,null,true,"ü"]})") << "one form";
}

TEST(UserChangeTest, RatesOfANewUserMustBePositive) {
  EXPECT_TRUE(CheckRate("rate_limit_burst", 1).ok());
  EXPECT_EQ(Reason(CheckRate("rate_limit_burst", 0)), "RATE_OUT_OF_RANGE");
}

TEST(UserChangeTest, WhatIsSoAlreadyIsNoChange) {
  const UserChange same = Effective(kAda, {.username = "ada",
                                           .email = "ada@example.com",
                                           .role = "user",
                                           .is_active = true,
                                           .disable_reason = "",
                                           .tenant_id = 3,
                                           .first_name = "",
                                           .last_name = "",
                                           .notes = "",
                                           .stripe_customer_id = ""});
  EXPECT_TRUE(IsEmpty(same));
  EXPECT_FALSE(IsEmpty(Effective(kAda, {.username = "ADA"}))) << "another spelling";
  EXPECT_FALSE(IsEmpty(Effective(kAda, {.settings_json = "{}"})));
  EXPECT_FALSE(IsEmpty(Effective(kAda, {.password = "p"})));
  EXPECT_FALSE(IsEmpty(Effective(kAda, {.rate_limit_burst = 0})));
}

TEST(UserChangeTest, TheReasonOfABlockEndsWithIt) {
  User blocked = kAda;
  blocked.is_active = false;
  blocked.disable_reason = "spam";
  EXPECT_EQ(Effective(blocked, {.is_active = true}).disable_reason, "");
  EXPECT_EQ(Effective(blocked, {.is_active = true, .disable_reason = "was wrong"}).disable_reason,
            "was wrong");
  EXPECT_EQ(Effective(blocked, {.is_active = false}).disable_reason, std::nullopt);
}

TEST(UserChangeTest, RoleTenantPasswordAndBlockKillCredentials) {
  EXPECT_TRUE(KillsCredentials({.role = "moderator"}));
  EXPECT_TRUE(KillsCredentials({.tenant_id = 4}));
  EXPECT_TRUE(KillsCredentials({.password = "p"}));
  EXPECT_TRUE(KillsCredentials({.is_active = false}));
  EXPECT_FALSE(KillsCredentials({.is_active = true}));
  EXPECT_FALSE(KillsCredentials({.username = "b", .email = "c", .rate_limit_burst = 1}));
}

TEST(UserChangeTest, GatewaysHearOfNamesAndRates) {
  EXPECT_TRUE(IsVisible({.username = "b"}));
  EXPECT_TRUE(IsVisible({.email = "b"}));
  EXPECT_TRUE(IsVisible({.rate_limit_per_second = 0}));
  EXPECT_TRUE(IsVisible({.rate_limit_burst = 0}));
  EXPECT_TRUE(IsVisible({.first_name = "b"}));
  EXPECT_TRUE(IsVisible({.last_name = "b"}));
  EXPECT_FALSE(IsVisible({.is_active = true, .settings_json = "{}", .notes = "n"}));
}

TEST(UserChangeTest, TheLastActiveAdminStays) {
  const std::string other = kAda.id;
  for (const UserChange& change : {UserChange{.role = "user"}, UserChange{.is_active = false}}) {
    EXPECT_EQ(Reason(CheckLeavesAnAdmin(kRoot, change, {kRoot.id})), "LAST_ADMIN");
    EXPECT_TRUE(CheckLeavesAnAdmin(kRoot, change, {other, kRoot.id}).ok());
    EXPECT_TRUE(CheckLeavesAnAdmin(kAda, change, {kRoot.id}).ok()) << "is none";
  }
  EXPECT_TRUE(CheckLeavesAnAdmin(kRoot, {.username = "b"}, {kRoot.id}).ok());
  EXPECT_TRUE(CheckLeavesAnAdmin(kRoot, {.role = "admin"}, {kRoot.id}).ok());
  User disabled = kRoot;
  disabled.is_active = false;
  EXPECT_TRUE(CheckLeavesAnAdmin(disabled, {.role = "user"}, {other}).ok());
}

TEST(ActorTest, OnlyAdministratorsAndServicesSeeAdministrators) {
  const Actor moderator{.user_id = kAda.id};
  EXPECT_EQ(Reason(CheckMayTouch(moderator, kRoot)), "USER_NOT_FOUND");
  EXPECT_TRUE(CheckMayTouch(moderator, kAda).ok());
  EXPECT_TRUE(CheckMayTouch({.user_id = kAda.id, .is_admin = true}, kRoot).ok());
  EXPECT_TRUE(CheckMayTouch({.user_id = kRoot.id, .is_narrowed = true}, kRoot).ok()) << "oneself";
  EXPECT_TRUE(CheckMayTouch({}, kRoot).ok()) << "a service for itself";
}

TEST(ActorTest, OnlyAdministratorsMakeAdministrators) {
  const Actor moderator{.user_id = kAda.id};
  EXPECT_EQ(Reason(CheckMayGiveRole(moderator, "admin")), "ADMIN_REQUIRED");
  EXPECT_TRUE(CheckMayGiveRole(moderator, "moderator").ok());
  EXPECT_TRUE(CheckMayGiveRole({.user_id = kAda.id, .is_admin = true}, "admin").ok());
  EXPECT_TRUE(CheckMayGiveRole({}, "admin").ok());
  EXPECT_EQ(Reason(CheckAdmin(moderator)), "ADMIN_REQUIRED");
}

TEST(ActorTest, NobodyElseGrantsWhatTheyDoNotHold) {
  const Actor moderator{.user_id = kAda.id, .holds = {"manage_roles", "view_logs"}};
  EXPECT_TRUE(CheckMayGrant(moderator, {"view_logs"}).ok());
  EXPECT_TRUE(CheckMayGrant(moderator, {}).ok());
  EXPECT_EQ(Reason(CheckMayGrant(moderator, {"view_logs", "manage_auth"})), "ADMIN_REQUIRED");
  EXPECT_TRUE(CheckMayGrant({.user_id = kAda.id, .is_admin = true}, {"manage_auth"}).ok());
}

TEST(ChangeEventTest, EachKindOfChangeHasItsEvent) {
  EXPECT_THAT(TypesOf(EventsOf(kAda, {})), ElementsAre());
  const auto events = EventsOf(kAda, {.password = "kestrel-plum-91",
                                      .role = "moderator",
                                      .is_active = false,
                                      .disable_reason = "spam",
                                      .tenant_id = 4,
                                      .first_name = "Ada",
                                      .notes = "private"});
  EXPECT_THAT(TypesOf(events), ElementsAre("user_disabled", "tenant_changed", "role_changed",
                                           "password_reset", "profile_updated"));
  EXPECT_EQ(events[1].details_json, R"({"from":3,"to":4})");
  EXPECT_EQ(events[2].details_json, R"({"from":"user","to":"moderator"})");
  EXPECT_EQ(events[3].details_json, "{}");
  EXPECT_EQ(events[4].details_json, R"({"fields":["first_name","notes"]})");
  EXPECT_THAT(TypesOf(EventsOf(kAda, {.is_active = true, .disable_reason = ""})),
              ElementsAre("user_enabled"));
  EXPECT_THAT(TypesOf(EventsOf(kAda, {.disable_reason = "spam"})), ElementsAre("profile_updated"));
}

}  // namespace
}  // namespace gatehouse::auth
