#include "libs/config/settings.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>

#include "libs/config/environment.h"
#include "libs/config/value.h"

namespace gatehouse::config {
namespace {

constexpr char kRedacted[] = "[redacted]";

struct Given {
  std::string text;
  std::string where;  // Of a sourced one.
};
using Values = std::map<std::string, Given>;

// The name as problems tell it.
std::string Shown(const Setting& setting) {
  return setting.secret ? setting.name + " (or " + setting.name + "_FILE)" : setting.name;
}

std::string Redacted(const Setting& setting, const std::string& value) {
  return setting.secret && !value.empty() ? kRedacted : value;
}

std::optional<std::string> FromEnvironment(const Environment& environment, const Setting& setting,
                                           Problems* problems) {
  std::vector<std::string> found;
  std::optional<std::string> given = environment.Get(setting.name, setting.secret, &found);
  if (!given && !setting.alias.empty()) {
    given = environment.Get(setting.alias, setting.secret, &found);
  }
  for (std::string& problem : found) problems->push_back({"", std::move(problem)});
  return given;
}

// What the source's file says, by name; names that nobody declared are problems.
std::map<std::string, Sourced> AskSource(const std::vector<Setting>& declared, const Source& source,
                                         const Environment& environment, Problems* problems) {
  std::map<std::string, Sourced> values;
  if (!source) return values;
  const auto text = [&](const std::string& name) -> std::string {
    for (const Setting& setting : declared) {
      if (setting.name != name) continue;
      Problems told_elsewhere;
      return FromEnvironment(environment, setting, &told_elsewhere).value_or(setting.fallback);
    }
    return "";
  };
  std::vector<std::string> names;
  for (const Setting& setting : declared) {
    names.push_back(setting.name);
    if (!setting.alias.empty()) names.push_back(setting.alias);
  }
  for (Sourced& sourced : source(text, problems)) {
    if (std::find(names.begin(), names.end(), sourced.name) == names.end()) {
      problems->push_back(
          {sourced.where, "unknown key " + sourced.name + DidYouMean(sourced.name, names)});
      continue;
    }
    const auto [entry, added] = values.try_emplace(sourced.name, sourced);
    if (added) continue;
    problems->push_back(
        {sourced.where, sourced.name + " is given twice, first at " + entry->second.where});
  }
  return values;
}

const Sourced* FindSourced(const std::map<std::string, Sourced>& sourced, const Setting& setting) {
  for (const std::string& name : {setting.name, setting.alias}) {
    const auto found = sourced.find(name);
    if (found != sourced.end() && !found->second.value.empty()) return &found->second;
  }
  return nullptr;
}

void CheckProduction(const std::vector<Setting>& declared, const Values& values,
                     const std::set<std::string>& faulty, Problems* problems) {
  const auto env = values.find("ENV");
  if (env == values.end() || env->second.text != "production") return;
  for (const Setting& setting : declared) {
    if (faulty.count(setting.name) > 0) continue;
    const auto& [text, where] = values.at(setting.name);
    const bool checked =
        setting.strong_in_production || (setting.required_in_production && text.empty());
    const std::string weakness = checked ? Weakness(text) : "";
    if (!weakness.empty()) problems->push_back({where, Shown(setting) + ' ' + weakness});
  }
}

Values ReadValues(const std::vector<Setting>& declared, const Source& source, Problems* problems) {
  std::string fallback_file;
  for (const Setting& setting : declared) {
    if (setting.name == "ENV_FILE") fallback_file = setting.fallback;
  }
  std::vector<std::string> unreadable;
  const Environment environment = Environment::Read(fallback_file, &unreadable);
  for (std::string& problem : unreadable) problems->push_back({"", std::move(problem)});
  const auto sourced = AskSource(declared, source, environment, problems);
  Values values;
  std::set<std::string> faulty;
  for (const Setting& setting : declared) {
    const std::size_t before = problems->size();
    Given& given = values[setting.name];
    const std::optional<std::string> text = FromEnvironment(environment, setting, problems);
    const Sourced* const in_file = text ? nullptr : FindSourced(sourced, setting);
    if (in_file != nullptr) {
      given = {in_file->value, in_file->where};
    } else {
      given = {text.value_or(setting.fallback), ""};
    }
    if (problems->size() == before) {
      const std::string fault = Fault(setting, given.text);
      if (!fault.empty()) problems->push_back({given.where, Shown(setting) + ' ' + fault});
    }
    if (problems->size() != before) faulty.insert(setting.name);
  }
  CheckProduction(declared, values, faulty, problems);
  return values;
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
  State(const std::vector<Setting>& settings, Source from, const Values& values)
      : declared(settings), source(std::move(from)) {
    for (const auto& [name, given] : values) {
      current[name] = &texts.emplace_back(given.text);
      where[name] = given.where;
    }
  }

  const std::vector<Setting> declared;
  const Source source;
  mutable std::shared_mutex mutex;
  // Every value there ever was, so that references stay valid; few are reloadable.
  std::deque<std::string> texts;                      // guarded by mutex
  std::map<std::string, const std::string*> current;  // guarded by mutex
  std::map<std::string, std::string> where;           // guarded by mutex
  // Of what Again gave: what a restart would make of others. Set before it is shared.
  std::map<std::string, std::string> pending;
};

absl::StatusOr<Settings> Settings::Load(const std::vector<Setting>& declared, Source source) {
  Problems problems;
  const Values values = ReadValues(declared, source, &problems);
  if (!problems.empty()) return StatusOf(problems, "SETTINGS_INVALID");
  return Settings(std::make_shared<State>(declared, std::move(source), values));
}

std::optional<Settings> Settings::Again(Problems* problems) const {
  std::optional<Settings> next = With(state_->source, problems);
  if (!next) return next;
  State& fresh = *next->state_;
  const std::shared_lock lock(state_->mutex);
  for (const Setting& setting : state_->declared) {
    const std::string*& value = fresh.current.at(setting.name);
    const std::string& before = *state_->current.at(setting.name);
    if (setting.reloadable || *value == before) continue;
    fresh.pending[setting.name] = *value;
    fresh.where[setting.name] = state_->where.at(setting.name);
    value = &fresh.texts.emplace_back(before);
  }
  return next;
}

std::optional<Settings> Settings::With(Source source, Problems* problems) const {
  Problems found;
  const Values values = ReadValues(state_->declared, source, &found);
  if (found.empty()) {
    return Settings(std::make_shared<State>(state_->declared, std::move(source), values));
  }
  std::ranges::move(found, std::back_inserter(*problems));
  return std::nullopt;
}

std::vector<Change> Settings::Take(const Settings& next) {
  std::vector<Change> changes;
  const State& fresh = *next.state_;
  const std::unique_lock lock(state_->mutex);
  for (const Setting& setting : state_->declared) {
    const std::string*& current = state_->current.at(setting.name);
    const auto pending = fresh.pending.find(setting.name);
    const bool waits = pending != fresh.pending.end();
    const std::string& value = waits ? pending->second : *fresh.current.at(setting.name);
    if (setting.reloadable) state_->where[setting.name] = fresh.where.at(setting.name);
    if (*current == value) continue;
    changes.push_back(
        {setting.name, Redacted(setting, *current), Redacted(setting, value), !waits});
    if (!waits) current = &state_->texts.emplace_back(value);
  }
  return changes;
}

absl::StatusOr<std::vector<Change>> Settings::Reload() {
  Problems problems;
  const std::optional<Settings> next = Again(&problems);
  if (!next) return StatusOf(problems, "SETTINGS_INVALID");
  return Take(*next);
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

std::chrono::milliseconds Settings::Seconds(const std::string& name) const {
  return ParseSeconds(Find(name, Kind::kSeconds)).value_or(std::chrono::milliseconds(0));
}

std::vector<Entry> Settings::Entries() const {
  std::vector<Entry> entries;
  const std::shared_lock lock(state_->mutex);
  for (const Setting& setting : state_->declared) {
    entries.push_back({setting.name, Redacted(setting, *state_->current.at(setting.name)),
                       setting.kind, setting.reloadable, state_->where.at(setting.name)});
  }
  return entries;
}

std::string Settings::Where(const std::string& name) const {
  const std::shared_lock lock(state_->mutex);
  const auto found = state_->where.find(name);
  return found == state_->where.end() ? "" : found->second;
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
