// Where the texts of settings come from: the process's environment, the file
// ENV_FILE, and files that hold one secret each. Knows no kinds and no defaults.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace gatehouse::config {

class Environment {
 public:
  // Reads the file ENV_FILE. `fallback_file` is read instead when ENV_FILE is not
  // set, and may be absent. Appends a line per problem to `problems`.
  static Environment Read(const std::string& fallback_file, std::vector<std::string>* problems);

  // The text of `name`, or nothing when it is absent or empty. A secret may also
  // stand in the file that NAME_FILE names.
  std::optional<std::string> Get(const std::string& name, bool secret,
                                 std::vector<std::string>* problems) const;

 private:
  std::optional<std::string> FromFile(const std::string& name) const;

  std::map<std::string, std::string> file_;
};

}  // namespace gatehouse::config
