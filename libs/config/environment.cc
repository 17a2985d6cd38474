#include "libs/config/environment.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

namespace gatehouse::config {
namespace {

std::optional<std::string> FromProcess(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

std::string Trim(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

std::string Unquote(const std::string& text) {
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
      text.back() == text.front()) {
    return text.substr(1, text.size() - 2);
  }
  return text;
}

// The bytes of a file; what is wrong with it goes to `why`.
std::optional<std::string> ReadFile(const std::string& path, std::string* why) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) {
    *why = std::strerror(errno);
    return std::nullopt;
  }
  if (S_ISDIR(info.st_mode)) {
    *why = std::strerror(EISDIR);
    return std::nullopt;
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    *why = std::strerror(errno);
    return std::nullopt;
  }
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

void ParseLines(const std::string& path, const std::string& text,
                std::map<std::string, std::string>* values, std::vector<std::string>* problems) {
  std::size_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = text.find('\n', at);
    if (end == std::string::npos) end = text.size();
    const std::string line = Trim(text.substr(at, end - at));
    at = end + 1;
    ++number;
    if (line.empty() || line[0] == '#') continue;
    const std::size_t equals = line.find('=');
    // The line itself may hold a secret: only its number is told.
    if (equals == std::string::npos || equals == 0) {
      problems->push_back(path + ": line " + std::to_string(number) + " is not NAME=value");
      continue;
    }
    (*values)[Trim(line.substr(0, equals))] = Unquote(Trim(line.substr(equals + 1)));
  }
}

}  // namespace

Environment Environment::Read(const std::string& fallback_file,
                              std::vector<std::string>* problems) {
  Environment environment;
  const std::optional<std::string> named = FromProcess("ENV_FILE");
  const std::string path = named.value_or(fallback_file);
  if (path.empty()) return environment;
  std::string why;
  const std::optional<std::string> text = ReadFile(path, &why);
  if (text.has_value()) {
    ParseLines(path, *text, &environment.file_, problems);
  } else if (named.has_value()) {
    problems->push_back("ENV_FILE: cannot read " + path + ": " + why);
  }
  return environment;
}

std::optional<std::string> Environment::FromFile(const std::string& name) const {
  const auto found = file_.find(name);
  if (found == file_.end() || found->second.empty()) return std::nullopt;
  return found->second;
}

std::optional<std::string> Environment::Get(const std::string& name, bool secret,
                                            std::vector<std::string>* problems) const {
  const std::string file_name = name + "_FILE";
  for (const bool process : {true, false}) {
    const auto lookup = [&](const std::string& wanted) {
      return process ? FromProcess(wanted) : FromFile(wanted);
    };
    if (auto value = lookup(name); value.has_value()) return value;
    if (!secret) continue;
    if (const auto path = lookup(file_name); path.has_value()) {
      std::string why;
      std::optional<std::string> text = ReadFile(*path, &why);
      if (!text.has_value()) {
        problems->push_back(std::string(file_name).append(": cannot read ").append(*path) + ": " +
                            why);
        return std::nullopt;
      }
      while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
      if (text->empty()) {
        problems->push_back(file_name + ": " + *path + " is empty");
        return std::nullopt;
      }
      return text;
    }
  }
  return std::nullopt;
}

}  // namespace gatehouse::config
