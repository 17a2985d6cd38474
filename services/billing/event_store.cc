#include "services/billing/event_store.h"

#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"

namespace gatehouse::billing {

bool TakeEvent(pg::Tx& tx, const StripeEvent& event, const std::string& payload) {
  // Nobody sees the state 'failed' of a new one: its outcome is committed with it.
  static constexpr char kInsert[] = R"(
INSERT INTO billing.stripe_events (event_id, type, payload, stripe_time, state, attempts)
VALUES ($1, $2, $3, to_timestamp($4::bigint / 1000000.0), 'failed', 0)
ON CONFLICT (event_id) DO NOTHING)";
  static constexpr char kLock[] = R"(
SELECT state FROM billing.stripe_events WHERE event_id = $1 FOR UPDATE)";
  tx.exec_params(kInsert, event.id, event.type, pg::ToBytea(payload), ToMicros(event.create_time));
  return tx.exec_params(kLock, event.id).at(0)[0].as<std::string>() == "failed";
}

void SaveOutcome(pg::Tx& tx, const std::string& event_id, const EventOutcome& outcome) {
  static constexpr char kSave[] = R"(
UPDATE billing.stripe_events
SET state = $2, reason = $3, error = '', attempts = attempts + 1,
  tenant_id = nullif($4::bigint, 0), entry_id = nullif($5, '')::uuid, update_time = now()
WHERE event_id = $1)";
  tx.exec_params(kSave, event_id, outcome.status, outcome.reason, outcome.tenant_id,
                 outcome.entry_id);
}

bool KeepFailure(pg::Tx& tx, const StripeEvent& event, const std::string& payload,
                 const std::string& error) {
  static constexpr char kKeep[] = R"(
INSERT INTO billing.stripe_events AS e (event_id, type, payload, stripe_time, state, error)
VALUES ($1, $2, $3, to_timestamp($4::bigint / 1000000.0), 'failed', $5)
ON CONFLICT (event_id) DO UPDATE
SET error = $5, attempts = e.attempts + 1, update_time = now() WHERE e.state = 'failed')";
  return tx.exec_params(kKeep, event.id, event.type, pg::ToBytea(payload),
                        ToMicros(event.create_time), error)
             .affected_rows() == 1;
}

bool DismissEvent(pg::Tx& tx, const std::string& event_id) {
  static constexpr char kDismiss[] = R"(
UPDATE billing.stripe_events SET state = 'ignored', reason = 'dismissed', update_time = now()
WHERE event_id = $1 AND state = 'failed')";
  return tx.exec_params(kDismiss, event_id).affected_rows() == 1;
}

std::vector<FailedEvent> ListFailedEvents(pg::Tx& tx, std::optional<Time> since,
                                          const std::string& event_id) {
  static constexpr char kList[] = R"( AS receive_micros, event_id, type, attempts, error
FROM billing.stripe_events
WHERE state = 'failed' AND receive_time >= to_timestamp($1::bigint / 1000000.0)
  AND ($2 = '' OR event_id = $2)
ORDER BY receive_time, event_id)";
  std::vector<FailedEvent> events;
  const pqxx::result rows =
      tx.exec_params(absl::StrCat("SELECT ", pg::MicrosOf("receive_time"), kList),
                     ToMicros(since.value_or(Time())), event_id);
  for (const pqxx::row& row : rows) {
    events.push_back({.id = row["event_id"].as<std::string>(),
                      .type = row["type"].as<std::string>(),
                      .attempts = row["attempts"].as<std::int64_t>(),
                      .error = row["error"].as<std::string>(),
                      .receive_time = FromMicros(row["receive_micros"].as<std::int64_t>())});
  }
  return events;
}

std::optional<KeptEvent> FindEvent(pg::Tx& tx, const std::string& event_id) {
  static constexpr char kFind[] = R"( AS stripe_micros, payload
FROM billing.stripe_events WHERE event_id = $1)";
  const pqxx::result rows =
      tx.exec_params(absl::StrCat("SELECT ", pg::MicrosOf("stripe_time"), kFind), event_id);
  if (rows.empty()) return std::nullopt;
  return KeptEvent{.payload = pg::Bytes(rows[0]["payload"]),
                   .create_time = FromMicros(rows[0]["stripe_micros"].as<std::int64_t>())};
}

}  // namespace gatehouse::billing
