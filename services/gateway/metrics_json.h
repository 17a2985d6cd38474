// Metrics of the business as the edge shows them: whole cents, rates as exact decimals.
// Pure. Not the routes (routes_metrics.cc).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "services/gateway/date_range.h"

namespace gatehouse::billing::v1 {
class AlertLevels;
class GetCohortsResponse;
class RevenueSummary;
}  // namespace gatehouse::billing::v1

namespace gatehouse::gateway {

// Flat, and again by groups.
std::string SummaryJson(const billing::v1::RevenueSummary& summary, const DateRange& period);

// Values of the days from `start` on.
struct MetricSeries {
  std::string metric;
  bool cents = false;
  std::vector<std::int64_t> values;
};
std::string SeriesJson(const MetricSeries& series, const DateRange& period);

std::string CohortsJson(const billing::v1::GetCohortsResponse& cohorts);

std::string LevelsJson(const billing::v1::AlertLevels& levels);

// One line a day, one column a series, all as long as the first.
std::string SeriesCsv(const std::vector<MetricSeries>& series, Time start);

}  // namespace gatehouse::gateway
