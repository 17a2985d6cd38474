// A YAML text as a tree that remembers its lines. One document of maps, lists and
// scalars, the latter as they are written: no aliases, no merge keys, no types. Knows
// no key's meaning.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/config/problem.h"

namespace gatehouse::config {

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Member;

  const YamlNode* Find(std::string_view key) const;  // nullptr: no such member.

  Kind kind = Kind::kNull;  // Null: "key:" without a value, "~" and "null", too.
  int line = 0;             // From 1.
  std::string text;         // Of a scalar.
  std::vector<YamlNode> items;
  std::vector<Member> members;  // In their order; keys are unique.
};

struct YamlNode::Member {
  std::string key;
  int line = 0;
  YamlNode value;
};

// nullopt after a fault of syntax, which is one problem; keys that come twice are
// problems, too. `file` is what problems call it. An empty text is null.
std::optional<YamlNode> ParseYamlTree(std::string_view text, const std::string& file,
                                      Problems* problems);

// "gateway.yaml:12"
std::string PlaceOf(const std::string& file, int line);

}  // namespace gatehouse::config
