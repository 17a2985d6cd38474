// Stripe's API for tests: a real HTTP server whose answers a test scripts. Remembers what
// it was asked. Never part of the program.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "libs/http/server.h"

namespace gatehouse::billing {

// Thread-safe.
class FakeStripe {
 public:
  struct Asked {
    std::string method;
    std::string path;
    std::map<std::string, std::string> form;  // Of the body, or of the query.
    std::string key;                          // Idempotency-Key
    std::string authorization;
    std::string version;
  };
  struct Reply {
    int status = 200;
    std::string body = "{}";
    std::vector<http::Header> headers = {};
    bool never = false;  // Keeps the client waiting.
  };
  using Script = std::function<Reply(const Asked&)>;

  explicit FakeStripe(Script script);
  ~FakeStripe();

  std::string base() const { return "http://" + server_->address(); }

  void Do(Script script);
  std::vector<Asked> asked() const;
  // Of one path.
  std::vector<Asked> asked(const std::string& path) const;

 private:
  void Answer(const std::shared_ptr<http::Exchange>& exchange);

  mutable std::mutex mutex_;
  Script script_;                                      // guarded by mutex_
  std::vector<Asked> asked_;                           // guarded by mutex_
  std::vector<std::shared_ptr<http::Exchange>> held_;  // guarded by mutex_
  std::unique_ptr<http::Server> server_;
};

// An error object of Stripe's.
std::string StripeErrorText(const std::string& type, const std::string& code,
                            const std::string& more_json = "");

}  // namespace gatehouse::billing
