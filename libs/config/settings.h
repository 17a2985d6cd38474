// Settings of a process, from the environment. A setting is declared once, with
// its name, meaning, default, secrecy and whether a reload applies it; --help,
// checks and the redacted listing derive from that. Not the gateway's hot YAML.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/status/status.h"

namespace gatehouse::config {

enum class Kind { kText, kInt, kBool };

struct Setting {
  std::string name;           // "POOL_MAX"
  std::string help;           // One sentence.
  std::string fallback = "";  // The default, as it would be written.
  Kind kind = Kind::kText;
  std::string alias = "";  // Another name of it, read when the first is absent.
  bool required = false;   // Absent is a problem, in every environment.
  bool required_in_production = false;
  bool secret = false;           // Also read from the file that NAME_FILE names; never shown.
  bool reloadable = false;       // SIGHUP applies it.
  std::int64_t min = INT64_MIN;  // For kInt.
  std::int64_t max = INT64_MAX;
  // ENV=production refuses an absent or weak value: shorter than 32 bytes, or a
  // word such as "changeme" or "secret".
  bool strong_in_production = false;
  // What is wrong with a value that is there, as in "must be …"; "" when nothing.
  // Must not repeat the value of a secret.
  std::function<std::string(const std::string& value)> check = nullptr;
};

// Safe to read from any thread, also beside Reload; a reference that was handed
// out keeps its value. Copies share their values. Asking for a name that was not
// declared, or with the wrong kind, aborts: it is a programmer's error.
class Settings {
 public:
  // Reads NAME, else (secrets only) the file named by NAME_FILE (its trailing
  // newline dropped), else the same from the file ENV_FILE (lines NAME=value,
  // # comments, optional quotes), else the default. An empty value counts as
  // absent. The file ENV_FILE must exist, unless its name is the default of a
  // declared setting ENV_FILE. Returns INVALID_ARGUMENT / SETTINGS_INVALID whose
  // message has one line per problem, all of them.
  static absl::StatusOr<Settings> Load(const std::vector<Setting>& declared);

  const std::string& Text(const std::string& name) const;
  std::int64_t Int(const std::string& name) const;
  bool Bool(const std::string& name) const;  // 1, true, yes, on; 0, false, no, off; any case.

  // Reads again and takes over the reloadable ones; the names that changed. An
  // invalid file changes nothing.
  absl::StatusOr<std::vector<std::string>> Reload();

  // The settings as a table for --help: name, default, marks, meaning.
  static std::string Help(const std::vector<Setting>& declared);

 private:
  struct State;
  explicit Settings(std::shared_ptr<State> state) : state_(std::move(state)) {}
  const std::string& Find(const std::string& name, Kind kind) const;

  std::shared_ptr<State> state_;
};

}  // namespace gatehouse::config
