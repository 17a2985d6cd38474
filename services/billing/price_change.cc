#include "services/billing/price_change.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/secret.h"
#include "libs/base/utf8.h"
#include "libs/rpc/timestamp.h"
#include "services/billing/money.h"

namespace gatehouse::billing {
namespace {

// As the table allows.
constexpr const char* kLineTypes[] = {"prompt_tokens", "completion_tokens", "embedding_tokens",
                                      "per_request",   "per_mb_storage",    "per_job",
                                      "per_document",  "compute_seconds"};
constexpr std::size_t kResourceBytesMax = 200;
constexpr std::int64_t kPerUnitsMax = 1'000'000'000'000;

bool IsLineType(const std::string& text) {
  return std::ranges::find(kLineTypes, text) != std::end(kLineTypes);
}

bool IsPrintable(const std::string& text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const std::size_t length = Utf8Length(text, at);
    if (length == 0 || byte < 0x20 || byte == 0x7f) return false;
    at += length;
  }
  return true;
}

PriceFaults KeyFaults(const PriceKey& key) {
  PriceFaults faults;
  const auto& [line_type, resource] = key;
  if (!IsLineType(line_type)) {
    faults.emplace_back("line_type",
                        "must be prompt_tokens, completion_tokens, embedding_tokens, per_request, "
                        "per_mb_storage, per_job, per_document or compute_seconds");
  }
  if (resource.empty() || resource.size() > kResourceBytesMax || !IsPrintable(resource)) {
    faults.emplace_back("resource", "must be 1 to 200 bytes of printable text");
  }
  return faults;
}

// Collects what is wrong.
class Violations {
 public:
  void Add(const std::string& field, const std::string& text) {
    if (status_.ok()) {
      status_ = Error(absl::StatusCode::kInvalidArgument, "PRICE_INVALID",
                      absl::StrCat("the prices cannot be published: ", field, " ", text));
    }
    status_ = WithFieldViolation(std::move(status_), field, text);
  }
  void Add(const std::string& path, const PriceFaults& faults) {
    for (const auto& [field, text] : faults) Add(absl::StrCat(path, ".", field), text);
  }
  const absl::Status& status() const { return status_; }

 private:
  absl::Status status_;
};

void CheckPrices(const v1::PublishPricesRequest& request, PriceChange* change, Violations* wrong) {
  for (int i = 0; i < request.prices_size(); ++i) {
    const v1::Price& given = request.prices(i);
    const std::string path = absl::StrCat("prices[", i, "]");
    const PriceKey key(given.line_type(), given.resource());
    const Price price{.unit_nanos = given.unit_nanos(),
                      .per_units = given.per_units() == 0 ? 1 : given.per_units()};
    wrong->Add(path, FaultsOf(key, price));
    if (!change->prices.emplace(key, price).second) wrong->Add(path, "is there twice");
  }
}

void CheckRemoved(const v1::PublishPricesRequest& request, PriceChange* change, Violations* wrong) {
  if (request.replace() && request.removed_size() > 0) {
    wrong->Add("removed", "must be empty when the whole book is replaced");
  }
  for (int i = 0; i < request.removed_size(); ++i) {
    const std::string path = absl::StrCat("removed[", i, "]");
    const PriceKey key(request.removed(i).line_type(), request.removed(i).resource());
    wrong->Add(path, KeyFaults(key));
    if (!change->removed.insert(key).second) wrong->Add(path, "is there twice");
    if (change->prices.contains(key)) wrong->Add(path, "is among the prices, too");
  }
}

std::string TextOf(const Price& price) {
  const std::string dollars = absl::StrFormat("%d.%09d", price.unit_nanos / 1'000'000'000,
                                              price.unit_nanos % 1'000'000'000);
  std::size_t size = dollars.find_last_not_of('0') + 1;
  if (dollars[size - 1] == '.') size += 2;
  const std::string amount = absl::StrCat(dollars.substr(0, size), " ", kCurrency);
  return price.per_units == 1 ? amount : absl::StrCat(amount, " per ", price.per_units);
}

bool Same(const Price& one, const Price& other) {
  return one.unit_nanos == other.unit_nanos && one.per_units == other.per_units;
}

}  // namespace

PriceFaults FaultsOf(const PriceKey& key, const Price& price) {
  PriceFaults faults = KeyFaults(key);
  if (price.unit_nanos < 0 || price.unit_nanos > kAmountMaxNanos) {
    faults.emplace_back("unit_nanos",
                        absl::StrCat("must be in [0, ", kAmountMaxNanos, "], a million dollars"));
  }
  if (price.per_units < 1 || price.per_units > kPerUnitsMax) {
    faults.emplace_back("per_units", absl::StrCat("must be in [1, ", kPerUnitsMax, "]"));
  }
  return faults;
}

absl::StatusOr<PriceChange> CheckPublish(const v1::PublishPricesRequest& request) {
  PriceChange change;
  Violations wrong;
  if (request.prices_size() > static_cast<int>(kPricesMax) ||
      request.removed_size() > static_cast<int>(kPricesMax)) {
    wrong.Add("prices", absl::StrCat("must be at most ", kPricesMax));
    return wrong.status();
  }
  CheckPrices(request, &change, &wrong);
  CheckRemoved(request, &change, &wrong);
  if (request.notes().size() > kNotesBytesMax || request.notes().find('\0') != std::string::npos) {
    wrong.Add("notes", absl::StrCat("must be at most ", kNotesBytesMax, " bytes of text"));
  }
  GH_RETURN_IF_ERROR(wrong.status());
  change.replace = request.replace();
  change.notes = request.notes();
  if (request.has_effective_time()) {
    change.effective_time = rpc::FromTimestamp(request.effective_time());
  }
  return change;
}

Prices Apply(const PriceChange& change, const Prices& before) {
  Prices after = change.replace ? Prices() : before;
  for (const PriceKey& key : change.removed) after.erase(key);
  for (const auto& [key, price] : change.prices) after[key] = price;
  return after;
}

std::string ContentHash(const Prices& prices) {
  std::string form;
  for (const auto& [key, price] : prices) {
    // Neither of the texts has a line feed in it.
    absl::StrAppend(&form, key.first, "\n", key.second, "\n", price.unit_nanos, "\n",
                    price.per_units, "\n");
  }
  return Sha256(form);
}

std::vector<std::string> DescribeChanges(const Prices& before, const Prices& after) {
  std::vector<std::string> lines;
  const auto name = [](const PriceKey& key) {
    return absl::StrCat(key.first, " of ", key.second, ": ");
  };
  for (const auto& [key, price] : before) {
    if (!after.contains(key)) lines.push_back("- " + name(key) + TextOf(price));
  }
  for (const auto& [key, price] : after) {
    const auto old = before.find(key);
    if (old == before.end()) {
      lines.push_back("+ " + name(key) + TextOf(price));
    } else if (!Same(old->second, price)) {
      lines.push_back("~ " + name(key) + TextOf(price) + ", " + TextOf(old->second) + " before");
    }
  }
  return lines;
}

}  // namespace gatehouse::billing
