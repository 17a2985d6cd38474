#include "libs/config/settings.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>

#include "libs/config/environment.h"

namespace gatehouse::config {
namespace {

constexpr std::size_t kStrongBytes = 32;
constexpr std::size_t kStrongDistinct = 8;
constexpr const char* kWeakWords[] = {"changeme", "change-me", "change_me", "secret",   "password",
                                      "default",  "example",   "generate",  "insecure", "12345678"};

using Values = std::map<std::string, std::string>;

std::string ToLower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::optional<std::int64_t> ParseInt(const std::string& text) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::optional<bool> ParseBool(const std::string& text) {
  const std::string lower = ToLower(text);
  for (const char* word : {"1", "true", "yes", "on"}) {
    if (lower == word) return true;
  }
  for (const char* word : {"0", "false", "no", "off"}) {
    if (lower == word) return false;
  }
  return std::nullopt;
}

std::string RangeText(const Setting& setting) {
  if (setting.min == INT64_MIN && setting.max == INT64_MAX) return "a whole number";
  if (setting.max == INT64_MAX) return "a whole number of at least " + std::to_string(setting.min);
  if (setting.min == INT64_MIN) return "a whole number of at most " + std::to_string(setting.max);
  return "a whole number from " + std::to_string(setting.min) + " to " +
         std::to_string(setting.max);
}

bool HasKind(const Setting& setting, const std::string& value) {
  switch (setting.kind) {
    case Kind::kText:
      return true;
    case Kind::kInt: {
      const std::optional<std::int64_t> number = ParseInt(value);
      return number.has_value() && *number >= setting.min && *number <= setting.max;
    }
    case Kind::kBool:
      return ParseBool(value).has_value();
  }
  return false;
}

// What is wrong with a value, as in "must be …"; "" when nothing.
std::string Fault(const Setting& setting, const std::string& value) {
  if (value.empty()) return setting.required ? "is required: " + setting.help : "";
  if (!HasKind(setting, value)) {
    const std::string wanted = setting.kind == Kind::kInt ? RangeText(setting) : "true or false";
    return "must be " + wanted + (setting.secret ? "" : ", not \"" + value + "\"");
  }
  return setting.check ? setting.check(value) : "";
}

// Why a value would not do as a secret in production; "" when it is strong. The
// value itself is never told.
std::string Weakness(const std::string& value) {
  if (value.empty()) return "is required when ENV=production";
  if (value.size() < kStrongBytes) {
    return "is too short for ENV=production: at least " + std::to_string(kStrongBytes) + " bytes";
  }
  const std::string lower = ToLower(value);
  for (const char* word : kWeakWords) {
    if (lower.find(word) != std::string::npos) {
      return std::string("is too weak for ENV=production: it contains \"") + word + "\"";
    }
  }
  if (std::set<char>(value.begin(), value.end()).size() < kStrongDistinct) {
    return "is too weak for ENV=production: it repeats few characters";
  }
  return "";
}

// The name as problems tell it.
std::string Shown(const Setting& setting) {
  return setting.secret ? setting.name + " (or " + setting.name + "_FILE)" : setting.name;
}

Values ReadValues(const std::vector<Setting>& declared, std::vector<std::string>* problems) {
  std::string fallback_file;
  for (const Setting& setting : declared) {
    if (setting.name == "ENV_FILE") fallback_file = setting.fallback;
  }
  const Environment environment = Environment::Read(fallback_file, problems);
  Values values;
  std::set<std::string> faulty;
  for (const Setting& setting : declared) {
    const std::size_t before = problems->size();
    std::optional<std::string> given = environment.Get(setting.name, setting.secret, problems);
    if (!given && !setting.alias.empty()) {
      given = environment.Get(setting.alias, setting.secret, problems);
    }
    const std::string& value = values[setting.name] = given.value_or(setting.fallback);
    if (problems->size() == before) {
      const std::string fault = Fault(setting, value);
      if (!fault.empty()) problems->push_back(Shown(setting) + ' ' + fault);
    }
    if (problems->size() != before) faulty.insert(setting.name);
  }
  if (const auto env = values.find("ENV"); env != values.end() && env->second == "production") {
    for (const Setting& setting : declared) {
      if (faulty.count(setting.name) > 0) continue;
      const std::string& value = values[setting.name];
      const bool checked =
          setting.strong_in_production || (setting.required_in_production && value.empty());
      const std::string weakness = checked ? Weakness(value) : "";
      if (!weakness.empty()) problems->push_back(Shown(setting) + ' ' + weakness);
    }
  }
  return values;
}

absl::StatusOr<Values> ReadAll(const std::vector<Setting>& declared) {
  std::vector<std::string> problems;
  Values values = ReadValues(declared, &problems);
  if (problems.empty()) return values;
  std::string message;
  for (const std::string& problem : problems) {
    message += (message.empty() ? "" : "\n") + problem;
  }
  return Error(absl::StatusCode::kInvalidArgument, "SETTINGS_INVALID", message);
}

[[noreturn]] void AbortUndeclared(const std::string& name) {
  std::fprintf(stderr, "the setting %s was not declared, or not with this kind\n", name.c_str());
  std::abort();
}

std::string Marks(const Setting& setting) {
  std::string marks;
  const auto add = [&marks](bool set, const char* mark) {
    if (set) marks += (marks.empty() ? "" : ", ") + std::string(mark);
  };
  add(setting.required, "required");
  add(setting.secret, "secret");
  add(setting.reloadable, "reload");
  return marks;
}

std::string Pad(const std::string& text, std::size_t width) {
  return text + std::string(width > text.size() ? width - text.size() : 0, ' ');
}

}  // namespace

struct Settings::State {
  std::vector<Setting> declared;
  mutable std::shared_mutex mutex;
  // Every value there ever was, so that references stay valid; few are reloadable.
  std::deque<std::string> texts;                      // guarded by mutex
  std::map<std::string, const std::string*> current;  // guarded by mutex
};

absl::StatusOr<Settings> Settings::Load(const std::vector<Setting>& declared) {
  GH_ASSIGN_OR_RETURN(const Values values, ReadAll(declared));
  auto state = std::make_shared<State>();
  state->declared = declared;
  for (const auto& [name, value] : values) {
    state->current[name] = &state->texts.emplace_back(value);
  }
  return Settings(std::move(state));
}

absl::StatusOr<std::vector<std::string>> Settings::Reload() {
  GH_ASSIGN_OR_RETURN(const Values values, ReadAll(state_->declared));
  std::vector<std::string> changed;
  const std::unique_lock lock(state_->mutex);
  for (const Setting& setting : state_->declared) {
    const std::string*& current = state_->current[setting.name];
    const std::string& value = values.at(setting.name);
    if (!setting.reloadable || *current == value) continue;
    current = &state_->texts.emplace_back(value);
    changed.push_back(setting.name);
  }
  return changed;
}

const std::string& Settings::Find(const std::string& name, Kind kind) const {
  const auto declared = std::find_if(
      state_->declared.begin(), state_->declared.end(),
      [&](const Setting& setting) { return setting.name == name && setting.kind == kind; });
  if (declared == state_->declared.end()) AbortUndeclared(name);
  const std::shared_lock lock(state_->mutex);
  return *state_->current.at(name);
}

const std::string& Settings::Text(const std::string& name) const { return Find(name, Kind::kText); }

std::int64_t Settings::Int(const std::string& name) const {
  return ParseInt(Find(name, Kind::kInt)).value_or(0);
}

bool Settings::Bool(const std::string& name) const {
  return ParseBool(Find(name, Kind::kBool)).value_or(false);
}

std::string Settings::Help(const std::vector<Setting>& declared) {
  std::vector<std::vector<std::string>> rows = {{"NAME", "DEFAULT", "MARKS", "MEANING"}};
  for (const Setting& setting : declared) {
    rows.push_back({setting.name, setting.fallback.empty() ? "-" : setting.fallback, Marks(setting),
                    setting.help});
  }
  std::vector<std::size_t> widths(3);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string table;
  for (const auto& row : rows) {
    table += "  ";
    for (std::size_t i = 0; i < widths.size(); ++i) table += Pad(row[i], widths[i] + 2);
    table += row.back() + '\n';
  }
  return table;
}

}  // namespace gatehouse::config
