// Reads one map of a configuration strictly: each member by name and kind, and what
// nobody asked for is a problem. Collects problems with their places, never stops at the
// first. Knows no section.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/config/settings.h"
#include "libs/config/yaml_tree.h"

namespace gatehouse::gateway {

class SectionReader {
 public:
  // `what`: "a route". All must outlive this. A node that is no map is a problem, and
  // every member is absent.
  SectionReader(const config::YamlNode& node, const std::string& file, const char* what,
                config::Problems* problems);

  // nullptr when it is absent or null.
  const config::YamlNode* Find(const char* key);
  // nullopt when it is absent, and after a problem.
  std::optional<std::string> Text(const char* key);
  std::optional<std::int64_t> Int(const char* key, std::int64_t min, std::int64_t max);
  std::optional<bool> Bool(const char* key);
  std::optional<std::chrono::milliseconds> Seconds(const char* key, std::chrono::milliseconds min,
                                                   std::chrono::milliseconds max);
  // A scalar, or a list of scalars.
  std::vector<std::string> Texts(const char* key);
  // Text, whose absence is a problem; "" then.
  std::string Required(const char* key);

  // Adds a problem at the line of `key`, or of the map where it has none.
  void Note(const char* key, const std::string& text);
  // What nobody has asked for is a problem.
  void Finish();

 private:
  void NoteAt(int line, const std::string& text);
  // The text of a setting, checked as libs/config does.
  std::optional<std::string> Checked(const char* key, const config::Setting& setting);

  const config::YamlNode& node_;
  const std::string& file_;
  const char* const what_;
  config::Problems* const problems_;
  std::vector<const char*> asked_;
};

}  // namespace gatehouse::gateway
