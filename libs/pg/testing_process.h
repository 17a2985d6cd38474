// Child processes and files of the test cluster. Only for libs/pg/testing.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace gatehouse::pg::testing {

struct Spawn {
  std::vector<std::string> command;
  std::string directory;    // To run in.
  std::string output_file;  // Standard output and error are appended here.
  int standard_input = -1;  // -1: nothing to read.
};

// Starts a process in a session of its own that inherits no other descriptor.
// Aborts when it cannot be started.
pid_t Start(const Spawn& spawn);

// The exit code, or -1 for a process that a signal ended.
int Wait(pid_t process);

// The processes that work in `directory`; only those that one may look at.
std::vector<pid_t> ProcessesIn(const std::string& directory);

// Prints `problem` and the end of the file `log` ("" for none), and aborts.
[[noreturn]] void Die(const std::string& problem, const std::string& log);

// The whole file; aborts when it cannot be read.
std::string ReadFile(const std::string& path);

// Where initdb and postgres are.
std::string FindBinaries();

// A fresh directory under /tmp, with mode 0700 and owned by `user` ("" for oneself).
std::string MakeDirectory(const std::string& user);

// Writes a file with mode 0600 that `user` ("" for oneself) owns.
void WriteFile(const std::string& path, const std::string& text, const std::string& user);

}  // namespace gatehouse::pg::testing
