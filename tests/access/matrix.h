// Rows of the access matrix: tab-separated tables that name, for each route and
// RPC, what every kind of credential gets. Not the fixtures they stand on.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace gatehouse::access {

using Row = std::map<std::string, std::string>;  // By the names in the first line.

// The rows of tests/access/<name>; lines that begin with "#" are remarks.
std::vector<Row> ReadRows(const std::string& name);

// Replaces "$word" by its value; an unknown word aborts the test.
std::string Fill(const std::string& text, const std::map<std::string, std::string>& values);

}  // namespace gatehouse::access
