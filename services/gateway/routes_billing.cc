#include "gatehouse/auth/v1/tenant.methods.h"
#include "gatehouse/billing/v1/account.methods.h"
#include "services/gateway/booking.h"
#include "services/gateway/cents.h"
#include "services/gateway/idempotency_key.h"
#include "services/gateway/policy_text.h"
#include "services/gateway/request_context.h"
#include "services/gateway/routes.h"

namespace gatehouse::gateway {
namespace {

namespace bill = billing::v1;
using bill::Account;
using bill::AccountService;

constexpr std::int64_t kAdjustCentsMax = 100'000'000;

// "<name>_cents" and "<name>_dollars".
void WriteAmount(JsonWriter& json, const std::string& name, std::int64_t cents) {
  json.Field(name + "_cents", cents).Key(name + "_dollars").Raw(DollarsText(cents));
}

void WithAccount(const Context& context, void (*reply)(const Context&, const Account&)) {
  const absl::StatusOr<std::int64_t> tenant = context->Tenant();
  if (!tenant.ok()) return context->Fail(tenant.status());
  bill::GetAccountRequest request;
  request.set_tenant_id(*tenant);
  context->CallOrFail(*context->upstreams().billing, AccountService::kGetAccount, request,
                      [context, reply](const Account& account) { reply(context, account); });
}

void ReplyBalance(const Context& context, const Account& account) {
  JsonWriter json;
  json.BeginObject();
  WriteAmount(json, "balance", FloorCents(account.settled().amount_nanos()));
  WriteAmount(json, "held", CeilCents(account.held().amount_nanos()));
  WriteAmount(json, "available", FloorCents(account.available().amount_nanos()));
  json.Field("currency", account.settled().currency_code());
  json.Field("is_low", account.is_low()).Field("is_low_balance", account.is_low());
  json.Field("policy", PolicyText(account.policy()));
  json.Field("low_balance_policy", PolicyText(account.policy()));
  json.Field("low_balance_threshold_cents", FloorCents(account.low_threshold().amount_nanos()));
  context->ReplyJson(200, json.EndObject().Take());
}

void GetBalance(const Context& context) { WithAccount(context, ReplyBalance); }

void WriteEntry(const bill::LedgerEntry& entry, JsonWriter& json) {
  const std::int64_t after = entry.balance_after().amount_nanos();
  json.BeginObject().Field("id", entry.id());
  json.Field("type", entry.amount().amount_nanos() < 0 ? "debit" : "credit");
  json.Field("entry_type", entry.entry_type());
  WriteAmount(json, "amount", EntryCents(entry.amount().amount_nanos(), after));
  WriteAmount(json, "balance_after", FloorCents(after));
  json.Field("notes", entry.notes()).TextOrNull("related_job_id", entry.job_id());
  json.TextOrNull("reverses", entry.reverses());
  json.TimeField("created_at", entry.has_create_time(), entry.create_time()).EndObject();
}

absl::StatusOr<bill::ListLedgerEntriesRequest> ReadLedger(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(const std::int64_t tenant, context.Tenant());
  GH_ASSIGN_OR_RETURN(Query query, context.Arguments());
  bill::ListLedgerEntriesRequest request;
  request.set_tenant_id(tenant);
  request.set_page_size(static_cast<int>(query.Number("limit", 50, 1, 500)));
  request.set_skip(static_cast<int>(query.Number("offset", 0, 0, 100000)));
  GH_RETURN_IF_ERROR(query.Finish());
  return request;
}

void ListLedger(const Context& context) {
  const auto request = ReadLedger(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->CallOrFail(
      *context->upstreams().billing, AccountService::kListLedgerEntries, *request,
      [context](const bill::ListLedgerEntriesResponse& page) {
        JsonWriter json;
        json.BeginArray();
        for (const auto& entry : page.entries()) WriteEntry(entry, json);
        http::Response response;
        response.headers.push_back({"Content-Type", "application/json"});
        response.headers.push_back({"X-Total-Count", std::to_string(page.total_size())});
        response.body = json.EndArray().Take();
        context->Reply(std::move(response));
      });
}

absl::StatusOr<bill::AdjustBalanceRequest> ReadAdjust(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  bill::AdjustBalanceRequest request;
  request.set_tenant_id(body.RequiredInt("tenant_id", 1, INT64_MAX));
  const std::int64_t cents = body.RequiredInt("amount_cents", -kAdjustCentsMax, kAdjustCentsMax);
  request.mutable_amount()->set_currency_code("USD");
  request.mutable_amount()->set_amount_nanos(cents * kNanosPerCent);
  request.set_reason(body.RequiredText("reason", 500));
  request.set_promotion(body.Bool("promotion").value_or(false));
  if (!request.reason().empty() &&
      request.reason().find_first_not_of(" \t\r\n") == std::string::npos) {
    body.Note("reason", "must not be blank");
  }
  GH_RETURN_IF_ERROR(body.Finish());
  if (cents == 0) {
    absl::Status zero =
        Error(absl::StatusCode::kInvalidArgument, "AMOUNT_ZERO", "amount_cents must not be 0");
    return WithFieldViolation(zero, "amount_cents", "must not be 0");
  }
  GH_ASSIGN_OR_RETURN(std::string key, ReadIdempotencyKey(context));
  request.set_idempotency_key(key);
  return request;
}

std::string AdjustedJson(const bill::AdjustBalanceResponse& adjusted) {
  JsonWriter json;
  json.BeginObject().Field("message", "Reserve adjusted").Field("status", "success");
  json.Field("ledger_entry_id", adjusted.entry().id());
  json.Field("new_balance_cents", FloorCents(adjusted.entry().balance_after().amount_nanos()));
  return json.EndObject().Take();
}

void AdjustAudited(const Context& context, const bill::AdjustBalanceRequest& request) {
  JsonWriter details;
  details.BeginObject().Field("action", "reserve_adjusted");
  details.Field("amount_cents", request.amount().amount_nanos() / kNanosPerCent);
  details.Field("reason", request.reason());
  if (request.promotion()) details.Field("promotion", true);
  details.Field("idempotency_key", request.idempotency_key()).EndObject();
  auto event = MakeAuditEvent(*context, "admin_action",
                              "tenant/" + std::to_string(request.tenant_id()), details.Take());
  event.set_tenant_id(request.tenant_id());
  event.set_reason(request.reason());
  AuditThenBook(context, event, AccountService::kAdjustBalance, request, AdjustedJson);
}

void AdjustReserve(const Context& context) {
  const auto request = ReadAdjust(*context);
  if (!request.ok()) return context->Fail(request.status());
  // Billing opens an account at first touch; a tenant that is none must not get one.
  auth::v1::GetTenantRequest tenant;
  tenant.set_id(request->tenant_id());
  context->CallOrFail(
      *context->upstreams().auth, auth::v1::TenantService::kGetTenant, tenant,
      [context, request = *request](const auth::v1::Tenant&) { AdjustAudited(context, request); });
}

void AddUserRoute(RouteTable& table, const char* method, const char* path, Handler handler) {
  table.Add(
      {.method = method, .path = path, .audience = Audience::kUser, .handler = std::move(handler)});
}

}  // namespace

void AddBillingRoutes(RouteTable& table) {
  AddUserRoute(table, "GET", "/api/billing/reserve/balance/", GetBalance);
  AddUserRoute(table, "GET", "/api/billing/reserve/ledger/", ListLedger);
  table.Add({.method = "POST",
             .path = "/api/billing/admin/reserve/adjust/",
             .audience = Audience::kPermission,
             .requirement = "manage_billing",
             .handler = AdjustReserve});
}

}  // namespace gatehouse::gateway
