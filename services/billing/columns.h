// Columns of rows as array parameters in PostgreSQL's binary form, which costs the
// server a third of what texts cost to read. For statements that unnest them; texts
// for the rest (pg::TextArray).
#pragma once

#include <cstdint>
#include <pqxx/binarystring>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::billing {

// One array; elements are added in order, by the one function that fits its type.
class Column {
 public:
  // The type of the elements, by its number in pg_type.
  enum class Type { kBytes = 17, kNumber = 20, kText = 25, kUuid = 2950 };
  explicit Column(Type type);

  void AddNumber(std::int64_t value);
  // Of kText (valid UTF-8 without NUL) and of kBytes.
  void AddBytes(std::string_view value);
  // `uuid` as text; "" adds a NULL.
  void AddUuid(std::string_view uuid);
  void AddNull();

  // The parameter, for bytea[], bigint[], text[] or uuid[].
  pqxx::binarystring Take() const;

 private:
  void AddSize(std::int32_t size);

  const Type type_;
  std::string elements_;
  std::int32_t count_ = 0;
  bool has_null_ = false;
};

// The columns of one unnest, filled row by row.
class ColumnSet {
 public:
  explicit ColumnSet(const std::vector<Column::Type>& types);
  // The column to add to next; after the last one comes the first of the next row.
  Column& Next();
  void AppendTo(std::vector<pqxx::binarystring>* parameters) const;

 private:
  std::vector<Column> columns_;
  std::size_t at_ = 0;
};

}  // namespace gatehouse::billing
