// A server that answers by streams, and owners that do what a test tells them to.
// For the tests of libs/http; not for use in a service.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "libs/http/server.h"
#include "libs/http/testing.h"

namespace gatehouse::http {

class ScriptedOwner;

// What an owner does; called on the worker, after what happened was noted.
struct Script {
  std::function<void(ScriptedOwner&)> opened;
  std::function<void(ScriptedOwner&, std::string_view bytes, bool is_last)> body;
  std::function<void(ScriptedOwner&, int status)> refused;
  std::function<void(ScriptedOwner&)> writable;
  std::function<void(ScriptedOwner&)> tick;
  std::function<void(ScriptedOwner&)> drain;
};

// What has happened to one owner so far.
struct Events {
  std::string body;
  int parts = 0;
  int last = 0;
  int refused = 0;  // The status.
  int writable = 0;
  int ticks = 0;
  int drains = 0;
  int closed = 0;
};

class ScriptedOwner final : public StreamOwner {
 public:
  ScriptedOwner(const Script& script, std::shared_ptr<Exchange> exchange)
      : script_(script), exchange_(std::move(exchange)) {}

  Events events() const;
  const Exchange& exchange() const { return *exchange_; }
  Stream* stream = nullptr;  // On the worker, while it is open.

  void OnBody(std::string_view bytes, bool is_last) override;
  void OnBodyRefused(int status) override;
  void OnWritable() override;
  void OnTick(SteadyTime now) override;
  void OnDrain(std::chrono::milliseconds spread) override;
  void OnClosed() override;

 private:
  const Script script_;
  const std::shared_ptr<Exchange> exchange_;
  mutable std::mutex mutex_;
  Events events_;
};

// Answers /plain… with the target and /refused with 403, both without a stream; all
// others by a stream and the script. All bodies are streamed, up to `body_bytes_max`.
class StreamServer {
 public:
  explicit StreamServer(Script script, ServerOptions options = {});
  ~StreamServer();

  Server& server() { return *server_; }
  const std::string& address() const { return server_->address(); }

  // The next owner, in the order of the requests; nullptr after kPatience.
  std::shared_ptr<ScriptedOwner> Take();
  // Does `work` on the owner's worker and waits for it.
  void OnWorker(const std::shared_ptr<ScriptedOwner>& owner, const std::function<void()>& work);
  std::vector<std::string> TakeExecuted();

 private:
  void Handle(std::shared_ptr<Exchange> exchange);

  const Script script_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<ScriptedOwner>> owners_;
  std::vector<std::string> executed_;
  std::unique_ptr<Server> server_;
};

// "POST <target>" with a Host.
std::string Post(std::string_view target, std::string_view lines, std::string_view body = "");

// What comes until `end` is there, or the connection ends, or kPatience.
std::string ReadUntil(RawClient* client, std::string_view end);
// Until the server closes: all, and in what way.
struct Ending {
  std::string bytes;
  bool was_reset = false;
};
Ending ReadToEnd(RawClient* client);

// A script that answers "done" when the body was read.
Script ReadsAndAnswers();

}  // namespace gatehouse::http
