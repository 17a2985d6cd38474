#include "services/invitations/audit_delivery.h"

#include <gmock/gmock.h>

#include <chrono>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "libs/base/uuid.h"
#include "libs/pg/testing.h"
#include "libs/rpc/timestamp.h"
#include "services/invitations/commands.h"
#include "services/invitations/fake_auth.h"
#include "services/invitations/migrations.h"

namespace gatehouse::invitations {
namespace {

using auth::v1::AuditEvent;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Asks `condition` until it holds, for at most ten seconds.
bool Eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

class AuditDeliveryTest : public ::testing::Test {
 protected:
  CreatedInvitation Create(const std::vector<std::string>& arguments = {}) {
    const auto draft = ParseCreatePasskey(arguments);
    EXPECT_TRUE(draft.ok()) << draft.status();
    auto created = CreatePasskey(database_.db(), draft.value_or(Draft()));
    EXPECT_TRUE(created.ok()) << created.status();
    return created.value_or(CreatedInvitation());
  }

  void Relay() {
    relay_.emplace(database_.db(), "invitations",
                   [this](const pg::OutboxMessage& message) { return delivery_(message); });
  }

  std::string Select(const std::string& sql) {
    const auto value = database_.db().Read([&](pg::Tx& tx) -> absl::StatusOr<std::string> {
      return std::string(tx.exec1(sql)[0].c_str());
    });
    EXPECT_TRUE(value.ok()) << value.status();
    return value.value_or("");
  }
  std::string Waiting() { return Select("SELECT count(*) FROM invitations.outbox"); }
  bool Empties() {
    return Eventually([&] { return Waiting() == "0"; });
  }

  SystemClock clock_;
  pg::testing::TestDatabase database_{"invitations", Migrations()};
  token::SigningKey key_ = token::SigningKey::Generate("invitations");
  FakeAuth auth_{key_.public_key()};
  rpc::PassportIssuer issuer_{"invitations", std::move(key_), clock_};
  rpc::Client client_{"auth", auth_.address(), &issuer_};
  AuditDelivery delivery_{client_};
  std::optional<pg::OutboxRelay> relay_;  // last: stops before the rest goes
};

TEST_F(AuditDeliveryTest, AuthHearsWhatAPasskeyAllowsAndNeverThePasskey) {
  const CreatedInvitation created =
      Create({"--expires-days", "2", "--max-uses", "3", "--tenant", "9", "--email",
              "bob@example.com", "--notes", "call 555"});
  Relay();
  ASSERT_TRUE(Empties());
  ASSERT_EQ(auth_.told().size(), 1u);
  const AuditEvent event = auth_.told().front();
  EXPECT_TRUE(IsUuid(event.id()));
  EXPECT_EQ(event.type(), "admin_action");
  EXPECT_EQ(rpc::FromTimestamp(event.event_time()), created.invitation.create_time);
  EXPECT_EQ(event.actor_user_id(), "");
  EXPECT_EQ(event.actor_username(), "shell");
  EXPECT_EQ(event.target(), "passkey/" + created.invitation.id);
  EXPECT_EQ(event.tenant_id(), 9);
  EXPECT_TRUE(event.success());
  EXPECT_EQ(event.details_json(),
            R"({"action":"passkey_created","ttl_seconds":172800,"max_uses":3,"tenant_scope":9,)"
            R"("email_bound":true})");
  for (const char* kept : {created.token.c_str(), "bob@example.com", "555"}) {
    EXPECT_THAT(event.SerializeAsString(), Not(HasSubstr(kept)));
  }
}

TEST_F(AuditDeliveryTest, APasskeyForAnybodyIsBoundToNobody) {
  Create();
  Relay();
  ASSERT_TRUE(Empties());
  ASSERT_EQ(auth_.told().size(), 1u);
  EXPECT_EQ(auth_.told().front().tenant_id(), 0);
  EXPECT_EQ(auth_.told().front().details_json(),
            R"({"action":"passkey_created","ttl_seconds":604800,"max_uses":1,"tenant_scope":0,)"
            R"("email_bound":false})");
}

TEST_F(AuditDeliveryTest, AuthHearsOnceAlthoughItFailsFirst) {
  const std::vector<absl::Status> faults = {
      absl::UnavailableError("down"), absl::UnavailableError("down"), absl::InternalError("broken"),
      absl::PermissionDeniedError("not yet known here")};
  auth_.Fail(faults);
  Create();
  Relay();
  ASSERT_TRUE(Empties());
  EXPECT_EQ(auth_.told().size(), 1u);
  const std::vector<AuditEvent> asked = auth_.asked();
  EXPECT_EQ(asked.size(), faults.size() + 1);
  std::set<std::string> ids;
  for (const AuditEvent& event : asked) ids.insert(event.id());
  EXPECT_EQ(ids.size(), 1u) << "by its id a repeat is known as one";
}

TEST_F(AuditDeliveryTest, WhatAuthRefusesForGoodIsGivenUp) {
  auth_.Fail({Error(absl::StatusCode::kInvalidArgument, "AUDIT_EVENT_INVALID", "no event")});
  Create();
  const CreatedInvitation second = Create();
  Relay();
  ASSERT_TRUE(Empties());
  EXPECT_EQ(auth_.asked().size(), 2u);
  ASSERT_EQ(auth_.told().size(), 1u);
  EXPECT_EQ(auth_.told().front().target(), "passkey/" + second.invitation.id);
}

TEST_F(AuditDeliveryTest, AMessageThatCannotBeReadIsNotLost) {
  for (const pg::OutboxMessage& message :
       {pg::OutboxMessage{1, "passkey/1", "auth.dance", ""},
        pg::OutboxMessage{1, "passkey/1", "auth.append_audit", "\xff"}}) {
    EXPECT_FALSE(delivery_(message).ok()) << message.kind;
  }
  EXPECT_THAT(auth_.asked(), IsEmpty());
}

// What makes the transaction of a creation fail: at the event's row, and at its end.
class RolledBackTest : public AuditDeliveryTest,
                       public ::testing::WithParamInterface<const char*> {};

TEST_P(RolledBackTest, NeitherPasskeyNorEventIsStoredAlone) {
  pg::testing::Cluster::Get().Execute(database_.name(), GetParam());
  const auto draft = ParseCreatePasskey({});
  ASSERT_TRUE(draft.ok());
  EXPECT_FALSE(CreatePasskey(database_.db(), *draft).ok());
  EXPECT_EQ(Select("SELECT count(*) FROM invitations.invitations"), "0");
  EXPECT_EQ(Waiting(), "0");
}

INSTANTIATE_TEST_SUITE_P(
    AtEitherPoint, RolledBackTest,
    ::testing::Values("ALTER TABLE invitations.outbox ADD CONSTRAINT closed CHECK (false)",
                      "CREATE FUNCTION invitations.refuse() RETURNS trigger LANGUAGE plpgsql AS"
                      " $$ BEGIN RAISE EXCEPTION 'refused'; END $$;"
                      " CREATE CONSTRAINT TRIGGER refused AFTER INSERT ON invitations.invitations"
                      " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
                      " EXECUTE FUNCTION invitations.refuse()"));

}  // namespace
}  // namespace gatehouse::invitations
