#include "services/gateway/section_reader.h"

#include <algorithm>

#include "libs/config/value.h"

namespace gatehouse::gateway {

using std::chrono::milliseconds;

SectionReader::SectionReader(const config::YamlNode& node, const std::string& file,
                             const char* what, config::Problems* problems)
    : node_(node), file_(file), what_(what), problems_(problems) {
  asked_.reserve(16);
  if (node.kind != config::YamlNode::Kind::kMap) {
    NoteAt(node.line, std::string(what) + " must be a map of keys and values");
  }
}

void SectionReader::NoteAt(int line, const std::string& text) {
  problems_->push_back({config::PlaceOf(file_, line), text});
}

void SectionReader::Note(const char* key, const std::string& text) {
  const auto found = std::ranges::find(node_.members, key, &config::YamlNode::Member::key);
  NoteAt(found == node_.members.end() ? node_.line : found->line, text);
}

const config::YamlNode* SectionReader::Find(const char* key) {
  asked_.push_back(key);
  const config::YamlNode* const found = node_.Find(key);
  return found == nullptr || found->kind == config::YamlNode::Kind::kNull ? nullptr : found;
}

std::optional<std::string> SectionReader::Text(const char* key) {
  const config::YamlNode* const found = Find(key);
  if (found == nullptr) return std::nullopt;
  if (found->kind == config::YamlNode::Kind::kScalar) return found->text;
  NoteAt(found->line, std::string(key) + " must be a text");
  return std::nullopt;
}

std::optional<std::string> SectionReader::Checked(const char* key, const config::Setting& setting) {
  std::optional<std::string> text = Text(key);
  if (!text) return std::nullopt;
  const std::string fault = text->empty() ? "must not be empty" : config::Fault(setting, *text);
  if (fault.empty()) return text;
  Note(key, std::string(key) + ' ' + fault);
  return std::nullopt;
}

std::optional<std::int64_t> SectionReader::Int(const char* key, std::int64_t min,
                                               std::int64_t max) {
  config::Setting setting;
  setting.kind = config::Kind::kInt;
  setting.min = min;
  setting.max = max;
  const auto text = Checked(key, setting);
  return text ? config::ParseInt(*text) : std::nullopt;
}

std::optional<bool> SectionReader::Bool(const char* key) {
  config::Setting setting;
  setting.kind = config::Kind::kBool;
  const auto text = Checked(key, setting);
  return text ? config::ParseBool(*text) : std::nullopt;
}

std::optional<milliseconds> SectionReader::Seconds(const char* key, milliseconds min,
                                                   milliseconds max) {
  config::Setting setting;
  setting.kind = config::Kind::kSeconds;
  setting.min = min.count();
  setting.max = max.count();
  const auto text = Checked(key, setting);
  return text ? config::ParseSeconds(*text) : std::nullopt;
}

std::vector<std::string> SectionReader::Texts(const char* key) {
  const config::YamlNode* const found = Find(key);
  if (found == nullptr) return {};
  if (found->kind == config::YamlNode::Kind::kScalar) return {found->text};
  std::vector<std::string> texts;
  bool is_list = found->kind == config::YamlNode::Kind::kList;
  for (const config::YamlNode& item : found->items) {
    is_list &= item.kind == config::YamlNode::Kind::kScalar;
    texts.push_back(item.text);
  }
  if (is_list) return texts;
  NoteAt(found->line, std::string(key) + " must be a text or a list of texts");
  return {};
}

std::string SectionReader::Required(const char* key) {
  const std::size_t before = problems_->size();
  std::optional<std::string> text = Text(key);
  const bool is_map = node_.kind == config::YamlNode::Kind::kMap;
  if (is_map && problems_->size() == before && text.value_or("").empty()) {
    Note(key, std::string(what_) + " needs " + key);
  }
  return text.value_or("");
}

void SectionReader::Finish() {
  for (const config::YamlNode::Member& member : node_.members) {
    const auto is_it = [&](const char* key) { return member.key == key; };
    if (std::ranges::any_of(asked_, is_it)) continue;
    NoteAt(member.line, "unknown key " + member.key + " of " + what_ +
                            config::DidYouMean(member.key, {asked_.begin(), asked_.end()}));
  }
}

}  // namespace gatehouse::gateway
