#include "services/invitations/invitation_store.h"

#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"

namespace gatehouse::invitations {
namespace {

// The columns in the order that FromRow reads.
std::string Columns() {
  return absl::StrCat("id, notes, uses_max, uses, tenant_id, email, creator_user_id, ",
                      pg::MicrosOf("create_time"), ", ", pg::MicrosOf("expire_time"),
                      ", revoke_time IS NOT NULL, ", pg::MicrosOf("now()"));
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
  return invitation;
}

absl::Status NotFound() {
  return Error(absl::StatusCode::kNotFound, "INVITATION_NOT_FOUND", "there is no such invitation");
}

}  // namespace

Invitation InsertInvitation(pg::Tx& tx, const std::string& id, const std::string& token_digest,
                            const Draft& draft) {
  static constexpr char kInsert[] = R"(
  INSERT INTO invitations.invitations
    (id, token_digest, notes, uses_max, tenant_id, email, creator_user_id, expire_time)
  VALUES ($1, $2, $3, $4, $5, $6, nullif($7, '')::uuid, now() + $8::bigint * interval '1 second')
  RETURNING )";
  return FromRow(tx.exec_params(kInsert + Columns(), id, pg::ToBytea(token_digest), draft.notes,
                                draft.uses_max, draft.tenant_id, draft.email, draft.creator_user_id,
                                draft.ttl_seconds)[0]);
}

absl::StatusOr<Invitation> LockByTokenDigest(pg::Tx& tx, const std::string& token_digest) {
  const pqxx::result rows = tx.exec_params(
      absl::StrCat("SELECT ", Columns(),
                   " FROM invitations.invitations WHERE token_digest = $1 FOR UPDATE"),
      pg::ToBytea(token_digest));
  if (rows.empty()) return NotFound();
  return FromRow(rows[0]);
}

absl::StatusOr<Invitation> LockById(pg::Tx& tx, const std::string& id) {
  const pqxx::result rows = tx.exec_params(
      absl::StrCat("SELECT ", Columns(), " FROM invitations.invitations WHERE id = $1 FOR UPDATE"),
      id);
  if (rows.empty()) return NotFound();
  return FromRow(rows[0]);
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

bool InsertRedemption(pg::Tx& tx, const std::string& redemption_id,
                      const std::string& invitation_id) {
  static constexpr char kInsert[] = R"(
  INSERT INTO invitations.redemptions (redemption_id, invitation_id) VALUES ($1, $2)
  ON CONFLICT (redemption_id) DO NOTHING)";
  return tx.exec_params(kInsert, redemption_id, invitation_id).affected_rows() == 1;
}

std::vector<Invitation> ListInvitations(pg::Tx& tx, const std::optional<rpc::PagePosition>& after,
                                        bool pending_only, int limit) {
  static constexpr char kWhere[] = R"(
  FROM invitations.invitations
  WHERE ($1::bigint IS NULL
         OR (create_time, id) < (to_timestamp($1::bigint / 1000000.0), $2::uuid))
    AND (NOT $3 OR (revoke_time IS NULL AND uses < uses_max AND expire_time > now()))
  ORDER BY create_time DESC, id DESC LIMIT $4)";
  const std::string micros = after ? absl::StrCat(ToMicros(after->time)) : "";
  const pqxx::result rows =
      tx.exec_params("SELECT " + Columns() + kWhere, after ? micros.c_str() : nullptr,
                     after ? after->id.c_str() : nullptr, pending_only, limit);
  std::vector<Invitation> invitations;
  for (const pqxx::row& row : rows) invitations.push_back(FromRow(row));
  return invitations;
}

}  // namespace gatehouse::invitations
