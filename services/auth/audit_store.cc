#include "services/auth/audit_store.h"

#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"

namespace gatehouse::auth {
namespace {

// A type's own name, or the family that it begins with.
constexpr char kFiltered[] = R"(
  FROM auth.audit_events e
  WHERE ($1 = '' OR e.actor_user_id = nullif($1, '')::uuid OR e.target = 'user/' || $1)
    AND ($2 = '' OR e.type = $2 OR starts_with(e.type, $2 || '_')))";

AuditEvent FromRow(const pqxx::row& row) {
  AuditEvent event;
  event.id = row[0].as<std::string>();
  event.type = row[1].as<std::string>();
  event.event_time = FromMicros(row[2].as<std::int64_t>());
  event.actor_user_id = pg::Optional<std::string>(row[3]).value_or("");
  event.actor_username = row[4].as<std::string>();
  event.target = row[5].as<std::string>();
  event.tenant_id = row[6].as<std::int64_t>();
  event.client_address = row[7].as<std::string>();
  event.user_agent = row[8].as<std::string>();
  event.request_id = row[9].as<std::string>();
  event.success = row[10].as<bool>();
  event.reason = row[11].as<std::string>();
  event.details_json = row[12].as<std::string>();
  return event;
}

// What is sealed: every field that was written, unambiguously.
std::string Canonical() {
  return absl::StrCat("json_build_array(e.id, e.type, ", pg::MicrosOf("e.event_time"),
                      ", e.actor_user_id, e.actor_username, e.target, e.tenant_id,"
                      " e.client_address, e.user_agent, e.request_id, e.success, e.reason,"
                      " e.details::text, ",
                      pg::MicrosOf("e.append_time"), ")::text");
}

}  // namespace

void AppendEvent(pg::Tx& tx, const AuditEvent& event) {
  static constexpr char kAppend[] = R"(
  INSERT INTO auth.audit_events
    (id, type, event_time, actor_user_id, actor_username, target, tenant_id, client_address,
     user_agent, request_id, success, reason, details)
  VALUES ($1, $2, to_timestamp($3::bigint / 1000000.0), nullif($4, '')::uuid, $5, $6, $7, $8, $9,
          $10, $11, $12, $13::json)
  ON CONFLICT (id) DO NOTHING)";
  pg::ExecPrepared(tx, kAppend, event.id, event.type, ToMicros(event.event_time),
                   event.actor_user_id, event.actor_username, event.target, event.tenant_id,
                   event.client_address, event.user_agent, event.request_id, event.success,
                   event.reason, event.details_json);
}

std::vector<AuditEvent> ListEvents(pg::Tx& tx, const AuditFilter& filter,
                                   const std::optional<rpc::PagePosition>& after, int limit) {
  static constexpr char kPage[] = R"(
    AND ($3::bigint IS NULL
         OR (e.event_time, e.id) < (to_timestamp($3::bigint / 1000000.0), $4::uuid))
  ORDER BY e.event_time DESC, e.id DESC LIMIT $5)";
  const std::string select =
      absl::StrCat("SELECT e.id, e.type, ", pg::MicrosOf("e.event_time"),
                   ", e.actor_user_id, e.actor_username, e.target, e.tenant_id, e.client_address,"
                   " e.user_agent, e.request_id, e.success, e.reason, e.details",
                   kFiltered, kPage);
  const std::string micros = after ? absl::StrCat(ToMicros(after->time)) : "";
  const pqxx::result rows =
      tx.exec_params(select, filter.user_id, filter.type, after ? micros.c_str() : nullptr,
                     after ? after->id.c_str() : nullptr, limit);
  std::vector<AuditEvent> events;
  for (const pqxx::row& row : rows) events.push_back(FromRow(row));
  return events;
}

std::int64_t CountEvents(pg::Tx& tx, const AuditFilter& filter) {
  static const std::string kCount = absl::StrCat("SELECT count(*)", kFiltered);
  return tx.exec_params(kCount, filter.user_id, filter.type)[0][0].as<std::int64_t>();
}

pg::Chain AuditChain() {
  // Only events near or after the newest sealed one can be unsealed: events are
  // sealed in the order of writing, and no writer's transaction lasts an hour.
  const std::string unsealed = absl::StrCat("SELECT e.id, ", Canonical(), R"(
  FROM auth.audit_events e
  WHERE e.append_time >= coalesce(
          (SELECT s.append_time - interval '1 hour'
           FROM auth.audit_chain c JOIN auth.audit_events s ON s.id = c.row_id
           ORDER BY c.position DESC LIMIT 1), '-infinity')
    AND NOT EXISTS (SELECT 1 FROM auth.audit_chain c WHERE c.row_id = e.id)
  ORDER BY e.position LIMIT $1)");
  const std::string sealed = absl::StrCat(
      "SELECT c.position, c.row_id, CASE WHEN e.id IS NOT NULL THEN ", Canonical(), R"( END, c.hash
  FROM auth.audit_chain c LEFT JOIN auth.audit_events e ON e.id = c.row_id
  ORDER BY c.position)");
  return {.table = "auth.audit_chain", .unsealed_sql = unsealed, .sealed_sql = sealed};
}

}  // namespace gatehouse::auth
