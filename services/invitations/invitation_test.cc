#include "services/invitations/invitation.h"

#include <gtest/gtest.h>

#include <set>

namespace gatehouse::invitations {
namespace {

using std::chrono::seconds;

const Time kNow = Time(seconds(1800000000));

Invitation Pending() {
  Invitation invitation;
  invitation.id = "0198c0de-0000-7000-8000-000000000001";
  invitation.create_time = kNow - seconds(60);
  invitation.expire_time = kNow + seconds(60);
  invitation.read_time = kNow;
  return invitation;
}

TEST(InvitationTest, RedeemsItsLastUseOnce) {
  Invitation invitation = Pending();
  invitation.uses_max = 2;
  EXPECT_TRUE(invitation.Redeem("").ok());
  EXPECT_EQ(invitation.state(), State::kPending);
  EXPECT_TRUE(invitation.Redeem("").ok());
  EXPECT_EQ(invitation.state(), State::kRedeemed);
  EXPECT_EQ(Reason(invitation.Redeem("")), "INVITATION_ALREADY_REDEEMED");
  EXPECT_EQ(invitation.uses, 2);
}

TEST(InvitationTest, ExpiresAtItsExpireTime) {
  Invitation invitation = Pending();
  invitation.read_time = invitation.expire_time - std::chrono::microseconds(1);
  EXPECT_EQ(invitation.state(), State::kPending);
  invitation.read_time = invitation.expire_time;
  EXPECT_EQ(invitation.state(), State::kExpired);
  EXPECT_EQ(Reason(invitation.Redeem("")), "INVITATION_EXPIRED");
}

TEST(InvitationTest, BindsToAnAddressRegardlessOfCase) {
  Invitation invitation = Pending();
  invitation.email = "Ada@Example.com";
  EXPECT_EQ(Reason(invitation.Redeem("bob@example.com")), "INVITATION_EMAIL_MISMATCH");
  EXPECT_EQ(Reason(invitation.Redeem("")), "INVITATION_EMAIL_MISMATCH");
  EXPECT_EQ(invitation.uses, 0);
  EXPECT_TRUE(invitation.Redeem("ada@example.COM").ok());
}

TEST(InvitationTest, RevokesOnlyWhilePending) {
  Invitation pending = Pending();
  EXPECT_TRUE(pending.Revoke());
  EXPECT_EQ(pending.state(), State::kRevoked);
  EXPECT_FALSE(pending.Revoke()) << "final";
  EXPECT_EQ(Reason(pending.Redeem("")), "INVITATION_REVOKED");

  Invitation redeemed = Pending();
  ASSERT_TRUE(redeemed.Redeem("").ok());
  EXPECT_FALSE(redeemed.Revoke());
  EXPECT_EQ(redeemed.state(), State::kRedeemed);

  Invitation expired = Pending();
  expired.read_time = expired.expire_time;
  EXPECT_FALSE(expired.Revoke());
  EXPECT_EQ(expired.state(), State::kExpired);
}

std::string RefusalOf(const Draft& draft) { return Reason(Check(draft)); }

TEST(DraftTest, ChecksEveryField) {
  const Draft good{.ttl_seconds = 3600};
  EXPECT_TRUE(Check(good).ok());
  for (const std::int64_t ttl : {60L, 31536000L}) {
    EXPECT_TRUE(Check(Draft{.ttl_seconds = ttl}).ok()) << ttl;
  }
  for (const std::int64_t ttl : {-1L, 0L, 59L, 31536001L}) {
    EXPECT_EQ(RefusalOf(Draft{.ttl_seconds = ttl}), "TTL_OUT_OF_RANGE") << ttl;
  }
  for (const int uses : {-1, 0, 1001}) {
    EXPECT_EQ(RefusalOf(Draft{.ttl_seconds = 60, .uses_max = uses}), "USES_OUT_OF_RANGE") << uses;
  }
  EXPECT_TRUE(Check(Draft{.ttl_seconds = 60, .notes = std::string(2000, 'n')}).ok());
  EXPECT_EQ(RefusalOf(Draft{.ttl_seconds = 60, .notes = std::string(2001, 'n')}), "NOTES_TOO_LONG");
  EXPECT_EQ(RefusalOf(Draft{.ttl_seconds = 60, .notes = std::string("a\0b", 3)}), "NOTES_INVALID");
  EXPECT_EQ(RefusalOf(Draft{.ttl_seconds = 60, .tenant_id = -1}), "TENANT_INVALID");
  for (const char* email : {"ada", "@example.com", "ada@", "a@b@c", "a b@example.com", "a@\n"}) {
    EXPECT_EQ(RefusalOf(Draft{.ttl_seconds = 60, .email = email}), "EMAIL_INVALID") << email;
  }
  EXPECT_EQ(FieldViolations(Check(Draft{})).count("ttl_seconds"), 1u);
}

TEST(TokenTest, IsThirtyTwoCharactersOfBase64UrlAndNew) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string token = NewToken();
    EXPECT_EQ(token.size(), 32u);
    EXPECT_EQ(token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                      "0123456789-_"),
              std::string::npos);
    EXPECT_TRUE(seen.insert(token).second);
  }
}

}  // namespace
}  // namespace gatehouse::invitations
