// A gateway by itself, without the services behind it: enough for public routes of a
// CONFIG_FILE, such as proxied ones. Its configuration can be changed while it runs.
#pragma once

#include <memory>
#include <string>

#include "tests/harness/process.h"

namespace gatehouse::harness {

// Not thread-safe.
class Edge {
 public:
  // `config`: the text of CONFIG_FILE. `settings` win over the defaults.
  explicit Edge(const std::string& config, const Environment& settings = {});
  ~Edge();

  // "" or what went wrong.
  std::string Start();

  // Writes another configuration and has it loaded by SIGHUP; false when the process
  // does not say within ten seconds that it has.
  bool Configure(const std::string& config);

  const std::string& address() const { return address_; }
  Process& process() { return *process_; }

  // What its memory takes in all, in KiB: proportional set size.
  long PssKib() const;

  const std::string& directory() const { return directory_; }

 private:
  const std::string directory_;
  std::string address_;
  std::unique_ptr<Process> process_;
};

// The proportional set size of a process, in KiB.
long PssKib(pid_t pid);

}  // namespace gatehouse::harness
