// A gateway in this process over fake services, and a plain HTTP client. Not for
// use outside the gateway's tests.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "libs/http/message.h"
#include "services/gateway/fake_services.h"
#include "services/gateway/gateway.h"

namespace gatehouse::gateway {

struct Answer {
  int status = 0;  // 0: the connection broke.
  std::vector<http::Header> headers;
  std::string body;

  std::string Get(const std::string& name) const;  // "" when absent.
  std::vector<std::string> All(const std::string& name) const;
};

using Headers = std::vector<http::Header>;

// One request on a connection of its own, which it asks to be closed.
Answer Fetch(const std::string& address, const std::string& method, const std::string& path,
             const Headers& headers = {}, const std::string& body = "");

// `bytes` as they are, then everything that comes back.
Answer FetchRaw(const std::string& address, const std::string& bytes);

// Sends a request and leaves without reading, once `entered` is true.
void LeaveEarly(const std::string& address, const std::string& path, const std::string& token,
                const std::atomic<bool>& entered);

// Asks again until `done` says true; false when that takes over 20 seconds.
bool Eventually(const std::function<bool()>& done);

// Whether `text` is one valid JSON value.
bool IsJson(const std::string& text);

class GatewayTest : public ::testing::Test {
 protected:
  GatewayTest() : GatewayTest(TestOptions()) {}
  explicit GatewayTest(Options options, HotConfig hot = TestHotConfig(), GatewayExtras extras = {});

  static Options TestOptions();
  // Neither limits per user nor an access log.
  static HotConfig TestHotConfig();

  // The configuration in force, and another one from now on.
  HotConfig hot() const { return gateway_.snapshot()->config; }
  void SetHot(const std::function<void(HotConfig&)>& change);

  Answer Get(const std::string& path, const std::string& token, const Headers& more = {}) {
    return Send("GET", path, token, "", more);
  }
  Answer Post(const std::string& path, const std::string& token, const std::string& body,
              const Headers& more = {}) {
    return Send("POST", path, token, body, more);
  }
  // A body goes as JSON unless `more` names a Content-Type. Checks what every
  // answer must carry.
  Answer Send(const std::string& method, const std::string& path, const std::string& token,
              const std::string& body = "", Headers more = {});

  // The error code of an answer, checked to be an error object.
  static std::string Code(const Answer& answer);

  SystemClock clock_;
  FakeServices services_;
  Gateway gateway_;
  const std::string user_ = services_.AddToken("user", {});
  const std::string admin_ = services_.AddToken("admin", {"manage_users", "manage_billing"});
};

}  // namespace gatehouse::gateway
