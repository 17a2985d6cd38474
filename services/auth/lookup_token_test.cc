// TokenService.LookupToken: whom a credential stands for at this moment.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gatehouse/auth/v1/token.methods.h"
#include "libs/base/uuid.h"
#include "libs/rpc/timestamp.h"
#include "libs/token/api_token.h"
#include "services/auth/auth_testing.h"
#include "services/auth/token_service.h"

namespace gatehouse::auth {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using Api = v1::TokenService;

constexpr CredentialKind kLogins[] = {CredentialKind::kToken, CredentialKind::kSession,
                                      CredentialKind::kLogin, CredentialKind::kAccess,
                                      CredentialKind::kPlatform};

class LookupTokenTest : public ::testing::Test {
 protected:
  std::string LastUse() { return database_.Select("SELECT last_used_time FROM auth.credentials"); }

  testing::AuthDatabase database_;
  testing::AuthServer server_{database_};
};

TEST_F(LookupTokenTest, ACredentialOfAnyKindStandsForItsUser) {
  const std::string id = database_.AddUser("ada");
  for (const CredentialKind kind : kLogins) {
    const IssuedCredential issued = server_.Issue(id, kind);
    const auto found = server_.Lookup(issued.token);
    ASSERT_TRUE(found.ok()) << Name(kind) << found.status();
    EXPECT_EQ(found->token_id(), issued.credential_id);
    EXPECT_EQ(found->principal().user_id(), id);
    EXPECT_EQ(std::to_string(found->principal().user_number()),
              database_.Select("SELECT number FROM auth.users"));
    EXPECT_EQ(found->principal().username(), "ada");
    EXPECT_EQ(found->principal().email(), "ada@example.com");
    EXPECT_EQ(found->principal().client_id(), "ada");
    EXPECT_EQ(found->principal().tenant_id(), issued.user.tenant.id);
    EXPECT_EQ(found->principal().tier(), "free");
    EXPECT_EQ(found->principal().role(), "user");
    EXPECT_THAT(found->principal().permissions(), IsEmpty());
    EXPECT_FALSE(found->principal().is_narrowed());
    EXPECT_FALSE(found->password_change_required());
    EXPECT_EQ(found->rate_limit_per_second(), 10);
    EXPECT_EQ(found->rate_limit_burst(), 20);
  }
}

TEST_F(LookupTokenTest, PermissionsAndRatesFollowTheRowsAtOnce) {
  const std::string token = server_.Issue(database_.AddUser("ada", "admin")).token;
  auto found = server_.Lookup(token);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(found->principal().permissions(), Contains("manage_gateway"));
  EXPECT_EQ(found->rate_limit_per_second(), 100);
  database_.Execute(
      "UPDATE auth.users SET role = 'moderator', rate_limit_per_second = 3,"
      " password_change_required = true");
  found = server_.Lookup(token);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->principal().role(), "moderator");
  EXPECT_THAT(found->principal().permissions(), IsEmpty());
  EXPECT_EQ(found->rate_limit_per_second(), 3);
  EXPECT_EQ(found->rate_limit_burst(), 20);
  EXPECT_TRUE(found->password_change_required());
}

TEST_F(LookupTokenTest, TellsTheControlSequenceOfItsSnapshot) {
  const std::string token = server_.Issue(database_.AddUser("ada")).token;
  EXPECT_EQ(server_.Lookup(token)->control_sequence(),
            std::stoll(database_.Select("SELECT sequence FROM auth.control_head")));
  database_.Execute("UPDATE auth.control_head SET sequence = 77");
  EXPECT_EQ(server_.Lookup(token)->control_sequence(), 77);
}

TEST_F(LookupTokenTest, WhatDoesNotLiveIsNotFound) {
  const std::string id = database_.AddUser("ada");
  for (const CredentialKind kind : kLogins) {
    const std::string token = server_.Issue(id, kind).token;
    for (const char* end : {"UPDATE auth.credentials SET revoke_time = now()",
                            "UPDATE auth.users SET is_active = false",
                            "UPDATE auth.credentials SET expire_time = now()",
                            "UPDATE auth.users SET epoch = 1000000"}) {
      ASSERT_EQ(server_.Live({token}), 1) << Name(kind) << " before " << end;
      database_.Execute(end);
      EXPECT_EQ(Reason(server_.Lookup(token).status()), "TOKEN_NOT_FOUND")
          << Name(kind) << " after " << end;
      database_.Execute(
          "UPDATE auth.credentials SET revoke_time = NULL, expire_time = now() + interval '1 hour';"
          "UPDATE auth.users SET is_active = true, epoch = 0");
    }
  }
  v1::LookupTokenRequest request;
  request.set_digest(token::TokenDigest("unknown"));
  EXPECT_EQ(Reason(server_.gateway().Call(Api::kLookupToken, request).status()), "TOKEN_NOT_FOUND");
  request.clear_digest();
  request.set_session_id(UuidV7());
  EXPECT_EQ(Reason(server_.gateway().Call(Api::kLookupToken, request).status()), "TOKEN_NOT_FOUND");
}

TEST_F(LookupTokenTest, AnOpaqueCredentialIsNotFoundByItsId) {
  const IssuedCredential issued = server_.Issue(database_.AddUser("ada"));
  v1::LookupTokenRequest request;
  request.set_session_id(issued.credential_id);
  request.set_epoch(INT64_MAX);
  EXPECT_EQ(Reason(server_.gateway().Call(Api::kLookupToken, request).status()), "TOKEN_NOT_FOUND");
}

TEST_F(LookupTokenTest, RecordsAUseAtMostOnceAMinute) {
  const std::string token = server_.Issue(database_.AddUser("ada")).token;
  ASSERT_TRUE(server_.Lookup(token).ok());
  const std::string used = LastUse();
  EXPECT_NE(used, "");
  ASSERT_TRUE(server_.Lookup(token).ok());
  EXPECT_EQ(LastUse(), used);
  database_.Execute("UPDATE auth.credentials SET last_used_time = now() - interval '61 seconds'");
  ASSERT_TRUE(server_.Lookup(token).ok());
  EXPECT_EQ(
      database_.Count("auth.credentials WHERE last_used_time > now() - interval '30 seconds'"), 1);
}

TEST_F(LookupTokenTest, AUseMovesTheEndOfACookieSession) {
  const std::string id = database_.AddUser("ada");
  for (const bool is_persistent : {true, false}) {
    const std::string token = server_.Issue(id, CredentialKind::kSession, is_persistent).token;
    const auto first = server_.Lookup(token);
    ASSERT_TRUE(first.ok()) << first.status();
    const auto again = server_.Lookup(token);
    EXPECT_FALSE(again->was_extended()) << "within a minute";
    EXPECT_EQ(again->expire_time().SerializeAsString(), first->expire_time().SerializeAsString());
    database_.Execute(
        "UPDATE auth.credentials SET last_used_time = last_used_time - interval '1 hour',"
        " expire_time = expire_time - interval '1 hour'");
    const auto later = server_.Lookup(token);
    EXPECT_EQ(later->was_extended(), is_persistent) << "only then has the cookie a life";
    EXPECT_GE(rpc::FromTimestamp(later->expire_time()), rpc::FromTimestamp(first->expire_time()));
    database_.Execute("DELETE FROM auth.credentials");
  }
}

TEST_F(LookupTokenTest, RefusesWhatIsNeitherDigestNorSession) {
  const auto reason = [&](const std::string& digest, const std::string& session_id) {
    v1::LookupTokenRequest request;
    request.set_digest(digest);
    request.set_session_id(session_id);
    return Reason(server_.gateway().Call(Api::kLookupToken, request).status());
  };
  const std::string digest = token::TokenDigest("unknown");
  EXPECT_EQ(reason("", ""), "DIGEST_INVALID");
  EXPECT_EQ(reason("short", ""), "DIGEST_INVALID");
  EXPECT_EQ(reason("", "short"), "DIGEST_INVALID");
  EXPECT_EQ(reason(digest, UuidV7()), "DIGEST_INVALID");
}

TEST_F(LookupTokenTest, OnlyTheNamedCallersMayCall) {
  v1::LookupTokenRequest lookup;
  lookup.set_digest(token::TokenDigest("unknown"));
  EXPECT_EQ(Reason(server_.client("jobs").Call(Api::kLookupToken, lookup).status()),
            "TOKEN_NOT_FOUND");
  EXPECT_EQ(server_.client("billing").Call(Api::kLookupToken, lookup).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(
      server_.client("jobs").Call(Api::kCreateToken, v1::CreateTokenRequest()).status().code(),
      absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace gatehouse::auth
