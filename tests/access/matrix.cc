#include "tests/access/matrix.h"

#include <cstdlib>
#include <fstream>
#include <iostream>

namespace gatehouse::access {
namespace {

std::vector<std::string> SplitTabs(const std::string& line) {
  std::vector<std::string> cells;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = line.find('\t', begin);
    cells.push_back(line.substr(begin, end - begin));
    if (end == std::string::npos) return cells;
    begin = end + 1;
  }
}

bool IsWordChar(char c) { return (c >= 'a' && c <= 'z') || c == '_'; }

}  // namespace

std::vector<Row> ReadRows(const std::string& name) {
  std::ifstream file(std::string(GATEHOUSE_SOURCE "/tests/access/") + name);
  std::vector<std::string> names;
  std::vector<Row> rows;
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) continue;
    const bool is_remark = line[0] == '#';
    if (is_remark && (!names.empty() || line.find('\t') == std::string::npos)) continue;
    const std::vector<std::string> cells = SplitTabs(is_remark ? line.substr(1) : line);
    if (names.empty()) {
      names = cells;
      continue;
    }
    Row row;
    for (std::size_t i = 0; i < names.size(); ++i) row[names[i]] = i < cells.size() ? cells[i] : "";
    rows.push_back(row);
  }
  return rows;
}

std::string Fill(const std::string& text, const std::map<std::string, std::string>& values) {
  std::string filled;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '$') {
      filled += text[i++];
      continue;
    }
    std::size_t end = i + 1;
    while (end < text.size() && IsWordChar(text[end])) ++end;
    const auto found = values.find(text.substr(i + 1, end - i - 1));
    if (found == values.end()) {
      std::cerr << "the access matrix names an unknown value in " << text << std::endl;
      std::abort();
    }
    filled += found->second;
    i = end;
  }
  return filled;
}

}  // namespace gatehouse::access
