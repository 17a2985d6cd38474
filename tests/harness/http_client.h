// A small blocking HTTP/1.1 client for tests, one connection per call, and access
// to JSON by pointer. Written to see raw answers, not to be kind to them.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace gatehouse::harness {

struct Answer {
  int status = 0;  // 0: no complete answer
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  // The first value of a header regardless of case, or "".
  std::string Header(const std::string& name) const;

  // The value at a JSON pointer ("/user/id"): a string as it is, anything else as
  // JSON text, "" when it is not there.
  std::string At(const std::string& pointer) const;
};

// Bytes of a request as sent; the whole answer until the server closes or the
// announced length is there. `address` is "host:port".
std::string Exchange(const std::string& address, const std::string& bytes,
                     std::chrono::milliseconds timeout = std::chrono::seconds(10));

class HttpClient {
 public:
  explicit HttpClient(std::string address) : address_(std::move(address)) {}

  // `token` is sent as "Authorization: Token …" unless empty; `json` with its
  // content type unless empty.
  Answer Call(const std::string& method, const std::string& path, const std::string& json = "",
              const std::string& token = "",
              const std::vector<std::pair<std::string, std::string>>& headers = {}) const;

  const std::string& address() const { return address_; }

 private:
  const std::string address_;
};

}  // namespace gatehouse::harness
