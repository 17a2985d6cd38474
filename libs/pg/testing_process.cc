#include "libs/pg/testing_process.h"

#include <fcntl.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

extern char** environ;

namespace gatehouse::pg::testing {
namespace {

// Without PGDATA, PGPORT and their like, which would lead to another server.
std::vector<char*> Environment() {
  std::vector<char*> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (std::strncmp(*entry, "PG", 2) != 0) environment.push_back(*entry);
  }
  environment.push_back(nullptr);
  return environment;
}

void ChangeOwner(const std::string& path, const std::string& user) {
  if (user.empty()) return;
  const passwd* entry = ::getpwnam(user.c_str());
  if (entry == nullptr) Die("there is no user " + user + " to step down to", "");
  if (::chown(path.c_str(), entry->pw_uid, entry->pw_gid) != 0) Die("cannot give away " + path, "");
}

}  // namespace

pid_t Start(const Spawn& spawn) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (spawn.standard_input >= 0) {
    posix_spawn_file_actions_adddup2(&actions, spawn.standard_input, 0);
  } else {
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  }
  posix_spawn_file_actions_addopen(&actions, 1, spawn.output_file.c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  posix_spawn_file_actions_addchdir_np(&actions, spawn.directory.c_str());
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);

  std::vector<char*> arguments;
  for (const std::string& word : spawn.command)
    arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  std::vector<char*> environment = Environment();
  pid_t process = -1;
  const int problem = ::posix_spawnp(&process, arguments[0], &actions, &attributes,
                                     arguments.data(), environment.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (problem != 0) Die("cannot start " + spawn.command[0] + ": " + std::strerror(problem), "");
  return process;
}

int Wait(pid_t process) {
  int status = 0;
  while (::waitpid(process, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::vector<pid_t> ProcessesIn(const std::string& directory) {
  std::vector<pid_t> processes;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const auto place = std::filesystem::read_symlink(entry.path() / "cwd", ignored).string();
    const long id = std::strtol(entry.path().filename().c_str(), nullptr, 10);
    if (id > 0 && place.rfind(directory, 0) == 0) processes.push_back(static_cast<pid_t>(id));
  }
  return processes;
}

void Die(const std::string& problem, const std::string& log) {
  std::fprintf(stderr, "test database: %s\n", problem.c_str());
  std::ifstream file(log);
  for (std::string line; std::getline(file, line);) std::fprintf(stderr, "  %s\n", line.c_str());
  std::abort();
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) Die("cannot read " + path, "");
  return text.str();
}

std::string FindBinaries() {
  int newest = 0;
  std::string found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored)) {
    const int version = static_cast<int>(std::strtol(entry.path().filename().c_str(), nullptr, 10));
    const std::string binaries = entry.path() / "bin";
    if (version > newest && std::filesystem::exists(binaries + "/initdb", ignored)) {
      newest = version;
      found = binaries;
    }
  }
  if (!found.empty()) return found;
  // Elsewhere than on Debian, all of PostgreSQL stands in one place.
  std::FILE* pipe = ::popen("pg_config --bindir", "re");
  char line[1024] = "";
  if (pipe != nullptr && std::fgets(line, sizeof(line), pipe) != nullptr) {
    found.assign(line, std::strcspn(line, "\n"));
  }
  if (pipe != nullptr) ::pclose(pipe);
  if (!std::filesystem::exists(found + "/initdb", ignored)) Die("no PostgreSQL server found", "");
  return found;
}

std::string MakeDirectory(const std::string& user) {
  char path[] = "/tmp/ghpg.XXXXXX";
  if (::mkdtemp(path) == nullptr) Die("cannot make a directory under /tmp", "");
  ChangeOwner(path, user);
  return path;
}

void WriteFile(const std::string& path, const std::string& text, const std::string& user) {
  std::ofstream(path) << text;
  if (::chmod(path.c_str(), 0600) != 0) Die("cannot write " + path, "");
  ChangeOwner(path, user);
}

}  // namespace gatehouse::pg::testing
