#include <functional>

#include "libs/pg/database.h"

namespace gatehouse::pg {

std::string MicrosOf(const std::string& column) {
  return "(extract(epoch from " + column + ") * 1000000)::bigint";
}

std::string PreparedName(Tx& tx, const std::string& sql) {
  std::string name = "s" + std::to_string(std::hash<std::string>()(sql));
  // Says so once; the same text again is nothing to pqxx, another of that hash an error.
  tx.conn().prepare(name, sql);
  return name;
}

std::string Bytes(const pqxx::field& field) { return pqxx::binarystring(field).str(); }

pqxx::binarystring ToBytea(const std::string& bytes) { return pqxx::binarystring(bytes); }

std::string TextArray(const std::vector<std::string>& values) {
  std::string literal = "{";
  for (const std::string& value : values) {
    if (literal.size() > 1) literal += ',';
    literal += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') literal += '\\';
      literal += c;
    }
    literal += '"';
  }
  return literal + "}";
}

std::string BigintArray(const std::vector<std::int64_t>& values) {
  std::string literal = "{";
  for (const std::int64_t value : values) {
    if (literal.size() > 1) literal += ',';
    literal += std::to_string(value);
  }
  return literal + "}";
}

std::vector<std::string> Texts(const pqxx::field& field) {
  std::vector<std::string> texts;
  if (field.is_null()) return texts;
  auto parser = field.as_array();
  for (auto next = parser.get_next(); next.first != pqxx::array_parser::done;
       next = parser.get_next()) {
    if (next.first == pqxx::array_parser::string_value) texts.push_back(next.second);
  }
  return texts;
}

}  // namespace gatehouse::pg
