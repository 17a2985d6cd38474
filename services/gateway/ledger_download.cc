#include "services/gateway/ledger_download.h"

#include <utility>

#include "gatehouse/auth/v1/tenant.methods.h"
#include "gatehouse/billing/v1/account.methods.h"
#include "libs/base/time_text.h"
#include "libs/log/log.h"
#include "libs/rpc/timestamp.h"
#include "services/gateway/cents.h"
#include "services/gateway/csv.h"

namespace gatehouse::gateway {
namespace {

namespace bill = billing::v1;

constexpr int kOk = 200;
constexpr int kUnauthorized = 401;
constexpr int kUnavailable = 503;

constexpr char kHeader[] =
    "Tenant ID,Tenant Name,Entry Type,Amount (cents),Amount ($),Balance After (cents),"
    "Balance After ($),Related Job ID,Stripe Event ID,Notes,Created At\r\n";

// "ledger_export_20261130_235959.csv"
std::string FileName(Time now) {
  std::string digits;
  for (const char c : FormatTime(now).substr(0, 19)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  return "ledger_export_" + digits.substr(0, 8) + "_" + digits.substr(8) + ".csv";
}

std::string LineOf(const bill::LedgerEntry& entry, const std::string& tenant_name) {
  const std::int64_t after = entry.balance_after().amount_nanos();
  const std::int64_t amount = EntryCents(entry.amount().amount_nanos(), after);
  CsvLine line;
  line.Number(entry.tenant_id()).Text(tenant_name).Text(entry.entry_type());
  line.Number(amount).Units(amount).Number(FloorCents(after)).Units(FloorCents(after));
  line.Text(entry.job_id()).Text(entry.stripe_event_id()).Text(entry.notes());
  line.Text(FormatTime(rpc::FromTimestamp(entry.create_time())));
  return line.Take();
}

}  // namespace

LedgerDownload::LedgerDownload(Context context, bill::ExportLedgerRequest request)
    : context_(std::move(context)), watch_(*context_), request_(std::move(request)) {}

void LedgerDownload::Start(const Context& context, const bill::ExportLedgerRequest& request) {
  std::make_shared<LedgerDownload>(context, request)->FetchPage();
}

void LedgerDownload::FetchPage() {
  context_->Call(
      *context_->upstreams().billing, bill::AccountService::kExportLedger, request_,
      [self = shared_from_this()](const absl::StatusOr<bill::ExportLedgerResponse>& page) {
        self->TakePage(page);
      });
}

void LedgerDownload::TakePage(const absl::StatusOr<bill::ExportLedgerResponse>& page) {
  if (has_begun_ && stream_ == nullptr) return;
  if (!page.ok()) return Fail(page.status(), "billing");
  page_ = *page;
  named_ = 0;
  FindNames();
}

// Asks for the names that are not known yet, one after the other.
void LedgerDownload::FindNames() {
  while (named_ < page_.entries_size() && names_.count(page_.entries(named_).tenant_id()) > 0) {
    ++named_;
  }
  if (named_ == page_.entries_size()) return WritePage();
  const std::int64_t tenant_id = page_.entries(named_).tenant_id();
  auth::v1::GetTenantRequest request;
  request.set_id(tenant_id);
  context_->Call(
      *context_->upstreams().auth, auth::v1::TenantService::kGetTenant, request,
      [self = shared_from_this(), tenant_id](const absl::StatusOr<auth::v1::Tenant>& tenant) {
        if (self->has_begun_ && self->stream_ == nullptr) return;
        if (!tenant.ok() && Reason(tenant.status()) != "TENANT_NOT_FOUND") {
          return self->Fail(tenant.status(), "auth");
        }
        self->names_[tenant_id] = tenant.ok() ? tenant->name() : "";
        self->FindNames();
      });
}

void LedgerDownload::WritePage() {
  if (!has_begun_ && !Begin()) return;
  std::string text;
  for (const bill::LedgerEntry& entry : page_.entries()) {
    text += LineOf(entry, names_[entry.tenant_id()]);
  }
  if (!text.empty()) Write(std::move(text));
  request_.set_page_token(page_.next_page_token());
  const bool is_head = context_->request().method == "HEAD";
  if (stream_ == nullptr) return;
  if (request_.page_token().empty() || is_head) {
    http::Stream* const stream = std::exchange(stream_, nullptr);
    context_->FinishStream(kOk, bytes_);
    return stream->End();
  }
  is_waiting_ = stream_->queued() > http::Stream::kHighBytes;
  if (!is_waiting_) FetchPage();
}

// False when the client has left.
bool LedgerDownload::Begin() {
  has_begun_ = true;
  stream_ = context_->exchange()->OpenStream(shared_from_this());
  if (stream_ == nullptr) return false;
  http::ReplyHead head{kOk, "", std::nullopt};
  head.lines = "Content-Type: text/csv; charset=utf-8\r\nCache-Control: no-store\r\n";
  head.lines += "Content-Disposition: attachment; filename=\"" +
                FileName(context_->parts().clock.Now()) + "\"\r\n";
  context_->AppendCommonLines(
      [](std::string_view name) {
        return http::SameName(name, "Content-Type") || http::SameName(name, "Cache-Control");
      },
      &head.lines);
  stream_->BeginReply(std::move(head));
  Write(kHeader);
  return stream_ != nullptr;
}

void LedgerDownload::Write(std::string bytes) {
  bytes_ += bytes.size();
  stream_->Write(std::move(bytes));
}

void LedgerDownload::OnWritable() {
  if (stream_ != nullptr && std::exchange(is_waiting_, false)) FetchPage();
}

// An administrator who is none any more gets no more of it.
void LedgerDownload::OnTick(SteadyTime now) {
  if (stream_ != nullptr && watch_.Check(now) != 0) Cut(kUnauthorized);
}

void LedgerDownload::OnClosed() {
  if (std::exchange(stream_, nullptr) != nullptr) context_->FinishStream(0, bytes_);
}

void LedgerDownload::Fail(const absl::Status& status, const std::string& service) {
  if (!has_begun_) return context_->Fail(status, service);
  log::Warning("an export of the ledger was cut",
               {{"service", service}, {"reason", Reason(status)}});
  Cut(kUnavailable);
}

void LedgerDownload::Cut(int status) {
  http::Stream* const stream = std::exchange(stream_, nullptr);
  context_->FinishStream(status, bytes_);
  stream->Abort();
}

}  // namespace gatehouse::gateway
