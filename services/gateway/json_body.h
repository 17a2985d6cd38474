// The members of a JSON object that came as a request body, checked one by one:
// each accessor notes what is wrong and Finish reports all of it. Strict:
// UTF-8, one value, no duplicate keys, limited depth. Not a general document;
// nested objects and arrays stay text, their numbers as they were written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/base/clock.h"
#include "libs/status/status.h"

namespace gatehouse::gateway {

inline constexpr std::size_t kJsonDepthMax = 32;

class JsonBody {
 public:
  enum class Kind { kNull, kBool, kInt, kNumber, kText, kObject, kArray };
  struct Member {
    std::string name;
    Kind kind = Kind::kNull;
    std::string text;                     // kText: decoded; kInt, kNumber: as it was
                                          // written; kObject, kArray: compact JSON
    std::int64_t number = 0;              // kInt; kBool: 0 or 1
    std::vector<std::string> texts = {};  // kArray: those of its items that are texts
    bool known = false;                   // An accessor has asked for it.
  };

  // An empty text is an empty object. INVALID_ARGUMENT / JSON_MALFORMED,
  // JSON_NOT_OBJECT, JSON_DUPLICATE_KEY, JSON_TOO_DEEP or JSON_NUL.
  static absl::StatusOr<JsonBody> Parse(std::string_view text);

  // Whether the member is there and not null; there and null.
  bool Has(const std::string& name);
  bool IsNull(const std::string& name);

  // Absent and null are nullopt; a wrong type or range is noted and nullopt.
  std::optional<std::string> Text(const std::string& name, std::size_t bytes_max);
  // A text of `min` to `max` characters (code points, not bytes).
  std::optional<std::string> Characters(const std::string& name, std::size_t min, std::size_t max);
  std::optional<std::int64_t> Int(const std::string& name, std::int64_t min, std::int64_t max);
  // A number with at most `places` decimals, in units of 10^-places: 12.5 is 1250 with two.
  std::optional<std::int64_t> Decimal(const std::string& name, int places, std::int64_t min,
                                      std::int64_t max);
  // The same; the number may also stand in a text: "12.5".
  std::optional<std::int64_t> DecimalOrText(const std::string& name, int places, std::int64_t min,
                                            std::int64_t max);
  std::optional<bool> Bool(const std::string& name);
  std::optional<Time> DateTime(const std::string& name);
  // A time as text, or as integer milliseconds since 1970.
  std::optional<Time> DateTimeOrMillis(const std::string& name);
  // An array of texts, or one text that counts as its parts between commas.
  std::optional<std::vector<std::string>> TextList(const std::string& name, std::size_t items_max,
                                                   std::size_t bytes_max);
  std::optional<std::string> Object(const std::string& name);
  // An array of objects, each as JSON for Parse.
  std::optional<std::vector<std::string>> Objects(const std::string& name, std::size_t items_max);

  // The same for members that must be there; "", 0 or "{}" with a note if not.
  std::string RequiredText(const std::string& name, std::size_t bytes_max);
  std::string RequiredCharacters(const std::string& name, std::size_t min, std::size_t max);
  std::int64_t RequiredInt(const std::string& name, std::int64_t min, std::int64_t max);
  std::string RequiredObject(const std::string& name);

  // Adds a finding of the caller's own.
  void Note(const std::string& field, const std::string& problem);

  // OK, or INVALID_ARGUMENT / VALIDATION_FAILED with a violation per finding;
  // members that nobody asked for are findings, too.
  absl::Status Finish(const std::string& message = "the request has invalid fields");

 private:
  Member* Find(const std::string& name);

  std::vector<Member> members_;
  std::vector<std::pair<std::string, std::string>> notes_;
};

}  // namespace gatehouse::gateway
