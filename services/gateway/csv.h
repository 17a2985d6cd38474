// Lines of CSV as RFC 4180 has them, safe to open in a spreadsheet. Not a reader.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gatehouse::gateway {

// One line: a cell per call, then Take.
class CsvLine {
 public:
  // Quoted where it must be. A text that a spreadsheet would compute (it begins with
  // "=", "+", "-", "@", a tab or the end of a line) gets an apostrophe in front.
  CsvLine& Text(std::string_view text);
  CsvLine& Number(std::int64_t number);
  // Whole cents as units with two decimals: -150 → "-1.50".
  CsvLine& Units(std::int64_t cents);

  // With its CRLF; the next line begins.
  std::string Take();

 private:
  void Separate();

  std::string line_;
  bool is_empty_ = true;
};

}  // namespace gatehouse::gateway
