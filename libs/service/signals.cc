#include "libs/service/signals.h"

#include <pthread.h>
#include <signal.h>

namespace gatehouse::service {
namespace {

sigset_t Signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&signals, signal);
  return signals;
}

}  // namespace

void BlockSignals() {
  const sigset_t signals = Signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

std::optional<int> WaitForSignal(std::chrono::milliseconds timeout) {
  const sigset_t signals = Signals();
  timespec limit{};
  limit.tv_sec = timeout.count() / 1000;
  limit.tv_nsec = static_cast<long>(timeout.count() % 1000) * 1000000;
  const int signal = ::sigtimedwait(&signals, nullptr, &limit);
  // EINTR (a debugger, a stop and continue) counts as an early time-out.
  return signal > 0 ? std::optional<int>(signal) : std::nullopt;
}

}  // namespace gatehouse::service
