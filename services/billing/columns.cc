#include "services/billing/columns.h"

namespace gatehouse::billing {
namespace {

// Numbers go in network order.
template <typename T>
void PutNumber(T value, std::string* to) {
  for (int shift = 8 * static_cast<int>(sizeof value) - 8; shift >= 0; shift -= 8) {
    to->push_back(static_cast<char>(value >> shift & 0xff));
  }
}

unsigned Nibble(char digit) {
  return static_cast<unsigned>(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
}

}  // namespace

Column::Column(Type type) : type_(type) {}

void Column::AddSize(std::int32_t size) {
  ++count_;
  PutNumber(size, &elements_);
}

void Column::AddNumber(std::int64_t value) {
  AddSize(sizeof value);
  PutNumber(value, &elements_);
}

void Column::AddBytes(std::string_view value) {
  AddSize(static_cast<std::int32_t>(value.size()));
  elements_.append(value);
}

void Column::AddUuid(std::string_view uuid) {
  if (uuid.empty()) return AddNull();
  AddSize(16);
  for (std::size_t i = 0; i + 1 < uuid.size(); i += 2) {
    if (uuid[i] == '-') ++i;
    elements_.push_back(static_cast<char>(Nibble(uuid[i]) << 4 | Nibble(uuid[i + 1])));
  }
}

void Column::AddNull() {
  has_null_ = true;
  AddSize(-1);
}

ColumnSet::ColumnSet(const std::vector<Column::Type>& types) {
  columns_.reserve(types.size());
  for (const Column::Type type : types) columns_.emplace_back(type);
}

Column& ColumnSet::Next() {
  Column& column = columns_[at_];
  at_ = (at_ + 1) % columns_.size();
  return column;
}

void ColumnSet::AppendTo(std::vector<pqxx::binarystring>* parameters) const {
  for (const Column& column : columns_) parameters->push_back(column.Take());
}

pqxx::binarystring Column::Take() const {
  std::string array;
  array.reserve(20 + elements_.size());
  PutNumber<std::int32_t>(count_ > 0 ? 1 : 0, &array);  // Dimensions.
  PutNumber<std::int32_t>(has_null_ ? 1 : 0, &array);
  PutNumber(static_cast<std::int32_t>(type_), &array);
  if (count_ > 0) {
    PutNumber(count_, &array);
    PutNumber<std::int32_t>(1, &array);  // Where the index begins.
  }
  return pqxx::binarystring(array + elements_);
}

}  // namespace gatehouse::billing
