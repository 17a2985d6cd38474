// A session that waits for NOTIFY on one channel. Used inside libs/pg only; what
// it reports is a hint, so losing the session loses nothing.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "libs/base/unique_fd.h"

typedef struct pg_conn PGconn;

namespace gatehouse::pg {

// One thread owns it; only Wake may be called from others.
class Listener {
 public:
  Listener(const std::string& url, std::string channel);
  ~Listener();

  // Connects and listens unless it does already. Says so in the log when that changes.
  void Ensure();

  // Sends the notification, in a transaction of its own.
  void Notify();

  // Returns after a notification, Wake, a loss of the session, or `pause`.
  void Await(std::chrono::milliseconds pause);

  // Ends an Await now or, if there is none, the next one.
  void Wake();

 private:
  void Lose(const std::string& why);
  bool Execute(const std::string& sql);

  const std::string connection_string_;
  const std::string channel_;
  const UniqueFd wake_;
  std::unique_ptr<PGconn, void (*)(PGconn*)> session_;
  bool lost_ = false;  // And said so.
};

}  // namespace gatehouse::pg
