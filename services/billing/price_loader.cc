#include "services/billing/price_loader.h"

#include <utility>

#include "libs/log/log.h"
#include "services/billing/price_file.h"

namespace gatehouse::billing {

using std::chrono::milliseconds;

PriceLoader::PriceLoader(pg::Database& db, std::string path)
    : db_(db),
      path_(std::move(path)),
      is_due_(!path_.empty()),
      ticker_("price-loader", [this] { return Step(); }) {}

void PriceLoader::Reload() {
  is_due_ = !path_.empty();
  ticker_.Wake();
}

milliseconds PriceLoader::Step() {
  if (!is_due_.exchange(false)) return std::chrono::hours(1);
  const absl::StatusOr<bool> published = LoadPriceFile(db_, path_);
  if (published.ok()) {
    log::Info(*published ? "a price book was published" : "the price book is in force already",
              {{"file", path_}});
    return std::chrono::hours(1);
  }
  log::Error("the price file could not be loaded",
             {{"file", path_}, {"error", std::string(published.status().message())}});
  // A file that is wrong stays so until the next reload; the rest may pass.
  if (absl::IsInvalidArgument(published.status())) return std::chrono::hours(1);
  is_due_ = true;
  return milliseconds(2000);
}

}  // namespace gatehouse::billing
