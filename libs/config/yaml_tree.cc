#include "libs/config/yaml_tree.h"

#include <yaml.h>

#include <algorithm>

namespace gatehouse::config {
namespace {

constexpr int kDepthMax = 16;
constexpr std::size_t kMembersUsual = 6;  // Room for a map: there may be thousands.

// libyaml's events, one at a time.
class Events {
 public:
  explicit Events(std::string_view text) {
    yaml_parser_initialize(&parser_);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  ~Events() {
    Drop();
    yaml_parser_delete(&parser_);
  }
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  // The next event, until the one after it; nullptr after a fault.
  const yaml_event_t* Next() {
    Drop();
    if (yaml_parser_parse(&parser_, &event_) == 0) return nullptr;
    has_event_ = true;
    return &event_;
  }

  std::string Fault() const {
    std::string text = parser_.problem == nullptr ? "not YAML" : parser_.problem;
    if (parser_.context != nullptr) text += std::string(" (") + parser_.context + ')';
    return text;
  }
  int FaultLine() const { return static_cast<int>(parser_.problem_mark.line) + 1; }

 private:
  void Drop() {
    if (has_event_) yaml_event_delete(&event_);
    has_event_ = false;
  }

  yaml_parser_t parser_;
  yaml_event_t event_;
  bool has_event_ = false;
};

std::string TextOf(const yaml_event_t& event) {
  const auto& scalar = event.data.scalar;
  return {reinterpret_cast<const char*>(scalar.value), scalar.length};
}

bool IsNull(const yaml_event_t& event, const std::string& text) {
  return event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
         (text.empty() || text == "~" || text == "null");
}

int LineOf(const yaml_event_t& event) { return static_cast<int>(event.start_mark.line) + 1; }

class TreeBuilder {
 public:
  TreeBuilder(std::string_view text, const std::string& file, Problems* problems)
      : events_(text), file_(file), problems_(problems) {}

  std::optional<YamlNode> Build() {
    YamlNode root;
    int documents = 0;
    while (const yaml_event_t* event = events_.Next()) {
      switch (event->type) {
        case YAML_STREAM_END_EVENT:
          return root;
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_END_EVENT:
          break;
        case YAML_DOCUMENT_START_EVENT:
          if (++documents > 1) return Refuse(LineOf(*event), "a second document"), std::nullopt;
          break;
        default:
          if (!Read(*event, 0, &root)) return std::nullopt;
      }
    }
    Refuse(events_.FaultLine(), events_.Fault());
    return std::nullopt;
  }

 private:
  void Refuse(int line, const std::string& text) {
    problems_->push_back({PlaceOf(file_, line), text});
  }

  // The node that begins with `event`.
  bool Read(const yaml_event_t& event, int depth, YamlNode* node) {
    node->line = LineOf(event);
    if (depth > kDepthMax) return Refuse(node->line, "nested too deep"), false;
    switch (event.type) {
      case YAML_SCALAR_EVENT:
        node->text = TextOf(event);
        node->kind = IsNull(event, node->text) ? YamlNode::Kind::kNull : YamlNode::Kind::kScalar;
        return true;
      case YAML_SEQUENCE_START_EVENT:
        return ReadItems(depth, node);
      case YAML_MAPPING_START_EVENT:
        return ReadMembers(depth, node);
      default:
        return Refuse(node->line, "aliases are not supported"), false;
    }
  }

  bool ReadItems(int depth, YamlNode* node) {
    node->kind = YamlNode::Kind::kList;
    while (const yaml_event_t* event = events_.Next()) {
      if (event->type == YAML_SEQUENCE_END_EVENT) return true;
      if (!Read(*event, depth + 1, &node->items.emplace_back())) return false;
    }
    return Refuse(events_.FaultLine(), events_.Fault()), false;
  }

  bool ReadMembers(int depth, YamlNode* node) {
    node->kind = YamlNode::Kind::kMap;
    node->members.reserve(kMembersUsual);
    while (const yaml_event_t* event = events_.Next()) {
      if (event->type == YAML_MAPPING_END_EVENT) return true;
      const int line = LineOf(*event);
      if (event->type != YAML_SCALAR_EVENT) return Refuse(line, "a key must be a text"), false;
      std::string key = TextOf(*event);
      if (node->Find(key) != nullptr) Refuse(line, key + " is there twice");
      YamlNode::Member& member =
          node->members.emplace_back(YamlNode::Member{std::move(key), line, {}});
      event = events_.Next();
      if (event == nullptr) break;
      if (!Read(*event, depth + 1, &member.value)) return false;
    }
    return Refuse(events_.FaultLine(), events_.Fault()), false;
  }

  Events events_;
  const std::string& file_;
  Problems* const problems_;
};

}  // namespace

const YamlNode* YamlNode::Find(std::string_view key) const {
  const auto found = std::ranges::find(members, key, &Member::key);
  return found == members.end() ? nullptr : &found->value;
}

std::optional<YamlNode> ParseYamlTree(std::string_view text, const std::string& file,
                                      Problems* problems) {
  return TreeBuilder(text, file, problems).Build();
}

std::string PlaceOf(const std::string& file, int line) { return file + ':' + std::to_string(line); }

}  // namespace gatehouse::config
