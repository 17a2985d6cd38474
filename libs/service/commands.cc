#include "libs/service/commands.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "libs/base/secret.h"
#include "libs/base/unique_fd.h"
#include "libs/token/jwt.h"

namespace gatehouse::service {
namespace {

constexpr std::size_t kSeedBytes = 32;

int Fail(const std::string& problem) {
  std::fprintf(stderr, "%s\n", problem.c_str());
  return 1;
}

std::string CommandLine(const std::string& name, const std::string& help) {
  constexpr std::size_t kWidth = 14;
  return "  " + name + std::string(name.size() < kWidth ? kWidth - name.size() : 1, ' ') + help +
         '\n';
}

bool WriteWhole(const std::string& path, const std::string& text) {
  const UniqueFd file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) return false;
  const ssize_t written = ::write(file.get(), text.data(), text.size());
  return written == static_cast<ssize_t>(text.size()) && ::fsync(file.get()) == 0;
}

// Makes the key file unless it exists. The file appears whole or not at all,
// also when two programs race.
bool EnsureKeyFile(const std::string& path) {
  if (::access(path.c_str(), F_OK) == 0) return true;
  const std::string temporary = path + '.' + std::to_string(::getpid());
  const bool written = WriteWhole(temporary, Base64UrlEncode(RandomBytes(kSeedBytes)) + '\n');
  const bool linked = written && (::link(temporary.c_str(), path.c_str()) == 0 || errno == EEXIST);
  const int cause = errno;
  ::unlink(temporary.c_str());
  errno = cause;
  return linked;
}

}  // namespace

std::string HelpText(const Program& program) {
  std::string text =
      "Usage: " + program.name + " [COMMAND]\n\n" + program.summary + "\n\nCommands:\n";
  text += CommandLine("serve", "Serves until SIGTERM, then drains. The default.");
  if (program.has_database) {
    text += CommandLine("migrate", "Applies the missing migrations and prints their names.");
  }
  text += CommandLine(
      "keygen DIR", "Makes DIR/" + program.name + ".key unless it exists; prints the public key.");
  for (const Command& command : program.commands) text += CommandLine(command.name, command.help);
  text += CommandLine("--help", "Prints this.");
  text += CommandLine("--version", "Prints the version.");
  text +=
      "\nSettings come from the environment, else from the file ENV_FILE; a secret NAME\n"
      "also from the file that NAME_FILE names. SIGHUP applies those marked reload.\n";
  if (program.source) text += "Below those, the file CONFIG_FILE says what it will.\n";
  text += '\n';
  std::vector<config::Setting> settings = CommonSettings(program.has_database);
  settings.insert(settings.end(), program.settings.begin(), program.settings.end());
  return text + config::Settings::Help(settings);
}

std::string UsageText(const Program& program, const Command& command) {
  if (!command.usage.empty()) return command.usage;
  return "Usage: " + program.name + ' ' + command.name + "\n\n" + command.help + '\n';
}

const char* Version() { return GATEHOUSE_VERSION; }

std::string VersionText(const Program& program) { return program.name + ' ' + Version() + '\n'; }

int Keygen(const std::string& name, const std::string& directory) {
  const std::string path = directory + '/' + name + ".key";
  if (!EnsureKeyFile(path)) return Fail("cannot write " + path + ": " + std::strerror(errno));
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  const std::optional<std::string> seed = Base64UrlDecode(line);
  if (!seed.has_value()) return Fail(path + " holds no key");
  const auto key = token::SigningKey::FromSeed(name, *seed);
  if (!key.ok()) return Fail(path + " holds no key");
  std::printf("%s %s\n", name.c_str(), Base64UrlEncode(key->public_key()).c_str());
  return 0;
}

int Migrate(const Program& program, const config::Settings& settings) {
  const auto applied =
      pg::Migrate(settings.Text("OWNER_DATABASE_URL"), program.name, program.migrations);
  if (!applied.ok()) {
    return Fail(program.name + " migrate: " + Reason(applied.status()) + ": " +
                std::string(applied.status().message()));
  }
  for (const std::string& name : *applied) std::printf("%s\n", name.c_str());
  return 0;
}

}  // namespace gatehouse::service
