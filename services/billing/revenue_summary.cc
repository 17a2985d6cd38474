#include "services/billing/revenue_summary.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/rpc/timestamp.h"
#include "services/billing/messages.h"

namespace gatehouse::billing {
namespace {

// 62500 is "6.25 %".
std::string Percent(std::int64_t ppm) {
  std::string text = absl::StrFormat("%d.%04d", ppm / 10'000, ppm % 10'000);
  while (text.ends_with('0')) text.pop_back();
  if (text.ends_with('.')) text.pop_back();
  return text + " %";
}

void AddRateAlert(const char* kind, const char* what, const std::optional<std::int64_t>& ppm,
                  std::int64_t level_ppm, v1::RevenueSummary* summary) {
  if (!ppm || *ppm <= level_ppm) return;
  v1::Alert& alert = *summary->add_alerts();
  alert.set_kind(kind);
  alert.set_message(absl::StrCat(what, " is ", Percent(*ppm), ", above ", Percent(level_ppm)));
}

void SetMovement(const Movement& from, v1::RevenueMovement* to) {
  to->set_start_annual_cents(from.start_cents);
  to->set_new_annual_cents(from.new_cents);
  to->set_reactivation_annual_cents(from.reactivation_cents);
  to->set_expansion_annual_cents(from.expansion_cents);
  to->set_contraction_annual_cents(from.contraction_cents);
  to->set_churn_annual_cents(from.churn_cents);
  to->set_end_annual_cents(from.end_cents);
  to->set_customers_start(from.customers_start);
  to->set_customers_end(from.customers_end);
  to->set_customers_new(from.customers_new);
  to->set_customers_churned(from.customers_churned);
  if (const auto ppm = Ppm(from.customers_churned, from.customers_start)) {
    to->set_logo_churn_ppm(*ppm);
  }
  if (const auto ppm = GrossChurnPpm(from)) to->set_gross_churn_ppm(*ppm);
  if (const auto ppm = NetRetentionPpm(from)) to->set_net_retention_ppm(*ppm);
}

std::int64_t TotalOf(const WorkCounts& work) { return work.success + work.failed + work.cancelled; }

void SetWork(const WorkCounts& from, v1::WorkFigures* to) {
  to->set_total(TotalOf(from));
  to->set_success(from.success);
  to->set_failed(from.failed);
  to->set_cancelled(from.cancelled);
  if (const auto ppm = Ppm(from.failed, TotalOf(from))) to->set_failure_ppm(*ppm);
}

void AddAlerts(const SummaryFigures& figures, v1::RevenueSummary* summary) {
  const Movement& moved = figures.movement;
  const AlertLevels& levels = figures.levels;
  AddRateAlert("churn", "The share of customers who left",
               Ppm(moved.customers_churned, moved.customers_start), levels.logo_churn_ppm, summary);
  AddRateAlert("mrr_drop", "The fall of the recurring revenue",
               Ppm(moved.start_cents - moved.end_cents, moved.start_cents), levels.mrr_drop_ppm,
               summary);
  AddRateAlert("failed_jobs", "The share of failed work",
               Ppm(figures.work.failed, TotalOf(figures.work)), levels.failed_work_ppm, summary);
  if (figures.negative_accounts <= levels.negative_accounts) return;
  v1::Alert& alert = *summary->add_alerts();
  alert.set_kind("negative_balances");
  alert.set_message(absl::StrCat("Accounts below zero: ", figures.negative_accounts, ", more than ",
                                 levels.negative_accounts));
}

}  // namespace

v1::RevenueSummary ToSummary(const SummaryFigures& figures) {
  v1::RevenueSummary summary;
  SetMovement(figures.movement, summary.mutable_movement());
  v1::PrepaidFigures& prepaid = *summary.mutable_prepaid();
  *prepaid.mutable_usage() = ToMoney(figures.usage.cost_nanos);
  *prepaid.mutable_usage_trailing_30_days() = ToMoney(figures.trailing_usage_nanos);
  *prepaid.mutable_topups() = ToMoney(figures.ledger.topup_nanos);
  *prepaid.mutable_refunds() = ToMoney(figures.ledger.refund_nanos);
  *prepaid.mutable_adjustments() = ToMoney(figures.ledger.adjustment_nanos);
  prepaid.set_active_tenants(figures.usage.active_tenants);
  prepaid.set_churned_tenants(figures.churned_tenants);
  SetWork(figures.work, summary.mutable_work());
  summary.set_mrr_cents(MonthlyCents(figures.movement.end_cents));
  summary.set_arr_cents(figures.movement.end_cents);
  summary.set_current_annual_cents(figures.current_cents);
  *summary.mutable_create_time() = rpc::ToTimestamp(figures.now);
  AddAlerts(figures, &summary);
  return summary;
}

v1::AlertLevels ToProto(const AlertLevels& levels) {
  v1::AlertLevels proto;
  proto.set_logo_churn_ppm(levels.logo_churn_ppm);
  proto.set_mrr_drop_ppm(levels.mrr_drop_ppm);
  proto.set_failed_work_ppm(levels.failed_work_ppm);
  proto.set_negative_accounts(levels.negative_accounts);
  return proto;
}

}  // namespace gatehouse::billing
