// A JSON text, read only, whose values are asked for by path; so that the JSON library
// stays out of every other file. Not a writer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "libs/status/status.h"

namespace gatehouse::billing {

// Paths name members and list positions: "data.object.items.data.0.price.id". What is
// not there, null, or of another type is nullopt, and so is text with a NUL, which the
// database cannot keep. Copies share the document. Thread-safe.
class JsonDocument {
 public:
  // INVALID_ARGUMENT / JSON_MALFORMED: not UTF-8, not JSON, not an object, or nested
  // more than 32 deep.
  static absl::StatusOr<JsonDocument> Parse(std::string_view text);

  std::optional<std::string> Text(std::string_view path) const;
  // An integer that fits; a number written with a fraction is none.
  std::optional<std::int64_t> Int(std::string_view path) const;
  // Any number as decimal text, perhaps with an exponent: "7", "1.25E1".
  std::optional<std::string> Number(std::string_view path) const;
  std::optional<bool> Bool(std::string_view path) const;
  // Elements of a list, else 0.
  std::size_t Size(std::string_view path) const;
  // Whether there is an object.
  bool HasObject(std::string_view path) const;

  // Text(path) of an id that Stripe either names or writes out as an object with "id".
  std::optional<std::string> Id(std::string_view path) const;

 private:
  struct Value;
  explicit JsonDocument(std::shared_ptr<const Value> value) : value_(std::move(value)) {}
  std::shared_ptr<const Value> value_;
};

}  // namespace gatehouse::billing
