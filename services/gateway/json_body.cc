#include "services/gateway/json_body.h"

#include "libs/base/time_text.h"
#include "services/gateway/json_parser.h"

namespace gatehouse::gateway {

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

std::optional<Time> JsonBody::DateTime(const std::string& name) {
  Member* member = Find(name);
  if (member == nullptr) return std::nullopt;
  std::optional<Time> time;
  if (member->kind == Kind::kText) time = ParseTime(member->text);
  if (!time) Note(name, "must be a time such as 2030-01-31T12:00:00Z");
  return time;
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
