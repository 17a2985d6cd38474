#include "services/gateway/live_protocol.h"

#include <algorithm>

#include "libs/base/time_text.h"
#include "services/gateway/json_parser.h"
#include "services/gateway/json_writer.h"

namespace gatehouse::gateway {
namespace {

using Kind = JsonBody::Kind;
using Member = JsonBody::Member;

constexpr std::size_t kIdBytesMax = 128;

const Member* FindMember(const std::vector<Member>& members, std::string_view name) {
  for (const Member& member : members) {
    if (member.name == name) return &member;
  }
  return nullptr;
}

std::string TextOf(const std::vector<Member>& members, std::string_view name) {
  const Member* member = FindMember(members, name);
  return member != nullptr && member->kind == Kind::kText ? member->text : "";
}

// An id is given back as it came: a text, or an integer.
std::string IdOf(const std::vector<Member>& members, std::string* problem) {
  const Member* member = FindMember(members, "id");
  std::string json;
  if (member == nullptr || member->kind == Kind::kNull) return json;
  if (member->kind == Kind::kInt) return std::to_string(member->number);
  if (member->kind != Kind::kText || member->text.size() > kIdBytesMax) {
    *problem = "id must be a string of at most 128 bytes";
    return json;
  }
  AppendJsonText(&json, member->text);
  return json;
}

// Whether an array holds nothing but texts: the parser has written it out again.
bool IsOfTexts(const Member& array) {
  std::string json = "[";
  for (const std::string& text : array.texts) {
    if (json.size() > 1) json += ',';
    AppendJsonText(&json, text);
  }
  return json + ']' == array.text;
}

void ReadEvents(const std::vector<Member>& members, LiveCommand* command) {
  const Member* data = FindMember(members, "data");
  std::vector<Member> of_data;
  if (data != nullptr && data->kind == Kind::kObject) {
    // It has been parsed once already.
    [[maybe_unused]] const absl::Status status = ParseJsonObject(data->text, &of_data);
  }
  const Member* events = FindMember(of_data, "events");
  if (events == nullptr || events->kind != Kind::kArray || !IsOfTexts(*events)) {
    command->problem = "data.events must be a list of event names or patterns";
    return;
  }
  command->events = events->texts;
}

void AddTail(const LiveCommand& command, Time now, JsonWriter* json) {
  if (!command.id_json.empty()) json->Key("id").Raw(command.id_json);
  json->Field("timestamp", FormatTime(now)).EndObject();
}

void AddPatterns(const char* key, const Subscriptions& subscriptions, JsonWriter* json) {
  json->Key(key).BeginArray();
  for (const std::string& pattern : subscriptions.patterns()) json->Text(pattern);
  json->EndArray();
}

JsonWriter Response(const char* event) {
  JsonWriter json;
  json.BeginObject().Field("type", "response").Field("event", event);
  return json;
}

}  // namespace

bool MatchesPattern(std::string_view pattern, std::string_view type) {
  if (pattern == "*") return true;
  if (!pattern.ends_with(".*")) return pattern == type;
  pattern.remove_suffix(1);
  return type.size() > pattern.size() && type.starts_with(pattern);
}

std::string Subscriptions::Add(const std::vector<std::string>& patterns) {
  std::vector<std::string> next = patterns_;
  for (const std::string& pattern : patterns) {
    if (pattern.empty() || pattern.size() > kPatternBytesMax) {
      return "a pattern must have 1 to 128 bytes";
    }
    if (std::find(next.begin(), next.end(), pattern) != next.end()) continue;
    if (next.size() == kPatternsMax) return "at most 100 patterns can be subscribed to";
    next.push_back(pattern);
  }
  patterns_ = std::move(next);
  return "";
}

void Subscriptions::Remove(const std::vector<std::string>& patterns) {
  std::erase_if(patterns_, [&](const std::string& pattern) {
    return std::find(patterns.begin(), patterns.end(), pattern) != patterns.end();
  });
}

bool Subscriptions::Wants(std::string_view type) const {
  return std::any_of(patterns_.begin(), patterns_.end(),
                     [&](const std::string& pattern) { return MatchesPattern(pattern, type); });
}

bool MaySee(const type::v1::Principal& principal, const LiveEvent& event) {
  if (principal.role() == "admin") return true;
  if (event.tenant_id != 0 && event.tenant_id != principal.tenant_id()) return false;
  return event.user_id.empty() || event.user_id == principal.user_id();
}

LiveCommand ParseCommand(std::string_view text) {
  LiveCommand command;
  std::vector<Member> members;
  if (text.empty() || !ParseJsonObject(text, &members).ok()) {
    command.is_frame = false;
    command.problem = "a frame is one JSON object";
    return command;
  }
  command.id_json = IdOf(members, &command.problem);
  command.name = TextOf(members, "event");
  if (TextOf(members, "type") != "command" || command.name.empty()) {
    command.is_frame = false;
    command.problem = R"(a frame has "type":"command" and the command as "event")";
  } else if (command.problem.empty() &&
             (command.name == "subscribe" || command.name == "unsubscribe")) {
    ReadEvents(members, &command);
  }
  return command;
}

std::string SubscribedFrame(const LiveCommand& command, const Subscriptions& subscriptions,
                            Time now) {
  JsonWriter json = Response(command.name.c_str());
  json.Key("data").BeginObject();
  AddPatterns("events", subscriptions, &json);
  json.EndObject();
  AddTail(command, now, &json);
  return json.Take();
}

std::string PongFrame(const LiveCommand& command, Time now) {
  JsonWriter json = Response("pong");
  AddTail(command, now, &json);
  return json.Take();
}

std::string StatusFrame(const LiveCommand& command, const Subscriptions& subscriptions,
                        const LiveStatus& status, Time now) {
  JsonWriter json = Response("get_status");
  json.Key("data").BeginObject();
  json.Field("connected_since", FormatTime(status.connected_since));
  AddPatterns("subscriptions", subscriptions, &json);
  json.Field("queued", status.queued_bytes).Field("dropped", status.dropped).EndObject();
  AddTail(command, now, &json);
  return json.Take();
}

std::string EventFrame(const LiveEvent& event) {
  JsonWriter json;
  json.BeginObject().Field("type", "event").Field("event", event.type);
  json.Key("data").Raw(event.data_json.empty() ? "{}" : event.data_json);
  json.Field("id", event.position).Field("timestamp", event.time).EndObject();
  return json.Take();
}

std::string GapFrame(std::optional<std::uint64_t> dropped, Time now) {
  JsonWriter json;
  json.BeginObject().Field("type", "event").Field("event", "gap").Key("data").BeginObject();
  if (dropped) {
    json.Field("dropped", *dropped);
  } else {
    json.NullField("dropped");
  }
  json.EndObject().Field("timestamp", FormatTime(now)).EndObject();
  return json.Take();
}

std::string ErrorFrame(const std::string& error, const std::string& details,
                       const LiveCommand& command, Time now) {
  JsonWriter json;
  json.BeginObject().Field("type", "error").Field("error", error);
  json.Key("data").BeginObject().Field("details", details);
  if (!command.name.empty()) json.Field("command", command.name);
  json.EndObject();
  AddTail(command, now, &json);
  return json.Take();
}

}  // namespace gatehouse::gateway
