#include "services/invitations/invitation_service.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <thread>

#include "gatehouse/invitations/v1/invitations.methods.h"
#include "libs/base/secret.h"
#include "libs/base/uuid.h"
#include "libs/pg/testing.h"
#include "libs/rpc/client.h"
#include "services/invitations/migrations.h"

namespace gatehouse::invitations {
namespace {

using Api = v1::InvitationService;

constexpr char kAda[] = "0198c0de-0000-7000-8000-00000000ada0";

// The service behind a real RPC server, and one client per calling process.
class InvitationServiceTest : public ::testing::Test {
 protected:
  InvitationServiceTest() {
    token::SigningKey gateway_key = token::SigningKey::Generate("gateway");
    token::SigningKey auth_key = token::SigningKey::Generate("auth");
    verifier_ = std::make_unique<rpc::PassportVerifier>(
        "invitations",
        std::map<std::string, std::string>{{"gateway", gateway_key.public_key()},
                                           {"auth", auth_key.public_key()}},
        clock_);
    auto server =
        rpc::Server::Start({.address = "127.0.0.1:0", .handler_threads = 8, .call_out_threads = 1},
                           {&service_.rpc()}, *verifier_);
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    gateway_issuer_ =
        std::make_unique<rpc::PassportIssuer>("gateway", std::move(gateway_key), clock_);
    auth_issuer_ = std::make_unique<rpc::PassportIssuer>("auth", std::move(auth_key), clock_);
    gateway_ =
        std::make_unique<rpc::Client>("invitations", server_->address(), gateway_issuer_.get());
    auth_ = std::make_unique<rpc::Client>("invitations", server_->address(), auth_issuer_.get());
  }

  v1::CreateInvitationResponse Create(int uses_max = 1, const std::string& email = "",
                                      std::int64_t tenant_id = 0) {
    v1::CreateInvitationRequest request;
    request.set_ttl_seconds(3600);
    request.set_uses_max(uses_max);
    request.set_notes("for Bob");
    request.set_email(email);
    request.set_tenant_id(tenant_id);
    rpc::CallOptions options;
    options.principal.set_user_id(kAda);
    options.principal.set_username("ada");
    auto response = gateway_->Call(Api::kCreateInvitation, request, options);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *response : v1::CreateInvitationResponse();
  }

  absl::StatusOr<v1::RedeemInvitationResponse> Redeem(const std::string& token,
                                                      const std::string& redemption_id,
                                                      const std::string& email = "") {
    return RedeemByDigest(Sha256(token), redemption_id, email);
  }

  absl::StatusOr<v1::RedeemInvitationResponse> RedeemByDigest(const std::string& token_digest,
                                                              const std::string& redemption_id,
                                                              const std::string& email = "") {
    v1::RedeemInvitationRequest request;
    request.set_token_digest(token_digest);
    request.set_redemption_id(redemption_id);
    request.set_email(email);
    request.set_username("newcomer");
    return auth_->Call(Api::kRedeemInvitation, request);
  }

  absl::Status CheckByDigest(const std::string& token_digest, const std::string& email = "") {
    v1::CheckInvitationRequest request;
    request.set_token_digest(token_digest);
    request.set_email(email);
    return auth_->Call(Api::kCheckInvitation, request).status();
  }
  absl::Status Check(const std::string& token, const std::string& email = "") {
    return CheckByDigest(Sha256(token), email);
  }

  absl::StatusOr<v1::Invitation> Revoke(const std::string& id) {
    v1::RevokeInvitationRequest request;
    request.set_id(id);
    return gateway_->Call(Api::kRevokeInvitation, request);
  }

  absl::StatusOr<v1::ListInvitationsResponse> List(int page_size, const std::string& page_token,
                                                   bool pending_only = false,
                                                   std::int64_t tenant_id = 0) {
    v1::ListInvitationsRequest request;
    request.set_page_size(page_size);
    request.set_page_token(page_token);
    request.set_pending_only(pending_only);
    request.set_tenant_id(tenant_id);
    return gateway_->Call(Api::kListInvitations, request);
  }

  // Moves an invitation's life into the past.
  void Expire(const std::string& id) {
    pg::testing::Cluster::Get().Execute(
        database_.name(),
        "UPDATE invitations.invitations SET create_time = now() - interval '2 h',"
        " expire_time = now() - interval '1 s' WHERE id = '" +
            id + "'");
  }

  // How many of the parallel redemptions, one per id, succeeded.
  int RedeemInParallel(const std::string& token, const std::vector<std::string>& ids,
                       const std::string& email = "") {
    std::atomic<int> redeemed = 0;
    std::atomic<int> refused = 0;
    std::vector<std::thread> threads;
    for (const std::string& id : ids) {
      threads.emplace_back([&, id] {
        const auto response = Redeem(token, id, email);
        if (response.ok()) ++redeemed;
        if (Reason(response.status()) == "INVITATION_ALREADY_REDEEMED") ++refused;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(redeemed + refused, static_cast<int>(ids.size())) << "another answer was given";
    return redeemed;
  }

  std::int64_t Count(const std::string& from) {
    auto count = database_.db().Statement([&](pg::Tx& tx) -> absl::StatusOr<std::int64_t> {
      return tx.exec_params("SELECT count(*) FROM invitations." + from)[0][0].as<std::int64_t>();
    });
    return count.ok() ? *count : -1;
  }

  SystemClock clock_;
  pg::testing::TestDatabase database_{"invitations", Migrations()};
  InvitationService service_{database_.db()};
  std::unique_ptr<rpc::PassportVerifier> verifier_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<rpc::PassportIssuer> gateway_issuer_, auth_issuer_;
  std::unique_ptr<rpc::Client> gateway_, auth_;
};

TEST_F(InvitationServiceTest, CreatesAndShowsTheTokenOnce) {
  const v1::CreateInvitationResponse created = Create(3, "bob@example.com");
  EXPECT_EQ(created.token().size(), 32u);
  EXPECT_EQ(created.invitation().state(), v1::Invitation::STATE_PENDING);
  EXPECT_EQ(created.invitation().creator_user_id(), kAda);
  EXPECT_EQ(created.invitation().creator_username(), "ada");
  EXPECT_EQ(created.invitation().redeemer_user_id(), "");
  EXPECT_FALSE(created.invitation().has_redeem_time());
  EXPECT_EQ(
      created.invitation().expire_time().seconds() - created.invitation().create_time().seconds(),
      3600);
  const auto list = List(0, "");
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->invitations_size(), 1);
  EXPECT_EQ(list->invitations(0).SerializeAsString(), created.invitation().SerializeAsString());
  EXPECT_EQ(Count("invitations i WHERE i::text LIKE '%" + created.token() + "%'"), 0)
      << "the raw token is at rest";
}

TEST_F(InvitationServiceTest, UsesDefaultToOne) { EXPECT_EQ(Create(0).invitation().uses_max(), 1); }

TEST_F(InvitationServiceTest, RedeemsEachUseOnce) {
  const v1::CreateInvitationResponse created = Create(2);
  const auto first = Redeem(created.token(), UuidV7());
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->invitation_id(), created.invitation().id());
  EXPECT_TRUE(Redeem(created.token(), UuidV7()).ok());
  const auto third = Redeem(created.token(), UuidV7());
  EXPECT_EQ(third.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Reason(third.status()), "INVITATION_ALREADY_REDEEMED");
}

TEST_F(InvitationServiceTest, RepeatsItsAnswerAlsoAfterExpiry) {
  const v1::CreateInvitationResponse created = Create(1);
  const std::string id = UuidV7();
  const auto first = Redeem(created.token(), id);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(Redeem(created.token(), id).ok()) << "after the last use";
  Expire(created.invitation().id());
  const auto again = Redeem(created.token(), id);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  EXPECT_EQ(List(0, "")->invitations(0).uses(), 1);
}

TEST_F(InvitationServiceTest, TellsWhoRedeemedItLastAndWhen) {
  const v1::CreateInvitationResponse created = Create(2);
  const std::string first = UuidV7();
  ASSERT_TRUE(Redeem(created.token(), first).ok());
  const v1::Invitation once = List(0, "")->invitations(0);
  EXPECT_EQ(once.redeemer_user_id(), first);
  EXPECT_EQ(once.redeemer_username(), "newcomer");
  EXPECT_GE(once.redeem_time().seconds(), once.create_time().seconds());
  const std::string second = UuidV7();
  ASSERT_TRUE(Redeem(created.token(), second).ok());
  ASSERT_TRUE(Redeem(created.token(), first).ok()) << "a repeat of the first";
  const v1::Invitation twice = List(0, "")->invitations(0);
  EXPECT_EQ(twice.redeemer_user_id(), second);
  EXPECT_EQ(Revoke(created.invitation().id())->redeemer_user_id(), second);
  EXPECT_EQ(Count("redemptions WHERE redeemer_username = 'newcomer'"), 2);
}

TEST_F(InvitationServiceTest, CheckAnswersAsRedeemWouldAndChangesNothing) {
  const v1::CreateInvitationResponse good = Create(1, "bob@example.com");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Check(good.token(), "BOB@example.com").ok());
  EXPECT_EQ(Reason(Check(good.token(), "eve@example.com")), "INVITATION_EMAIL_MISMATCH");
  EXPECT_EQ(List(0, "")->invitations(0).uses(), 0);
  EXPECT_EQ(Count("redemptions"), 0);

  const absl::Status unknown = Check("no-such-token");
  EXPECT_EQ(unknown.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Reason(unknown), "INVITATION_NOT_FOUND");
  const absl::Status wrong = CheckByDigest("short");
  EXPECT_EQ(wrong.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Reason(wrong), "TOKEN_DIGEST_INVALID");

  ASSERT_TRUE(Redeem(good.token(), UuidV7(), "bob@example.com").ok()) << "it was not consumed";
  EXPECT_EQ(Reason(Check(good.token(), "bob@example.com")), "INVITATION_ALREADY_REDEEMED");
  const v1::CreateInvitationResponse expired = Create();
  Expire(expired.invitation().id());
  EXPECT_EQ(Reason(Check(expired.token())), "INVITATION_EXPIRED");
  const v1::CreateInvitationResponse revoked = Create();
  ASSERT_TRUE(Revoke(revoked.invitation().id()).ok());
  EXPECT_EQ(Reason(Check(revoked.token())), "INVITATION_REVOKED");
}

TEST_F(InvitationServiceTest, WhatEndsBetweenCheckAndRedeemIsNotRedeemed) {
  const v1::CreateInvitationResponse revoked = Create();
  ASSERT_TRUE(Check(revoked.token()).ok());
  ASSERT_TRUE(Revoke(revoked.invitation().id()).ok());
  EXPECT_EQ(Reason(Redeem(revoked.token(), UuidV7()).status()), "INVITATION_REVOKED");
  const v1::CreateInvitationResponse expired = Create();
  ASSERT_TRUE(Check(expired.token()).ok());
  Expire(expired.invitation().id());
  EXPECT_EQ(Reason(Redeem(expired.token(), UuidV7()).status()), "INVITATION_EXPIRED");
  EXPECT_EQ(Count("redemptions"), 0);
}

TEST_F(InvitationServiceTest, RefusesAnIdThatRedeemedAnother) {
  const std::string id = UuidV7();
  ASSERT_TRUE(Redeem(Create().token(), id).ok());
  const v1::CreateInvitationResponse other = Create();
  const auto reused = Redeem(other.token(), id);
  EXPECT_EQ(reused.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Reason(reused.status()), "REDEMPTION_ID_REUSED");
  EXPECT_TRUE(Redeem(other.token(), UuidV7()).ok()) << "the refusal has spent a use";
}

TEST_F(InvitationServiceTest, RefusesUnknownExpiredRevokedAndForeign) {
  const auto unknown = Redeem("no-such-token", UuidV7());
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Reason(unknown.status()), "INVITATION_NOT_FOUND");

  const v1::CreateInvitationResponse expired = Create();
  Expire(expired.invitation().id());
  EXPECT_EQ(Reason(Redeem(expired.token(), UuidV7()).status()), "INVITATION_EXPIRED");

  const v1::CreateInvitationResponse revoked = Create();
  ASSERT_TRUE(Revoke(revoked.invitation().id()).ok());
  EXPECT_EQ(Reason(Redeem(revoked.token(), UuidV7()).status()), "INVITATION_REVOKED");

  const v1::CreateInvitationResponse bound = Create(1, "bob@example.com");
  EXPECT_EQ(Reason(Redeem(bound.token(), UuidV7(), "eve@example.com").status()),
            "INVITATION_EMAIL_MISMATCH");
  EXPECT_TRUE(Redeem(bound.token(), UuidV7(), "BOB@example.com").ok());
  EXPECT_EQ(Reason(Redeem(bound.token(), "not-a-uuid").status()), "REDEMPTION_ID_INVALID");
  EXPECT_EQ(Count("redemptions"), 1);
}

TEST_F(InvitationServiceTest, RedeemsByTheDigestOnlyNeverByTheToken) {
  const std::string token = Create().token();
  ASSERT_EQ(token.size(), 32u) << "as long as a digest, so the length tells nothing";
  EXPECT_EQ(Reason(RedeemByDigest(token, UuidV7()).status()), "INVITATION_NOT_FOUND");
  const std::string digest = Sha256(token);
  for (const std::string& other :
       {std::string(), digest.substr(0, 31), digest + '\0', Sha256Hex(token)}) {
    const absl::Status refused = RedeemByDigest(other, UuidV7()).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << other.size();
    EXPECT_EQ(Reason(refused), "TOKEN_DIGEST_INVALID") << other.size();
  }
  EXPECT_EQ(Count("redemptions"), 0);
  EXPECT_TRUE(RedeemByDigest(digest, UuidV7()).ok());
}

TEST_F(InvitationServiceTest, OneOfParallelRedemptionsWins) {
  for (const int parallel : {8, 64}) {
    const v1::CreateInvitationResponse created = Create(1);
    std::vector<std::string> ids;
    for (int i = 0; i < parallel; ++i) ids.push_back(UuidV7());
    EXPECT_EQ(RedeemInParallel(created.token(), ids), 1) << parallel;
    EXPECT_EQ(Count("redemptions WHERE invitation_id = '" + created.invitation().id() + "'"), 1);
  }
}

TEST_F(InvitationServiceTest, ParallelRedemptionsGetExactlyTheUsesThatThereAre) {
  for (const char* email : {"", "bob@example.com"}) {
    const v1::CreateInvitationResponse created = Create(5, email);
    std::vector<std::string> ids;
    for (int i = 0; i < 16; ++i) ids.push_back(UuidV7());
    EXPECT_EQ(RedeemInParallel(created.token(), ids, "bob@example.com"), 5) << email;
    EXPECT_EQ(Count("redemptions WHERE invitation_id = '" + created.invitation().id() + "'"), 5);
  }
}

TEST_F(InvitationServiceTest, ARevocationAmongRedemptionsEndsThemForGood) {
  const v1::CreateInvitationResponse created = Create(1000);
  std::atomic<int> redeemed = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      absl::Status status;
      do {
        status = Redeem(created.token(), UuidV7()).status();
        if (status.ok()) ++redeemed;
      } while (status.ok());
      EXPECT_EQ(Reason(status), "INVITATION_REVOKED");
    });
  }
  while (redeemed < 8) std::this_thread::yield();
  const auto revoked = Revoke(created.invitation().id());
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(revoked.ok()) << revoked.status();
  EXPECT_EQ(revoked->uses(), redeemed) << "nobody came after the revocation";
  EXPECT_EQ(Count("redemptions"), redeemed);
}

TEST_F(InvitationServiceTest, ParallelRepeatsOfOneIdAreOneRedemption) {
  const v1::CreateInvitationResponse created = Create(5);
  EXPECT_EQ(RedeemInParallel(created.token(), std::vector<std::string>(8, UuidV7())), 8);
  EXPECT_EQ(Count("redemptions"), 1);
  EXPECT_EQ(List(0, "")->invitations(0).uses(), 1);
}

TEST_F(InvitationServiceTest, RevokesAgainAndKeepsFinalStates) {
  const v1::CreateInvitationResponse pending = Create();
  EXPECT_EQ(Revoke(pending.invitation().id())->state(), v1::Invitation::STATE_REVOKED);
  EXPECT_EQ(Revoke(pending.invitation().id())->state(), v1::Invitation::STATE_REVOKED);

  const v1::CreateInvitationResponse redeemed = Create();
  const std::string id = UuidV7();
  ASSERT_TRUE(Redeem(redeemed.token(), id).ok());
  EXPECT_EQ(Revoke(redeemed.invitation().id())->state(), v1::Invitation::STATE_REDEEMED);
  EXPECT_TRUE(Redeem(redeemed.token(), id).ok()) << "a repeat after a revocation";

  EXPECT_EQ(Reason(Revoke(UuidV7()).status()), "INVITATION_NOT_FOUND");
  EXPECT_EQ(Reason(Revoke("1; DROP TABLE").status()), "INVITATION_NOT_FOUND");
}

TEST_F(InvitationServiceTest, PagesNewestFirstWithoutGapsOrRepeats) {
  std::vector<std::string> created;
  for (int i = 0; i < 5; ++i) created.push_back(Create().invitation().id());
  // Equal times: the id decides.
  pg::testing::Cluster::Get().Execute(
      database_.name(),
      "UPDATE invitations.invitations SET create_time = date_trunc('hour', now())");
  std::set<std::string> seen;
  std::string page_token;
  int pages = 0;
  do {
    const auto page = List(2, page_token);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const v1::Invitation& invitation : page->invitations()) {
      EXPECT_TRUE(seen.insert(invitation.id()).second) << "twice";
    }
    page_token = page->next_page_token();
    Create();  // What comes later does not shift the pages.
    ASSERT_LT(++pages, 5);
  } while (!page_token.empty());
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(seen, std::set<std::string>(created.begin(), created.end()));
  EXPECT_EQ(Reason(List(2, "bogus").status()), "PAGE_TOKEN_INVALID");
  EXPECT_EQ(Reason(List(-1, "").status()), "PAGE_SIZE_INVALID");
}

TEST_F(InvitationServiceTest, ListsPendingOnly) {
  const v1::CreateInvitationResponse pending = Create();
  ASSERT_TRUE(Redeem(Create().token(), UuidV7()).ok());
  ASSERT_TRUE(Revoke(Create().invitation().id()).ok());
  Expire(Create().invitation().id());
  const auto list = List(0, "", /*pending_only=*/true);
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->invitations_size(), 1);
  EXPECT_EQ(list->invitations(0).id(), pending.invitation().id());
  EXPECT_EQ(List(0, "")->invitations_size(), 4);
}

TEST_F(InvitationServiceTest, ListsThoseIntoOneTenant) {
  Create();
  const v1::CreateInvitationResponse mine = Create(1, "", 7);
  Create(1, "", 8);
  ASSERT_TRUE(Redeem(Create(1, "", 7).token(), UuidV7()).ok());
  EXPECT_EQ(List(0, "", false, 7)->invitations_size(), 2);
  const auto pending = List(0, "", true, 7);
  ASSERT_TRUE(pending.ok()) << pending.status();
  ASSERT_EQ(pending->invitations_size(), 1);
  EXPECT_EQ(pending->invitations(0).id(), mine.invitation().id());
  EXPECT_EQ(List(0, "", false, 9)->invitations_size(), 0);
  EXPECT_EQ(List(0, "")->invitations_size(), 4);
}

TEST_F(InvitationServiceTest, OnlyTheGatewayAdministersAndOnlyAuthRedeems) {
  v1::CreateInvitationRequest create;
  create.set_ttl_seconds(60);
  EXPECT_EQ(auth_->Call(Api::kCreateInvitation, create).status().code(),
            absl::StatusCode::kPermissionDenied);
  v1::RedeemInvitationRequest redeem;
  redeem.set_token_digest(Sha256(Create().token()));
  redeem.set_redemption_id(UuidV7());
  EXPECT_EQ(gateway_->Call(Api::kRedeemInvitation, redeem).status().code(),
            absl::StatusCode::kPermissionDenied);
  v1::CheckInvitationRequest check;
  check.set_token_digest(redeem.token_digest());
  EXPECT_EQ(gateway_->Call(Api::kCheckInvitation, check).status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(InvitationServiceTest, ReadinessCanWriteItsRow) {
  pg::Options options = database_.db().options();
  options.probe_table = "invitations.readiness_probe";
  EXPECT_TRUE(pg::Database(options).Ping().ok());
}

TEST_F(InvitationServiceTest, RedemptionsCannotBeChangedByTheRuntimeRole) {
  ASSERT_TRUE(Redeem(Create().token(), UuidV7()).ok());
  const absl::Status status = database_.db().Statement([](pg::Tx& tx) -> absl::Status {
    tx.exec("DELETE FROM invitations.redemptions");
    return absl::OkStatus();
  });
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(Count("redemptions"), 1);
}

}  // namespace
}  // namespace gatehouse::invitations
