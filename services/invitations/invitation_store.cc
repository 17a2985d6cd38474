#include "services/invitations/invitation_store.h"

#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"

namespace gatehouse::invitations {
namespace {

// Everything of an invitation, in the order that FromRow reads. The time is that of
// the statement: one that waited for a lock must not count the wait as life.
std::string SelectInvitation() {
  return absl::StrCat(
      "SELECT i.id, i.notes, i.uses_max, i.uses, i.tenant_id, i.email, i.creator_user_id, ",
      pg::MicrosOf("i.create_time"), ", ", pg::MicrosOf("i.expire_time"),
      ", i.revoke_time IS NOT NULL, ", pg::MicrosOf("statement_timestamp()"),
      ", i.creator_username, last_use.redemption_id, last_use.redeemer_username, ",
      pg::MicrosOf("last_use.redeem_time"), R"(
  FROM invitations.invitations AS i
  LEFT JOIN LATERAL (
    SELECT r.redemption_id, r.redeemer_username, r.redeem_time
    FROM invitations.redemptions AS r WHERE r.invitation_id = i.id
    ORDER BY r.redeem_time DESC, r.redemption_id DESC LIMIT 1) AS last_use ON true
  WHERE )");
}

Invitation FromRow(const pqxx::row& row) {
  Invitation invitation;
  invitation.id = row[0].as<std::string>();
  invitation.notes = row[1].as<std::string>();
  invitation.uses_max = row[2].as<int>();
  invitation.uses = row[3].as<int>();
  invitation.tenant_id = row[4].as<std::int64_t>();
  invitation.email = row[5].as<std::string>();
  invitation.creator_user_id = pg::Optional<std::string>(row[6]).value_or("");
  invitation.create_time = FromMicros(row[7].as<std::int64_t>());
  invitation.expire_time = FromMicros(row[8].as<std::int64_t>());
  invitation.revoked = row[9].as<bool>();
  invitation.read_time = FromMicros(row[10].as<std::int64_t>());
  invitation.creator_username = row[11].as<std::string>();
  if (const auto redeemer = pg::Optional<std::string>(row[12])) {
    invitation.last_use = LastUse{.redeemer_user_id = *redeemer,
                                  .redeemer_username = row[13].as<std::string>(),
                                  .redeem_time = FromMicros(row[14].as<std::int64_t>())};
  }
  return invitation;
}

absl::Status NotFound() {
  return Error(absl::StatusCode::kNotFound, "INVITATION_NOT_FOUND", "there is no such invitation");
}

absl::StatusOr<Invitation> FindById(pg::Tx& tx, const std::string& id) {
  const pqxx::result rows = tx.exec_params(SelectInvitation() + "i.id = $1", id);
  if (rows.empty()) return NotFound();
  return FromRow(rows[0]);
}

}  // namespace

Invitation InsertInvitation(pg::Tx& tx, const std::string& id, const std::string& token_digest,
                            const Draft& draft) {
  static constexpr char kInsert[] = R"(
  INSERT INTO invitations.invitations
    (id, token_digest, notes, uses_max, tenant_id, email, creator_user_id, creator_username,
     expire_time)
  VALUES ($1, $2, $3, $4, $5, $6, nullif($7, '')::uuid, $8,
          now() + $9::bigint * interval '1 second'))";
  tx.exec_params(kInsert, id, pg::ToBytea(token_digest), draft.notes, draft.uses_max,
                 draft.tenant_id, draft.email, draft.creator_user_id, draft.creator_username,
                 draft.ttl_seconds);
  return *FindById(tx, id);
}

absl::StatusOr<Invitation> FindByTokenDigest(pg::Tx& tx, const std::string& token_digest) {
  const pqxx::result rows =
      tx.exec_params(SelectInvitation() + "i.token_digest = $1", pg::ToBytea(token_digest));
  if (rows.empty()) return NotFound();
  return FromRow(rows[0]);
}

// The lock is a statement of its own: what is read after it, others have committed
// before it.
absl::StatusOr<Invitation> LockByTokenDigest(pg::Tx& tx, const std::string& token_digest) {
  static constexpr char kLock[] = R"(
  SELECT id FROM invitations.invitations WHERE token_digest = $1 FOR UPDATE)";
  const pqxx::result rows = tx.exec_params(kLock, pg::ToBytea(token_digest));
  if (rows.empty()) return NotFound();
  return FindById(tx, rows[0][0].as<std::string>());
}

absl::StatusOr<Invitation> LockById(pg::Tx& tx, const std::string& id) {
  tx.exec_params("SELECT id FROM invitations.invitations WHERE id = $1 FOR UPDATE", id);
  return FindById(tx, id);
}

void SaveUses(pg::Tx& tx, const Invitation& invitation) {
  tx.exec_params("UPDATE invitations.invitations SET uses = $2 WHERE id = $1", invitation.id,
                 invitation.uses);
}

void SaveRevocation(pg::Tx& tx, const Invitation& invitation) {
  tx.exec_params("UPDATE invitations.invitations SET revoke_time = now() WHERE id = $1",
                 invitation.id);
}

std::optional<std::string> FindRedemption(pg::Tx& tx, const std::string& redemption_id) {
  const pqxx::result rows = tx.exec_params(
      "SELECT invitation_id FROM invitations.redemptions WHERE redemption_id = $1", redemption_id);
  if (rows.empty()) return std::nullopt;
  return rows[0][0].as<std::string>();
}

bool InsertRedemption(pg::Tx& tx, const Redemption& redemption, const std::string& invitation_id) {
  static constexpr char kInsert[] = R"(
  INSERT INTO invitations.redemptions (redemption_id, invitation_id, redeemer_username)
  VALUES ($1, $2, $3) ON CONFLICT (redemption_id) DO NOTHING)";
  return tx.exec_params(kInsert, redemption.id, invitation_id, redemption.username)
             .affected_rows() == 1;
}

std::vector<Invitation> ListInvitations(pg::Tx& tx, const std::optional<rpc::PagePosition>& after,
                                        const ListFilter& filter, int limit) {
  static constexpr char kWhere[] = R"(
        ($1::bigint IS NULL
         OR (i.create_time, i.id) < (to_timestamp($1::bigint / 1000000.0), $2::uuid))
    AND (NOT $3 OR (i.revoke_time IS NULL AND i.uses < i.uses_max
                    AND i.expire_time > statement_timestamp()))
    AND ($4::bigint = 0 OR i.tenant_id = $4::bigint)
  ORDER BY i.create_time DESC, i.id DESC LIMIT $5)";
  const std::string micros = after ? absl::StrCat(ToMicros(after->time)) : "";
  const pqxx::result rows = tx.exec_params(
      SelectInvitation() + kWhere, after ? micros.c_str() : nullptr,
      after ? after->id.c_str() : nullptr, filter.pending_only, filter.tenant_id, limit);
  std::vector<Invitation> invitations;
  for (const pqxx::row& row : rows) invitations.push_back(FromRow(row));
  return invitations;
}

}  // namespace gatehouse::invitations
