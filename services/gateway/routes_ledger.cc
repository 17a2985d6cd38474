// What staff see and do with the tenants' accounts and the ledger as a whole.
#include "gatehouse/auth/v1/tenant.methods.h"
#include "gatehouse/billing/v1/account.methods.h"
#include "gatehouse/billing/v1/payment.methods.h"
#include "libs/base/time_text.h"
#include "libs/rpc/timestamp.h"
#include "services/gateway/array_page.h"
#include "services/gateway/booking.h"
#include "services/gateway/cents.h"
#include "services/gateway/date_range.h"
#include "services/gateway/idempotency_key.h"
#include "services/gateway/ledger_download.h"
#include "services/gateway/policy_text.h"
#include "services/gateway/routes.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

namespace bill = billing::v1;
using auth::v1::Tenant;
using bill::Account;
using bill::AccountService;
using bill::PaymentService;

// A million units.
constexpr std::int64_t kCentsMax = 100'000'000;

void WriteAmount(JsonWriter& json, const std::string& name, std::int64_t cents) {
  json.Field(name + "_cents", cents).Key(name + "_dollars").Raw(DollarsText(cents));
}

// The members of an account; the object stays open.
void WriteAccount(const Account& account, JsonWriter& json) {
  json.BeginObject().Field("tenant_id", account.tenant_id());
  json.TextOrNull("plan_tier", account.plan_tier());
  WriteAmount(json, "balance", FloorCents(account.settled().amount_nanos()));
  WriteAmount(json, "held", CeilCents(account.held().amount_nanos()));
  WriteAmount(json, "available", FloorCents(account.available().amount_nanos()));
  json.Field("is_low", account.is_low());
  json.Field("low_balance_policy", PolicyText(account.policy()));
  json.Field("low_balance_threshold_cents", FloorCents(account.low_threshold().amount_nanos()));
  if (account.has_overdraft()) {
    json.Field("overdraft_cents", FloorCents(account.overdraft().amount_nanos()));
  } else {
    json.NullField("overdraft_cents");
  }
  json.Field("ceiling_cents", FloorCents(account.ceiling().amount_nanos()));
}

void GetSummary(const Context& context) {
  context->CallOrFail(
      *context->upstreams().billing, AccountService::kSummarizeAccounts,
      bill::SummarizeAccountsRequest(), [context](const bill::AccountsSummary& summary) {
        JsonWriter json;
        json.BeginObject().Field("total_accounts", summary.account_count());
        WriteAmount(json, "total_balance", FloorCents(summary.settled().amount_nanos()));
        WriteAmount(json, "total_held", CeilCents(summary.held().amount_nanos()));
        WriteAmount(json, "total_debt", CeilCents(summary.debt().amount_nanos()));
        json.Field("low_balance_count", summary.low_count());
        json.Field("negative_balance_count", summary.negative_count()).EndObject();
        context->ReplyJson(200, json.Take());
      });
}

absl::StatusOr<bill::ListAccountsRequest> ReadList(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(Query query, context.Arguments());
  bill::ListAccountsRequest request;
  request.set_page_size(static_cast<int>(query.Number("limit", 100, 1, 500)));
  request.set_page_token(query.Text("cursor").value_or(""));
  request.set_low_only(query.Flag("low_only"));
  GH_RETURN_IF_ERROR(query.Finish());
  return request;
}

void ListAccounts(const Context& context) {
  const auto request = ReadList(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->CallOrFail(*context->upstreams().billing, AccountService::kListAccounts, *request,
                      [context](const bill::ListAccountsResponse& page) {
                        JsonWriter json;
                        json.BeginArray();
                        for (const Account& account : page.accounts()) {
                          WriteAccount(account, json);
                          json.EndObject();
                        }
                        json.EndArray();
                        ReplyArray(context, json.Take(), page.total_size(), page.next_page_token());
                      });
}

// Billing opens an account at first touch; a tenant that is none must not get one.
void WithTenant(const Context& context, std::function<void(const Tenant&)> done) {
  const auto id = ParseInteger(context->PathText("tenant"));
  if (!id || *id < 1) {
    return context->Fail(Error(absl::StatusCode::kInvalidArgument, "ID_INVALID",
                               "the id must be a positive integer"));
  }
  auth::v1::GetTenantRequest request;
  request.set_id(*id);
  context->CallOrFail(*context->upstreams().auth, auth::v1::TenantService::kGetTenant, request,
                      std::move(done));
}

void ReplyAccount(const Context& context, const Tenant& tenant, const Account& account,
                  const bill::Profile& profile) {
  JsonWriter json;
  WriteAccount(account, json);
  json.Field("tenant_name", tenant.name());
  json.Field("allow_portal_access", profile.allow_portal_access());
  json.Field("allow_plan_changes", profile.allow_plan_changes()).EndObject();
  context->ReplyJson(200, json.Take());
}

void ShowAccount(const Context& context, const Tenant& tenant) {
  bill::GetAccountRequest request;
  request.set_tenant_id(tenant.id());
  context->CallOrFail(*context->upstreams().billing, AccountService::kGetAccount, request,
                      [context, tenant](const Account& account) {
                        bill::GetProfileRequest profile_request;
                        profile_request.set_tenant_id(tenant.id());
                        context->CallOrFail(*context->upstreams().billing,
                                            PaymentService::kGetProfile, profile_request,
                                            [context, tenant, account](const bill::Profile& p) {
                                              ReplyAccount(context, tenant, account, p);
                                            });
                      });
}

void GetAccount(const Context& context) {
  WithTenant(context, [context](const Tenant& tenant) { ShowAccount(context, tenant); });
}

// What of an account is to be changed; what is not present stays.
struct AccountPatch {
  bill::UpdateAccountRequest account;
  bill::UpdateProfileRequest profile;
  std::string details_json;          // For the audit.
  std::string profile_details_json;  // Of the profile alone.
  bool has_account = false;
  bool has_profile = false;
};

type::v1::Money MoneyOf(std::int64_t cents) {
  type::v1::Money money;
  money.set_currency_code("USD");
  money.set_amount_nanos(cents * kNanosPerCent);
  return money;
}

void ReadPolicyAndPlan(JsonBody& body, JsonWriter& details, AccountPatch* patch) {
  if (const auto policy = body.Text("low_balance_policy", 16)) {
    patch->account.set_policy(ParsePolicy(*policy));
    if (patch->account.policy() == Account::POLICY_UNSPECIFIED) {
      body.Note("low_balance_policy", "must be block, warn or limited");
    }
    details.Field("low_balance_policy", PolicyText(patch->account.policy()));
    patch->has_account = true;
  }
  if (const auto plan = body.Text("plan_tier", 50)) {
    patch->account.set_plan_tier(*plan);
    details.Field("plan_tier", *plan);
    patch->has_account = true;
  }
}

void ReadAmounts(JsonBody& body, JsonWriter& details, AccountPatch* patch) {
  const auto read = [&](const char* name, auto set) {
    const std::optional<std::int64_t> cents = body.Int(name, 0, kCentsMax);
    if (!cents) return;
    set(MoneyOf(*cents));
    details.Field(name, *cents);
    patch->has_account = true;
  };
  bill::UpdateAccountRequest& account = patch->account;
  read("low_balance_threshold_cents",
       [&](const auto& money) { *account.mutable_low_threshold() = money; });
  read("overdraft_cents", [&](const auto& money) { *account.mutable_overdraft() = money; });
  read("ceiling_cents", [&](const auto& money) { *account.mutable_ceiling() = money; });
  if (body.IsNull("overdraft_cents")) {
    account.set_clear_overdraft(true);
    details.NullField("overdraft_cents");
    patch->has_account = true;
  }
}

void ReadRights(JsonBody& body, AccountPatch* patch) {
  if (const auto portal = body.Bool("allow_portal_access")) {
    patch->profile.set_allow_portal_access(*portal);
    patch->has_profile = true;
  }
  if (const auto changes = body.Bool("allow_plan_changes")) {
    patch->profile.set_allow_plan_changes(*changes);
    patch->has_profile = true;
  }
}

// Ends the object.
std::string WithRights(JsonWriter details, const bill::UpdateProfileRequest& rights) {
  if (rights.has_allow_portal_access()) {
    details.Field("allow_portal_access", rights.allow_portal_access());
  }
  if (rights.has_allow_plan_changes()) {
    details.Field("allow_plan_changes", rights.allow_plan_changes());
  }
  return details.EndObject().Take();
}

absl::StatusOr<AccountPatch> ReadPatch(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  AccountPatch patch;
  JsonWriter details;
  details.BeginObject().Field("action", "account_updated");
  const JsonWriter no_details = details;
  ReadPolicyAndPlan(body, details, &patch);
  ReadAmounts(body, details, &patch);
  ReadRights(body, &patch);
  GH_RETURN_IF_ERROR(body.Finish());
  patch.details_json = WithRights(details, patch.profile);
  patch.profile_details_json = WithRights(no_details, patch.profile);
  return patch;
}

auth::v1::AuditEvent MakeAccountEvent(const RequestContext& context, std::int64_t tenant_id,
                                      const std::string& details_json) {
  auto event =
      MakeAuditEvent(context, "admin_action", "tenant/" + std::to_string(tenant_id), details_json);
  event.set_tenant_id(tenant_id);
  return event;
}

void ChangeProfile(const Context& context, const Tenant& tenant, const AccountPatch& patch,
                   const auth::v1::AuditEvent& event) {
  if (!patch.has_profile) return ShowAccount(context, tenant);
  context->Call(*context->upstreams().billing, PaymentService::kUpdateProfile, patch.profile,
                [context, tenant, event, details = patch.profile_details_json](
                    const absl::StatusOr<bill::Profile>& profile) {
                  if (profile.ok()) return ShowAccount(context, tenant);
                  // What was to be changed of the account was.
                  auth::v1::AuditEvent undone = event;
                  undone.set_details_json(details);
                  FailAudited(context, undone, profile.status(), "billing");
                });
}

void ChangeAccount(const Context& context, const Tenant& tenant, const AccountPatch& patch,
                   const auth::v1::AuditEvent& event) {
  if (!patch.has_account) return ChangeProfile(context, tenant, patch, event);
  context->Call(*context->upstreams().billing, AccountService::kUpdateAccount, patch.account,
                [context, tenant, patch, event](const absl::StatusOr<Account>& account) {
                  if (account.ok()) return ChangeProfile(context, tenant, patch, event);
                  FailAudited(context, event, account.status(), "billing");
                });
}

void PatchAccount(const Context& context) {
  const auto read = ReadPatch(*context);
  if (!read.ok()) return context->Fail(read.status());
  WithTenant(context, [context, patch = *read](const Tenant& tenant) mutable {
    if (!patch.has_account && !patch.has_profile) return ShowAccount(context, tenant);
    patch.account.set_tenant_id(tenant.id());
    patch.profile.set_tenant_id(tenant.id());
    const auto event = MakeAccountEvent(*context, tenant.id(), patch.details_json);
    AuditThen(context, event,
              [context, tenant, patch, event] { ChangeAccount(context, tenant, patch, event); });
  });
}

absl::StatusOr<bill::ReverseEntryRequest> ReadReverse(const RequestContext& context) {
  bill::ReverseEntryRequest request;
  GH_ASSIGN_OR_RETURN(const std::string id, context.PathUuid());
  request.set_entry_id(id);
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  const std::optional<std::int64_t> cents = body.Int("amount_cents", 1, kCentsMax);
  if (cents) *request.mutable_amount() = MoneyOf(*cents);
  request.set_reason(body.RequiredText("reason", 500));
  if (!request.reason().empty() && Trim(request.reason()).empty()) {
    body.Note("reason", "must not be blank");
  }
  GH_RETURN_IF_ERROR(body.Finish());
  GH_ASSIGN_OR_RETURN(const std::string key, ReadIdempotencyKey(context));
  request.set_idempotency_key(key);
  return request;
}

std::string ReversedJson(const bill::AdjustBalanceResponse& reversed) {
  const std::int64_t after = reversed.entry().balance_after().amount_nanos();
  JsonWriter json;
  json.BeginObject().Field("message", "Entry reversed").Field("status", "success");
  json.Field("ledger_entry_id", reversed.entry().id())
      .Field("reverses", reversed.entry().reverses());
  json.Field("amount_cents", EntryCents(reversed.entry().amount().amount_nanos(), after));
  json.Field("new_balance_cents", FloorCents(after)).EndObject();
  return json.Take();
}

void ReverseEntry(const Context& context) {
  const auto request = ReadReverse(*context);
  if (!request.ok()) return context->Fail(request.status());
  JsonWriter details;
  details.BeginObject().Field("action", "ledger_entry_reversed");
  if (request->has_amount()) {
    details.Field("amount_cents", request->amount().amount_nanos() / kNanosPerCent);
  }
  details.Field("reason", request->reason());
  details.Field("idempotency_key", request->idempotency_key()).EndObject();
  auto event =
      MakeAuditEvent(*context, "admin_action", "ledger/" + request->entry_id(), details.Take());
  event.set_reason(request->reason());
  AuditThenBook(context, event, AccountService::kReverseEntry, *request, ReversedJson);
}

absl::StatusOr<bill::ExportLedgerRequest> ReadExport(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(Query query, context.Arguments());
  bill::ExportLedgerRequest request;
  if (query.Text("tenant")) {
    const std::int64_t tenant = query.Number("tenant", 0, 0, INT64_MAX);
    if (tenant < 1) query.Note("tenant", "must be a positive integer");
    request.set_tenant_id(tenant);
  }
  // Of all times there are; an end that is left out leaves out nothing.
  const DateRange all{Time(), Time(std::chrono::sys_days(std::chrono::year(2201) / 1 / 1))};
  const DateRange range = ReadDateRange(query, all);
  GH_RETURN_IF_ERROR(query.Finish());
  if (range.start > all.start) *request.mutable_start_time() = rpc::ToTimestamp(range.start);
  if (range.end < all.end) *request.mutable_end_time() = rpc::ToTimestamp(range.end);
  return request;
}

void ExportAudited(const Context& context, const bill::ExportLedgerRequest& request) {
  JsonWriter details;
  details.BeginObject().Field("action", "ledger_exported");
  if (request.tenant_id() > 0) details.Field("tenant", request.tenant_id());
  details.TimeField("start", request.has_start_time(), request.start_time());
  details.TimeField("end", request.has_end_time(), request.end_time()).EndObject();
  auto event = MakeAuditEvent(*context, "billing_access", "ledger", details.Take());
  event.set_tenant_id(request.tenant_id());
  AuditThen(context, event, [context, request] { LedgerDownload::Start(context, request); });
}

void ExportLedger(const Context& context) {
  const auto request = ReadExport(*context);
  if (!request.ok()) return context->Fail(request.status());
  if (request->tenant_id() == 0) return ExportAudited(context, *request);
  auth::v1::GetTenantRequest tenant;
  tenant.set_id(request->tenant_id());
  context->CallOrFail(
      *context->upstreams().auth, auth::v1::TenantService::kGetTenant, tenant,
      [context, request = *request](const Tenant&) { ExportAudited(context, request); });
}

void Add(RouteTable& table, const char* method, const char* path, Handler handler,
         Timeout timeout = Timeout::kStandard) {
  table.Add({.method = method,
             .path = path,
             .audience = Audience::kPermission,
             .requirement = "manage_billing",
             .timeout = timeout,
             .handler = std::move(handler)});
}

}  // namespace

void AddLedgerRoutes(RouteTable& table) {
  Add(table, "GET", "/api/billing/admin/reserve/summary/", GetSummary);
  Add(table, "GET", "/api/billing/admin/accounts/", ListAccounts);
  Add(table, "GET", "/api/billing/admin/accounts/{tenant}/", GetAccount);
  Add(table, "PATCH", "/api/billing/admin/accounts/{tenant}/", PatchAccount);
  Add(table, "POST", "/api/billing/admin/ledger/{id}/reverse/", ReverseEntry);
  Add(table, "GET", "/api/billing/admin/ledger/export.csv", ExportLedger, Timeout::kStream);
}

}  // namespace gatehouse::gateway
