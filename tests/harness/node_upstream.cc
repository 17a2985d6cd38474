#include "tests/harness/node_upstream.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gatehouse::harness {

NodeUpstream::~NodeUpstream() { Kill(); }

bool NodeUpstream::Start() {
  int out[2];
  if (::pipe2(out, O_CLOEXEC) != 0) return false;
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(out[1], STDOUT_FILENO);
    const char* const script = GATEHOUSE_SOURCE "/tests/clients/upstream.mjs";
    ::execlp("node", "node", script, port_.empty() ? "0" : port_.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(out[1]);
  std::string line;
  for (char c; ::read(out[0], &c, 1) == 1 && c != '\n';) line += c;
  ::close(out[0]);
  if (line.rfind("port ", 0) != 0) return false;
  port_ = line.substr(5);
  return true;
}

void NodeUpstream::Kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace gatehouse::harness
