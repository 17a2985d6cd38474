#include "services/gateway/config_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "libs/base/unique_fd.h"

namespace gatehouse::gateway {
namespace {

constexpr std::size_t kFileBytesMax = std::size_t{16} << 20;

// The bytes of a file; nullopt with *why.
std::optional<std::string> ReadWhole(const std::string& path, std::string* why) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (!file.valid() || ::fstat(file.get(), &info) != 0) {
    *why = std::strerror(errno);
    return std::nullopt;
  }
  if (!S_ISREG(info.st_mode)) {
    *why = "not a file";
    return std::nullopt;
  }
  std::string text;
  text.resize(std::min(static_cast<std::size_t>(info.st_size) + 1, kFileBytesMax + 1));
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t count = ::read(file.get(), text.data() + size, text.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      *why = std::strerror(errno);
      return std::nullopt;
    }
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
    // It may have grown since its size was asked.
    if (size == text.size() && size <= kFileBytesMax) {
      text.resize(std::min(size * 2, kFileBytesMax + 1));
    }
  }
  if (size > kFileBytesMax) {
    *why = "larger than " + std::to_string(kFileBytesMax >> 20) + " MiB";
    return std::nullopt;
  }
  text.resize(size);
  return text;
}

// Keys of the files of other gateways that this one does not know what to do with.
constexpr const char* kWithoutEffect[] = {"FEATURE_AB_TESTING",
                                          "FEATURE_COST_ANALYTICS",
                                          "FEATURE_REQUEST_REPLAY",
                                          "JWT_EXPIRY_ACCESS_MINUTES",
                                          "LOGGING_FORMAT",
                                          "LOGGING_LEVEL",
                                          "LOGS_DIR",
                                          "LOG_FILE",
                                          "METRICS_INTERVAL",
                                          "SERVER_PORT",
                                          "WEBSOCKET_BUFFER_SIZE"};

std::string UpperCase(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

// Turns what is not a section into names and texts.
class Flattener {
 public:
  Flattener(const std::string& file, config::Problems* problems)
      : file_(file), problems_(problems) {}

  void AddAll(const std::string& prefix, const config::YamlNode& map) {
    for (const config::YamlNode::Member& member : map.members) {
      const bool is_top = prefix.empty() && !in_custom_;
      if (is_top && IsSection(member.key)) continue;
      if (is_top && member.key == "custom" && member.value.kind == config::YamlNode::Kind::kMap) {
        in_custom_ = true;
        AddAll("", member.value);
        in_custom_ = false;
        continue;
      }
      Add(prefix + UpperCase(member.key), member);
    }
  }

  std::vector<config::Sourced> Take() { return std::move(values_); }
  config::Problems TakeIgnored() { return std::move(ignored_); }

 private:
  void Add(const std::string& name, const config::YamlNode::Member& member) {
    switch (member.value.kind) {
      case config::YamlNode::Kind::kNull:
        return;
      case config::YamlNode::Kind::kScalar:
        return AddValue(name, member.line, member.value.text);
      case config::YamlNode::Kind::kList:
        return AddValue(name, member.line, Joined(name, member));
      case config::YamlNode::Kind::kMap:
        return AddAll(name + '_', member.value);
    }
  }

  std::string Joined(const std::string& name, const config::YamlNode::Member& member) {
    std::string joined;
    for (const config::YamlNode& item : member.value.items) {
      if (item.kind != config::YamlNode::Kind::kScalar) {
        problems_->push_back(
            {config::PlaceOf(file_, item.line), name + " must be a list of texts"});
      }
      joined += (joined.empty() ? "" : ",") + item.text;
    }
    return joined;
  }

  void AddValue(const std::string& name, int line, std::string text) {
    if (name == "CONFIG_FILE" || name == "ENV_FILE") {
      problems_->push_back(
          {config::PlaceOf(file_, line), name + " cannot be set in the file itself"});
      return;
    }
    if (std::ranges::find(kWithoutEffect, name) != std::end(kWithoutEffect)) {
      ignored_.push_back({config::PlaceOf(file_, line), name + " has no effect here"});
      return;
    }
    values_.push_back({name, std::move(text), config::PlaceOf(file_, line)});
  }

  const std::string& file_;
  config::Problems* const problems_;
  std::vector<config::Sourced> values_;
  config::Problems ignored_;
  bool in_custom_ = false;
};

}  // namespace

config::Source ConfigFile::AsSource() {
  return [this](const std::function<std::string(const std::string&)>& text,
                config::Problems* problems) {
    sections_ = {};
    if (!path_) path_ = text("CONFIG_FILE");
    return path_->empty() ? std::vector<config::Sourced>() : Read(*path_, problems);
  };
}

std::vector<config::Sourced> ConfigFile::Read(const std::string& path, config::Problems* problems) {
  std::string why;
  const std::optional<std::string> text = ReadWhole(path, &why);
  if (!text) {
    problems->push_back({path, "cannot be read: " + why});
    return {};
  }
  const std::optional<config::YamlNode> root = config::ParseYamlTree(*text, path, problems);
  if (!root) return {};
  if (root->kind != config::YamlNode::Kind::kMap && root->kind != config::YamlNode::Kind::kNull) {
    problems->push_back(
        {config::PlaceOf(path, root->line), "the file must be a map of keys and values"});
    return {};
  }
  Flattener flattener(path, problems);
  flattener.AddAll("", *root);
  sections_ = ReadSections(*root, path, problems);
  sections_.ignored = flattener.TakeIgnored();
  return flattener.Take();
}

}  // namespace gatehouse::gateway
