#include "services/gateway/csv.h"

#include <utility>

namespace gatehouse::gateway {

void CsvLine::Separate() {
  if (!std::exchange(is_empty_, false)) line_ += ',';
}

CsvLine& CsvLine::Text(std::string_view text) {
  constexpr std::string_view kComputed = "=+-@\t\r\n";
  Separate();
  std::string cell;
  if (!text.empty() && kComputed.find(text.front()) != std::string_view::npos) cell += '\'';
  cell += text;
  // Some programs part cells at semicolons or tabs.
  if (cell.find_first_of(",;\t\"\r\n") == std::string::npos) {
    line_ += cell;
    return *this;
  }
  line_ += '"';
  for (const char c : cell) {
    if (c == '"') line_ += '"';
    line_ += c;
  }
  line_ += '"';
  return *this;
}

CsvLine& CsvLine::Number(std::int64_t number) {
  Separate();
  line_ += std::to_string(number);
  return *this;
}

CsvLine& CsvLine::Units(std::int64_t cents) {
  Separate();
  // Digit by digit, so that the least number needs no positive twin.
  const std::int64_t units = cents / 100;
  const std::int64_t rest = cents % 100 < 0 ? -(cents % 100) : cents % 100;
  if (cents < 0 && units == 0) line_ += '-';
  line_ += std::to_string(units);
  line_ += '.';
  line_ += static_cast<char>('0' + rest / 10);
  line_ += static_cast<char>('0' + rest % 10);
  return *this;
}

std::string CsvLine::Take() {
  is_empty_ = true;
  return std::exchange(line_, std::string()) + "\r\n";
}

}  // namespace gatehouse::gateway
