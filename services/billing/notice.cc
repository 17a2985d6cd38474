#include "services/billing/notice.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "gatehouse/auth/v1/tenant.methods.h"
#include "libs/base/failpoint.h"
#include "libs/base/secret.h"
#include "libs/log/log.h"
#include "services/billing/notice_text.h"

namespace gatehouse::billing {

using std::chrono::milliseconds;

struct NoticeSender::Claimed {
  std::int64_t id = 0;
  std::int64_t tenant_id = 0;
  std::int64_t attempts = 0;  // This one included; tells this claim from a later one.
  bool is_last = false;       // A day has passed: no attempt after this one.
  std::set<std::string> sent;
  NoticeFacts facts;
};

namespace {

// Ten mails and a call take three minutes at most, so nobody else sends meanwhile.
constexpr char kClaim[] = R"(
UPDATE billing.notices
SET attempts = attempts + 1, next_attempt_time = now() + interval '5 minutes'
WHERE id = (
  SELECT id FROM billing.notices WHERE next_attempt_time <= now()
  ORDER BY next_attempt_time, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, tenant_id, kind, attempts, sent, create_time < now() - interval '1 day' AS is_last,
  coalesce(data->>'balance_cents', '') AS balance, coalesce(data->>'amount_cents', '') AS amount,
  coalesce(data->>'threshold_cents', '') AS threshold, coalesce(data->>'reason', '') AS reason)";

constexpr char kKeepSent[] = R"(
UPDATE billing.notices SET sent = array_append(sent, $3) WHERE id = $1 AND attempts = $2)";

constexpr char kDelete[] = R"(
DELETE FROM billing.notices WHERE id = $1 AND attempts = $2)";

// Half a minute, then twice as long each time, up to an hour.
constexpr char kPutOff[] = R"(
UPDATE billing.notices
SET next_attempt_time = now() + interval '30 seconds' * (1 << least(attempts - 1, 7))
WHERE id = $1 AND attempts = $2)";

// Tells addresses apart without keeping them.
std::string DigestOf(const std::string& address) {
  return HexEncode(Sha256(address)).substr(0, 32);
}

}  // namespace

absl::Status AppendNotice(pg::Tx& tx, std::int64_t tenant_id, const std::string& kind,
                          const std::string& data_json) {
  static constexpr char kAppend[] = R"(
INSERT INTO billing.notices (tenant_id, kind, data) VALUES ($1, $2, $3::jsonb))";
  tx.exec_params(kAppend, tenant_id, kind, data_json);
  return absl::OkStatus();
}

absl::Status AppendLowBalanceNotice(pg::Tx& tx, std::int64_t tenant_id,
                                    const std::string& data_json) {
  static constexpr char kAppendLow[] = R"(
WITH due AS (
  UPDATE billing.accounts SET low_notice_time = now()
  WHERE tenant_id = $1
    AND coalesce(low_notice_time, '-infinity') <= now() - interval '1 hour'
  RETURNING tenant_id)
INSERT INTO billing.notices (tenant_id, kind, data)
SELECT tenant_id, 'low_balance', $2::jsonb FROM due)";
  tx.exec_params(kAppendLow, tenant_id, data_json);
  return absl::OkStatus();
}

NoticeSender::NoticeSender(pg::Database& db, rpc::Client& auth, mail::Mailer& mailer)
    : db_(db), auth_(auth), mailer_(mailer), ticker_("notice-sender", [this] { return Step(); }) {}

milliseconds NoticeSender::Step() {
  const absl::StatusOr<bool> found = SendNext();
  if (!found.ok()) {
    log::Warning("notices could not be read", {{"error", std::string(found.status().message())}});
    return milliseconds(5000);
  }
  return *found ? milliseconds(0) : milliseconds(1000);
}

// Whether there was one. No connection is held while others are called.
absl::StatusOr<bool> NoticeSender::SendNext() {
  using Result = absl::StatusOr<std::vector<Claimed>>;
  // In doubt, the claim is seen again after its five minutes.
  GH_ASSIGN_OR_RETURN(const std::vector<Claimed> claimed, db_.Statement([](pg::Tx& tx) -> Result {
    std::vector<Claimed> notices;
    for (const pqxx::row& row : tx.exec(kClaim)) {
      Claimed& notice = notices.emplace_back();
      notice.id = row["id"].as<std::int64_t>();
      notice.tenant_id = row["tenant_id"].as<std::int64_t>();
      notice.attempts = row["attempts"].as<std::int64_t>();
      notice.is_last = row["is_last"].as<bool>();
      const std::vector<std::string> sent = pg::Texts(row["sent"]);
      notice.sent = std::set<std::string>(sent.begin(), sent.end());
      notice.facts = {.kind = row["kind"].as<std::string>(),
                      .balance_cents = row["balance"].as<std::string>(),
                      .threshold_cents = row["threshold"].as<std::string>(),
                      .amount_cents = row["amount"].as<std::string>(),
                      .reason = row["reason"].as<std::string>()};
    }
    return notices;
  }));
  if (claimed.empty()) return false;
  const Claimed& notice = claimed.front();
  const absl::Status sent = Send(notice);
  if (!sent.ok()) {
    log::Warning(notice.is_last ? "a notice was given up" : "a notice could not be sent",
                 {{"notice", notice.id},
                  {"tenant", notice.tenant_id},
                  {"kind", notice.facts.kind},
                  {"attempt", notice.attempts},
                  {"reason", Reason(sent)}});
  }
  const char* after = sent.ok() || notice.is_last ? kDelete : kPutOff;
  GH_RETURN_IF_ERROR(db_.Statement([&](pg::Tx& tx) {
    tx.exec_params(after, notice.id, notice.attempts);
    return absl::OkStatus();
  }));
  return true;
}

absl::Status NoticeSender::Send(const Claimed& notice) {
  auth::v1::ListTenantContactsRequest request;
  request.set_tenant_id(notice.tenant_id);
  const auto contacts = auth_.Call(auth::v1::TenantService::kListTenantContacts, request);
  // There is nobody to tell.
  if (Reason(contacts.status()) == "TENANT_NOT_FOUND") return absl::OkStatus();
  GH_RETURN_IF_ERROR(contacts.status());
  const NoticeText text = ComposeNotice(notice.facts, contacts->tenant_name());
  for (const std::string& email : contacts->emails()) {
    const std::string digest = DigestOf(email);
    if (notice.sent.count(digest) > 0) continue;
    const absl::Status sent =
        mailer_.Send({.to = email, .subject = text.subject, .text = text.text});
    // One wrong address keeps nothing from the others.
    if (sent.code() == absl::StatusCode::kInvalidArgument) {
      log::Warning("a contact's mail was refused for good", {{"tenant", notice.tenant_id}});
    } else {
      GH_RETURN_IF_ERROR(sent);
    }
    if (Failpoint("billing.notice.sent")) return absl::UnavailableError("failpoint");
    GH_RETURN_IF_ERROR(db_.Statement([&](pg::Tx& tx) {
      tx.exec_params(kKeepSent, notice.id, notice.attempts, digest);
      return absl::OkStatus();
    }));
  }
  return absl::OkStatus();
}

}  // namespace gatehouse::billing
