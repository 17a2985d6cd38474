#include "services/gateway/json_body.h"

#include <algorithm>

#include "libs/base/time_text.h"
#include "services/gateway/json_parser.h"
#include "services/gateway/json_writer.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

// The years 1970 to 9999, which RFC 3339 can write.
constexpr std::int64_t kMillisMax = 253'402'300'799'999;

// Arrays are kept as they would be written: one of texts alone is made of them.
bool IsOfTexts(const JsonBody::Member& array) {
  JsonWriter json;
  json.BeginArray();
  for (const std::string& text : array.texts) json.Text(text);
  return json.EndArray().Take() == array.text;
}

// The items of an array that is compact, valid JSON.
std::vector<std::string> ItemsOf(const std::string& array) {
  std::vector<std::string> items;
  std::string item;
  int depth = 0;
  bool in_text = false;
  for (std::size_t i = 1; i + 1 < array.size(); ++i) {
    const char c = array[i];
    if (!in_text && depth == 0 && c == ',') {
      items.push_back(std::exchange(item, {}));
      continue;
    }
    item += c;
    if (in_text && c == '\\') {
      item += array[++i];
    } else if (c == '"') {
      in_text = !in_text;
    } else if (!in_text && (c == '{' || c == '[')) {
      ++depth;
    } else if (!in_text && (c == '}' || c == ']')) {
      --depth;
    }
  }
  if (!item.empty()) items.push_back(std::move(item));
  return items;
}

}  // namespace

absl::StatusOr<JsonBody> JsonBody::Parse(std::string_view text) {
  JsonBody body;
  if (text.empty()) return body;
  GH_RETURN_IF_ERROR(ParseJsonObject(text, &body.members_));
  return body;
}

JsonBody::Member* JsonBody::Find(const std::string& name) {
  for (Member& member : members_) {
    if (member.name != name) continue;
    member.known = true;
    return member.kind == Kind::kNull ? nullptr : &member;
  }
  return nullptr;
}

std::optional<std::string> JsonBody::Text(const std::string& name, std::size_t bytes_max) {
  Member* member = Find(name);
  if (member == nullptr) return std::nullopt;
  if (member->kind != Kind::kText) {
    Note(name, "must be a string");
    return std::nullopt;
  }
  if (member->text.size() > bytes_max) {
    Note(name, "must be at most " + std::to_string(bytes_max) + " bytes long");
    return std::nullopt;
  }
  return member->text;
}

bool JsonBody::Has(const std::string& name) { return Find(name) != nullptr; }

bool JsonBody::IsNull(const std::string& name) {
  for (Member& member : members_) {
    if (member.name != name) continue;
    member.known = true;
    return member.kind == Kind::kNull;
  }
  return false;
}

std::optional<std::string> JsonBody::Characters(const std::string& name, std::size_t min,
                                                std::size_t max) {
  std::optional<std::string> text = Text(name, std::string::npos);
  if (!text) return std::nullopt;
  // Each character has one byte that does not continue another.
  const auto count = static_cast<std::size_t>(
      std::count_if(text->begin(), text->end(), [](char c) { return (c & '\xc0') != '\x80'; }));
  if (count >= min && count <= max) return text;
  Note(name, "must be " + std::to_string(min) + " to " + std::to_string(max) + " characters long");
  return std::nullopt;
}

std::optional<std::int64_t> JsonBody::Int(const std::string& name, std::int64_t min,
                                          std::int64_t max) {
  Member* member = Find(name);
  if (member == nullptr) return std::nullopt;
  if (member->kind != Kind::kInt) {
    Note(name, "must be an integer");
    return std::nullopt;
  }
  if (member->number < min || member->number > max) {
    Note(name, "must be from " + std::to_string(min) + " to " + std::to_string(max));
    return std::nullopt;
  }
  return member->number;
}

std::optional<std::int64_t> JsonBody::Decimal(const std::string& name, int places, std::int64_t min,
                                              std::int64_t max) {
  Member* member = Find(name);
  if (member == nullptr) return std::nullopt;
  std::optional<std::int64_t> number;
  if (member->kind == Kind::kInt || member->kind == Kind::kNumber) {
    number = ParseDecimal(member->text, places);
  }
  if (!number) {
    Note(name, "must be a number with at most " + std::to_string(places) + " decimals");
    return std::nullopt;
  }
  if (*number >= min && *number <= max) return number;
  Note(name, "must be from " + DecimalText(min, places) + " to " + DecimalText(max, places));
  return std::nullopt;
}

std::optional<std::int64_t> JsonBody::DecimalOrText(const std::string& name, int places,
                                                    std::int64_t min, std::int64_t max) {
  Member* member = Find(name);
  if (member != nullptr && member->kind == Kind::kText) member->kind = Kind::kNumber;
  return Decimal(name, places, min, max);
}

std::optional<Time> JsonBody::DateTime(const std::string& name) {
  Member* member = Find(name);
  if (member == nullptr) return std::nullopt;
  std::optional<Time> time;
  if (member->kind == Kind::kText) time = ParseTime(member->text);
  if (!time) Note(name, "must be a time such as 2030-01-31T12:00:00Z");
  return time;
}

std::optional<bool> JsonBody::Bool(const std::string& name) {
  Member* member = Find(name);
  if (member == nullptr) return std::nullopt;
  if (member->kind == Kind::kBool) return member->number != 0;
  Note(name, "must be true or false");
  return std::nullopt;
}

std::optional<Time> JsonBody::DateTimeOrMillis(const std::string& name) {
  Member* member = Find(name);
  if (member == nullptr || member->kind != Kind::kInt) return DateTime(name);
  const auto millis = Int(name, 0, kMillisMax);
  if (!millis) return std::nullopt;
  return Time(std::chrono::milliseconds(*millis));
}

std::optional<std::vector<std::string>> JsonBody::TextList(const std::string& name,
                                                           std::size_t items_max,
                                                           std::size_t bytes_max) {
  Member* member = Find(name);
  if (member == nullptr) return std::nullopt;
  std::vector<std::string> texts = member->texts;
  if (member->kind == Kind::kText) {
    for (const std::string_view part : SplitList(member->text)) texts.emplace_back(part);
  } else if (member->kind != Kind::kArray || !IsOfTexts(*member)) {
    Note(name, "must be a list of strings");
    return std::nullopt;
  }
  if (texts.size() > items_max) {
    Note(name, "must have at most " + std::to_string(items_max) + " items");
    return std::nullopt;
  }
  for (const std::string& text : texts) {
    if (text.size() <= bytes_max) continue;
    Note(name, "must have items of at most " + std::to_string(bytes_max) + " bytes");
    return std::nullopt;
  }
  return texts;
}

std::optional<std::string> JsonBody::Object(const std::string& name) {
  Member* member = Find(name);
  if (member == nullptr) return std::nullopt;
  if (member->kind == Kind::kObject) return member->text;
  Note(name, "must be an object");
  return std::nullopt;
}

std::optional<std::vector<std::string>> JsonBody::Objects(const std::string& name,
                                                          std::size_t items_max) {
  Member* member = Find(name);
  if (member == nullptr) return std::nullopt;
  const auto is_object = [](const std::string& item) { return item.front() == '{'; };
  std::vector<std::string> items;
  if (member->kind == Kind::kArray) items = ItemsOf(member->text);
  if (member->kind != Kind::kArray || !std::ranges::all_of(items, is_object)) {
    Note(name, "must be a list of objects");
    return std::nullopt;
  }
  if (items.size() <= items_max) return items;
  Note(name, "must have at most " + std::to_string(items_max) + " items");
  return std::nullopt;
}

std::string JsonBody::RequiredCharacters(const std::string& name, std::size_t min,
                                         std::size_t max) {
  if (!Has(name)) Note(name, "is required");
  return Characters(name, min, max).value_or("");
}

std::string JsonBody::RequiredText(const std::string& name, std::size_t bytes_max) {
  const std::size_t before = notes_.size();
  std::optional<std::string> text = Text(name, bytes_max);
  if (notes_.size() != before) return "";
  if (!text || text->empty()) Note(name, "is required");
  return text.value_or("");
}

std::int64_t JsonBody::RequiredInt(const std::string& name, std::int64_t min, std::int64_t max) {
  const std::size_t before = notes_.size();
  std::optional<std::int64_t> number = Int(name, min, max);
  if (!number && notes_.size() == before) Note(name, "is required");
  return number.value_or(0);
}

std::string JsonBody::RequiredObject(const std::string& name) {
  Member* member = Find(name);
  if (member != nullptr && member->kind == Kind::kObject) return member->text;
  Note(name, member == nullptr ? "is required" : "must be an object");
  return "{}";
}

void JsonBody::Note(const std::string& field, const std::string& problem) {
  notes_.emplace_back(field, problem);
}

absl::Status JsonBody::Finish(const std::string& message) {
  for (const Member& member : members_) {
    if (!member.known) Note(member.name, "is not known");
  }
  if (notes_.empty()) return absl::OkStatus();
  absl::Status status = Error(absl::StatusCode::kInvalidArgument, "VALIDATION_FAILED", message);
  for (const auto& [field, problem] : notes_) {
    status = WithFieldViolation(std::move(status), field, problem);
  }
  return status;
}

}  // namespace gatehouse::gateway
