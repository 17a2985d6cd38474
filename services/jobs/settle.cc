#include "services/jobs/settle.h"

#include "libs/base/failpoint.h"
#include "services/jobs/json_text.h"
#include "services/jobs/timeline.h"

namespace gatehouse::jobs {
namespace {

constexpr char kBind[] = "billing.bind";
constexpr char kCapture[] = "billing.capture";
constexpr char kRelease[] = "billing.release";

// What billing has confirmed about a job.
struct Confirmed {
  std::string job_id;
  bool final = false;
  std::int64_t number = 0;          // Of the capture; 0 for a release.
  std::int64_t captured_nanos = 0;  // Of the hold, in all.
  TimelineLine line;
};

billing::v1::WorkOutcome OutcomeOf(State state) {
  switch (state) {
    case State::kSuccess:
      return billing::v1::WORK_OUTCOME_SUCCESS;
    case State::kFailed:
      return billing::v1::WORK_OUTCOME_FAILED;
    case State::kCancelled:
      return billing::v1::WORK_OUTCOME_CANCELLED;
    case State::kQueued:
    case State::kRunning:
      return billing::v1::WORK_OUTCOME_UNSPECIFIED;
  }
  return billing::v1::WORK_OUTCOME_UNSPECIFIED;
}

BillingMessage CaptureMessage(const Job& job, const std::vector<UsageLine>& usage, bool final) {
  billing::v1::CaptureRequest request;
  request.set_key(job.id);
  request.set_capture_number(job.fencing_token);
  request.set_final(final);
  if (final) request.set_outcome(OutcomeOf(job.state));
  for (const UsageLine& line : usage) {
    billing::v1::UsageLine& added = *request.add_usage();
    added.set_line_type(line.line_type);
    added.set_resource(line.resource);
    added.set_quantity(line.quantity);
  }
  return {kCapture, request.SerializeAsString()};
}

absl::Status Unreadable(const char* kind) {
  return Error(absl::StatusCode::kDataLoss, "OUTBOX_UNREADABLE",
               std::string("a message of kind ") + kind + " cannot be parsed");
}

// The guards make a repeated delivery tell nothing twice.
constexpr char kSaveFinal[] = R"(
UPDATE jobs.jobs SET settle_state = 'settled', cost_nanos = $2,
  captured_number = greatest(captured_number, $3)
WHERE id = $1::uuid AND settle_state = 'pending' RETURNING tenant_id)";

constexpr char kSavePart[] = R"(
UPDATE jobs.jobs SET cost_nanos = $2, captured_number = $3
WHERE id = $1::uuid AND captured_number < $3 RETURNING tenant_id)";

absl::Status SaveConfirmed(pg::Database& db, const Confirmed& confirmed) {
  return db.InTransaction([&](pg::Tx& tx) -> absl::Status {
    const pqxx::result rows =
        tx.exec_params(confirmed.final ? kSaveFinal : kSavePart, confirmed.job_id,
                       confirmed.captured_nanos, confirmed.number);
    if (rows.empty()) return absl::OkStatus();
    return AppendTimeline(tx, confirmed.job_id, rows[0][0].as<std::int64_t>(), confirmed.line);
  });
}

}  // namespace

BillingMessage BindMessage(const std::string& job_id) {
  billing::v1::BindRequest request;
  request.set_key(job_id);
  return {kBind, request.SerializeAsString()};
}

BillingMessage SettleMessage(const Job& job, const std::vector<UsageLine>& usage) {
  if (job.state == State::kSuccess || !usage.empty()) return CaptureMessage(job, usage, true);
  billing::v1::ReleaseRequest request;
  request.set_key(job.id);
  request.set_outcome(OutcomeOf(job.state));
  return {kRelease, request.SerializeAsString()};
}

BillingMessage PartMessage(const Job& job, const std::vector<UsageLine>& usage) {
  return CaptureMessage(job, usage, false);
}

absl::Status AppendMessage(pg::Tx& tx, const std::string& job_id, const BillingMessage& message) {
  return pg::AppendOutbox(tx, "jobs", "job/" + job_id, message.kind, message.payload);
}

absl::Status Settler::Deliver(const pg::OutboxMessage& message) {
  if (message.kind == kBind) return Bind(message.payload);
  if (message.kind == kCapture) return Capture(message.payload);
  if (message.kind == kRelease) return Release(message.payload);
  return Error(absl::StatusCode::kUnimplemented, "OUTBOX_KIND_UNKNOWN",
               "no such kind of message: " + message.kind);
}

absl::Status Settler::Bind(const std::string& payload) {
  billing::v1::BindRequest request;
  if (!request.ParseFromString(payload)) return Unreadable(kBind);
  GH_RETURN_IF_ERROR(billing_.Bind(request).status());
  if (Failpoint("jobs.outbox.delivered")) return absl::UnavailableError("failpoint");
  return absl::OkStatus();
}

absl::Status Settler::Capture(const std::string& payload) {
  billing::v1::CaptureRequest request;
  if (!request.ParseFromString(payload)) return Unreadable(kCapture);
  GH_ASSIGN_OR_RETURN(const billing::v1::CaptureResponse answer, billing_.Capture(request));
  if (Failpoint("jobs.outbox.delivered")) return absl::UnavailableError("failpoint");
  Confirmed confirmed{.job_id = request.key(),
                      .final = request.final(),
                      .number = request.capture_number(),
                      .captured_nanos = answer.hold().captured().amount_nanos(),
                      .line = {.source = "billing", .message = "captured"}};
  confirmed.line.data_json =
      JsonObject({{"amount_nanos", answer.amount().amount_nanos()},
                  {"captured_nanos", confirmed.captured_nanos},
                  {"currency_code", std::string("USD")},
                  {"capture_number", request.capture_number()},
                  {"ledger_entry_id", answer.ledger_entry_id().empty()
                                          ? JsonValue(std::nullopt)
                                          : JsonValue(answer.ledger_entry_id())}});
  return SaveConfirmed(db_, confirmed);
}

absl::Status Settler::Release(const std::string& payload) {
  billing::v1::ReleaseRequest request;
  if (!request.ParseFromString(payload)) return Unreadable(kRelease);
  absl::StatusOr<billing::v1::Hold> hold = billing_.Release(request);
  // A hold that is not there holds nothing: the release is done.
  if (Reason(hold.status()) == "HOLD_NOT_FOUND") hold = billing::v1::Hold();
  if (!hold.ok()) return hold.status();
  if (Failpoint("jobs.outbox.delivered")) return absl::UnavailableError("failpoint");
  Confirmed confirmed{.job_id = request.key(),
                      .final = true,
                      .captured_nanos = hold->captured().amount_nanos(),
                      .line = {.source = "billing", .message = "released"}};
  confirmed.line.data_json = JsonObject(
      {{"captured_nanos", confirmed.captured_nanos}, {"currency_code", std::string("USD")}});
  return SaveConfirmed(db_, confirmed);
}

constexpr char kSweepUnsettled[] = R"(
INSERT INTO jobs.outbox (subject, kind, payload)
SELECT 'job/' || owing.id, owing.settle_kind, owing.settle_payload FROM jobs.jobs AS owing
WHERE owing.settle_state = 'pending'
  AND owing.end_time < now() - $1::bigint * interval '1 millisecond'
  AND NOT EXISTS (SELECT FROM jobs.outbox AS sent WHERE sent.subject = 'job/' || owing.id)
ORDER BY owing.end_time LIMIT 1000)";

absl::StatusOr<int> SweepUnsettled(pg::Database& db, std::chrono::milliseconds age) {
  return db.Statement([&](pg::Tx& tx) -> absl::StatusOr<int> {
    const std::int64_t millis = age.count();
    return static_cast<int>(tx.exec_params(kSweepUnsettled, millis).affected_rows());
  });
}

}  // namespace gatehouse::jobs
