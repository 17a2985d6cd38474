// Settings of a process, from the environment and files. A setting is declared once,
// with its name, meaning, default, secrecy and whether a reload applies it; --help,
// checks and the redacted listing derive from that. Knows no file format but
// NAME=value: a program with another one brings a Source.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/config/problem.h"
#include "libs/status/status.h"

namespace gatehouse::config {

enum class Kind { kText, kInt, kBool, kSeconds };

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
  std::int64_t min = INT64_MIN;  // For kInt; in milliseconds for kSeconds.
  std::int64_t max = INT64_MAX;
  // ENV=production refuses an absent or weak value: shorter than 32 bytes, or a
  // word such as "changeme" or "secret".
  bool strong_in_production = false;
  // What is wrong with a value that is there, as in "must be …"; "" when nothing.
  // Must not repeat the value of a secret.
  std::function<std::string(const std::string& value)> check = nullptr;
};

// A value that stands in the file of a Source; `name` is a setting's or an alias.
struct Sourced {
  std::string name;
  std::string value;
  std::string where;  // "gateway.yaml:12"
};

// Reads the file of a program, whose name is a setting too: `text` gives what the
// environment and ENV_FILE, else the default, say of a setting. A name that is not
// declared, or comes twice, is a problem. Called by each Load and Reload.
using Source = std::function<std::vector<Sourced>(
    const std::function<std::string(const std::string& name)>& text, Problems* problems)>;

// What a reload made of one setting; secrets are redacted.
struct Change {
  std::string name;
  std::string before;
  std::string after;
  bool applied = true;  // False: it needs a restart.
};

// A setting as it may be shown.
struct Entry {
  std::string name;
  std::string value;  // "[redacted]" for a secret that is set.
  Kind kind = Kind::kText;
  bool reloadable = false;
  std::string where;  // Of a sourced one; else empty.
};

// Safe to read from any thread, also beside Reload; a reference that was handed
// out keeps its value. Copies share their values. Asking for a name that was not
// declared, or with the wrong kind, aborts: it is a programmer's error.
class Settings {
 public:
  // Reads NAME, else (secrets only) the file named by NAME_FILE (its trailing
  // newline dropped), else the same from the file ENV_FILE (lines NAME=value,
  // # comments, optional quotes), else from `source`, else the default. An empty
  // value counts as absent. The file ENV_FILE must exist, unless its name is the
  // default of a declared setting ENV_FILE. Returns INVALID_ARGUMENT /
  // SETTINGS_INVALID whose message has one line per problem, all of them.
  static absl::StatusOr<Settings> Load(const std::vector<Setting>& declared,
                                       Source source = nullptr);

  const std::string& Text(const std::string& name) const;
  std::int64_t Int(const std::string& name) const;
  bool Bool(const std::string& name) const;  // 1, true, yes, on; 0, false, no, off; any case.
  std::chrono::milliseconds Seconds(const std::string& name) const;  // "0.05", "30"

  // All of them, in the order of their declarations.
  std::vector<Entry> Entries() const;
  // Where a sourced value stands; "" for any other.
  std::string Where(const std::string& name) const;

  // Reads again: what these settings would be, with the reloadable ones new. Changes
  // nothing yet. nullopt with `problems` appended.
  std::optional<Settings> Again(Problems* problems) const;
  // The same settings, all of them, with another source.
  std::optional<Settings> With(Source source, Problems* problems) const;
  // Takes over what Again gave, in one step. What needs a restart is named, no more.
  std::vector<Change> Take(const Settings& next);
  // Again, then Take. SETTINGS_INVALID changes nothing.
  absl::StatusOr<std::vector<Change>> Reload();

  // The settings as a table for --help: name, default, marks, meaning.
  static std::string Help(const std::vector<Setting>& declared);

 private:
  struct State;
  explicit Settings(std::shared_ptr<State> state) : state_(std::move(state)) {}
  const std::string& Find(const std::string& name, Kind kind) const;

  std::shared_ptr<State> state_;
};

}  // namespace gatehouse::config
