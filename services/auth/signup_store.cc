#include "services/auth/signup_store.h"

#include "absl/strings/match.h"
#include "services/auth/user_store.h"

namespace gatehouse::auth {
namespace {

Signup FromRow(const pqxx::row& row) {
  Signup signup;
  signup.id = row[0].as<std::string>();
  signup.username = row[1].as<std::string>();
  signup.email = row[2].as<std::string>();
  signup.password_hash = row[3].as<std::string>();
  signup.passkey_digest = pg::Bytes(row[4]);
  signup.origin.client_address = row[5].as<std::string>();
  signup.origin.user_agent = row[6].as<std::string>();
  signup.origin.request_id = row[7].as<std::string>();
  return signup;
}

absl::Status Taken(bool username) {
  return username
             ? Error(absl::StatusCode::kAlreadyExists, "USERNAME_TAKEN",
                     "the username already exists")
             : Error(absl::StatusCode::kAlreadyExists, "EMAIL_TAKEN", "the email already exists");
}

}  // namespace

absl::Status ReserveNames(pg::Tx& tx, const Signup& signup) {
  static constexpr char kInsert[] = R"(
  INSERT INTO auth.signups
    (id, username, email, password_hash, passkey_digest, client_address, user_agent, request_id)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
  ON CONFLICT DO NOTHING)";
  const pqxx::result inserted =
      tx.exec_params(kInsert, signup.id, signup.username, signup.email, signup.password_hash,
                     pg::ToBytea(signup.passkey_digest), signup.origin.client_address,
                     signup.origin.user_agent, signup.origin.request_id);
  if (inserted.affected_rows() == 0) {
    const std::optional<Signup> holder = FindSignup(tx, signup.username, signup.email);
    return Taken(!holder || absl::EqualsIgnoreCase(holder->username, signup.username));
  }
  // Only after the insert: a signup that held the names until now has become a
  // user, which this statement sees.
  if (IsUsernameTaken(tx, signup.username)) return Taken(/*username=*/true);
  if (IsEmailTaken(tx, signup.email)) return Taken(/*username=*/false);
  return absl::OkStatus();
}

std::optional<Signup> FindSignup(pg::Tx& tx, const std::string& username,
                                 const std::string& email) {
  static constexpr char kFind[] = R"(
  SELECT id, username, email, password_hash, passkey_digest, client_address, user_agent, request_id
  FROM auth.signups WHERE lower(username) = lower($1) OR lower(email) = lower($2)
  ORDER BY lower(username) = lower($1) DESC LIMIT 1)";
  const pqxx::result rows = tx.exec_params(kFind, username, email);
  if (rows.empty()) return std::nullopt;
  return FromRow(rows[0]);
}

bool RemoveSignup(pg::Tx& tx, const std::string& id) {
  return tx.exec_params("DELETE FROM auth.signups WHERE id = $1", id).affected_rows() == 1;
}

std::vector<Signup> ClaimStaleSignups(pg::Tx& tx, std::chrono::seconds age, int limit) {
  static constexpr char kClaim[] = R"(
  UPDATE auth.signups SET attempts = attempts + 1, attempt_time = now()
  WHERE id IN (
    SELECT id FROM auth.signups
    WHERE attempt_time <= now() - least(attempts + 1, 60) * $1::bigint * interval '1 second'
    ORDER BY attempt_time LIMIT $2 FOR UPDATE SKIP LOCKED)
  RETURNING id, username, email, password_hash, passkey_digest, client_address, user_agent,
            request_id)";
  std::vector<Signup> signups;
  for (const pqxx::row& row : tx.exec_params(kClaim, age.count(), limit)) {
    signups.push_back(FromRow(row));
  }
  return signups;
}

}  // namespace gatehouse::auth
