#include "services/billing/price.h"

#include "absl/strings/str_cat.h"

namespace gatehouse::billing {
std::string Summary(const Quote& quote) {
  if (quote.lines.empty()) return "";
  const UsageLine& first = quote.lines[0];
  std::string text = absl::StrCat(first.quantity, " ", first.line_type, " of ", first.resource);
  if (quote.lines.size() > 1) absl::StrAppend(&text, " and ", quote.lines.size() - 1, " more");
  return text;
}

}  // namespace gatehouse::billing
