// The event feeds of the real programs, watched as the gateway watches them: whatever
// is killed in the middle, each event comes once and in order, and what people and
// money cause arrives.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <mutex>
#include <thread>

#include "gatehouse/event/v1/event.methods.h"
#include "libs/base/secret.h"
#include "libs/base/unique_fd.h"
#include "libs/rpc/client.h"
#include "tests/harness/stack.h"

namespace gatehouse {
namespace {

using event::v1::WatchRequest;
using event::v1::WatchResponse;
using harness::Answer;
using harness::Eventually;
using harness::Stack;

token::SigningKey KeyOf(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  std::string text;
  file >> text;
  auto key = token::SigningKey::FromSeed(name, Base64UrlDecode(text).value_or(""));
  EXPECT_TRUE(key.ok()) << path;
  return *std::move(key);
}

// Watches one service's feed from now on; opens again where it broke, until destroyed.
class Watcher {
 public:
  Watcher(Stack& stack, const std::string& service)
      : issuer_("gateway", KeyOf(stack.directory() + "/gateway.key", "gateway"), clock_),
        client_(service, "unix:" + stack.directory() + "/" + service + ".sock", &issuer_) {
    thread_ = std::thread([this] { Run(); });
    EXPECT_TRUE(Eventually([this] { return messages() > 0; })) << service;
  }
  ~Watcher() {
    stopping_ = true;
    thread_.join();
  }

  // "transaction.sequence" of every event, in the order in which they came.
  std::vector<std::string> Cursors() {
    std::lock_guard lock(mutex_);
    return cursors_;
  }
  std::vector<event::v1::Event> Events() {
    std::lock_guard lock(mutex_);
    return events_;
  }
  int messages() {
    std::lock_guard lock(mutex_);
    return messages_;
  }
  int gaps() {
    std::lock_guard lock(mutex_);
    return gaps_;
  }

 private:
  void Run() {
    while (!stopping_) {
      std::atomic<bool> has_ended = false;
      WatchRequest request;
      {
        std::lock_guard lock(mutex_);
        if (cursor_) *request.mutable_cursor() = *cursor_;
      }
      const auto call = client_.Watch(
          event::v1::EventService::kWatch, request, rpc::CallOptions(),
          [this](const WatchResponse& message) { Take(message); },
          [&has_ended](const absl::Status&) { has_ended = true; });
      while (!has_ended && !stopping_) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      call->Cancel();
      while (!has_ended) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  void Take(const WatchResponse& message) {
    std::lock_guard lock(mutex_);
    ++messages_;
    if (message.has_gap()) ++gaps_;
    cursor_ = message.has_event() ? message.event().cursor()
              : message.has_gap() ? message.gap().resumed_at()
                                  : message.heartbeat();
    if (!message.has_event()) return;
    events_.push_back(message.event());
    cursors_.push_back(std::to_string(cursor_->transaction_id()) + "." +
                       std::to_string(cursor_->sequence()));
  }

  const SystemClock clock_;
  rpc::PassportIssuer issuer_;
  rpc::Client client_;
  std::mutex mutex_;
  std::optional<event::v1::Cursor> cursor_;  // guarded by mutex_
  std::vector<std::string> cursors_;         // guarded by mutex_
  std::vector<event::v1::Event> events_;     // guarded by mutex_
  int messages_ = 0;                         // guarded by mutex_
  int gaps_ = 0;                             // guarded by mutex_
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

// Reads the gateway's event stream, as it comes, until destroyed.
class StreamReader {
 public:
  StreamReader(const std::string& address, const std::string& token)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port =
        htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.find(':') + 1))));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    const std::string request =
        "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Token " + token +
        "\r\n\r\n";
    EXPECT_EQ(::write(socket_.get(), request.data(), request.size()),
              static_cast<ssize_t>(request.size()));
    thread_ = std::thread([this] { Run(); });
    EXPECT_TRUE(Eventually([this] { return Text().find("\nid: ") != std::string::npos; }))
        << Text();
  }
  ~StreamReader() {
    ::shutdown(socket_.get(), SHUT_RDWR);
    thread_.join();
  }

  std::string Text() {
    std::lock_guard lock(mutex_);
    return text_;
  }

  // The jobs of the events of a type, in the order in which they came.
  std::vector<std::string> JobsOf(const std::string& type) {
    const std::string text = Text();
    const std::string event = "event: " + type + "\n", id = "\"execution_id\": \"";
    std::vector<std::string> jobs;
    for (std::size_t at = text.find(event); at != std::string::npos;
         at = text.find(event, at + 1)) {
      const std::size_t begin = text.find(id, at);
      if (begin == std::string::npos) break;
      jobs.push_back(text.substr(begin + id.size(), 36));
    }
    return jobs;
  }

 private:
  void Run() {
    char bytes[16384];
    ssize_t count;
    while ((count = ::read(socket_.get(), bytes, sizeof bytes)) > 0) {
      std::lock_guard lock(mutex_);
      text_.append(bytes, static_cast<std::size_t>(count));
    }
  }

  const UniqueFd socket_;
  std::mutex mutex_;
  std::string text_;  // guarded by mutex_
  std::thread thread_;
};

std::vector<std::string> Words(const std::string& text) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

class FeedFlow : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    stack_ = new Stack();
    ASSERT_EQ(stack_->Start(), "");
  }
  static void TearDownTestSuite() {
    delete stack_;
    stack_ = nullptr;
  }

  // As the table has them, oldest first.
  static std::vector<std::string> CursorsOf(const std::string& schema) {
    return Words(
        stack_->Sql("SELECT string_agg(transaction_id || '.' || sequence, ' '"
                    " ORDER BY transaction_id, sequence) FROM " +
                    schema + ".events"));
  }

  static int Submit(const std::string& token) {
    return stack_->http()
        .Call("POST", "/api/jobs/", R"({"type":"text.stats","payload":{"text":"one two"}})", token)
        .status;
  }

  // Submits jobs all the while and kills their process `times` times.
  static void SubmitAndKill(const std::string& token, int times) {
    std::atomic<bool> done = false;
    std::atomic<int> accepted = 0;
    std::thread submitting([&] {
      while (!done) accepted += Submit(token) == 201 ? 1 : 0;
    });
    for (int round = 0; round <= times; ++round) {
      const int before = accepted;
      EXPECT_TRUE(Eventually([&] { return accepted >= before + 10; }));
      if (round == times) break;
      EXPECT_TRUE(stack_->Restart("jobs")) << stack_->Log("jobs");
    }
    done = true;
    submitting.join();
  }

  static Stack* stack_;
};

Stack* FeedFlow::stack_ = nullptr;

TEST_F(FeedFlow, AWatcherOfJobsMissesNothingWhenTheyAreKilledAgainAndAgain) {
  const std::string token = stack_->SignUp("ada");
  stack_->Credit(stack_->TenantOf(token), 10'000);
  Watcher watcher(*stack_, "jobs");
  SubmitAndKill(token, 2);
  // A job that was killed with its process may be told of later still.
  EXPECT_TRUE(Eventually([&] { return watcher.Cursors() == CursorsOf("jobs"); }));
  EXPECT_EQ(watcher.Cursors(), CursorsOf("jobs")) << "each once, in order";
  EXPECT_GE(watcher.Cursors().size(), 60U) << "queued and started, at least";
  EXPECT_EQ(watcher.gaps(), 0);
}

TEST_F(FeedFlow, ALiveClientOfTheGatewayDoesNotNoticeThatTheyAreKilled) {
  const std::string token = stack_->SignUp("dora");
  const std::string tenant = stack_->TenantOf(token);
  stack_->Credit(tenant, 10'000);
  StreamReader reader(stack_->http().address(), token);
  SubmitAndKill(token, 2);
  const auto queued = [&] {
    return Words(stack_->Sql(
        "SELECT string_agg(data->>'execution_id', ' ' ORDER BY transaction_id, sequence)"
        " FROM jobs.events WHERE type = 'execution.queued' AND tenant_id = " +
        tenant));
  };
  EXPECT_TRUE(Eventually([&] { return reader.JobsOf("execution.queued") == queued(); }));
  EXPECT_EQ(reader.JobsOf("execution.queued"), queued()) << "each once, in order";
  EXPECT_GE(queued().size(), 30U);
  EXPECT_EQ(reader.Text().find("event: gap"), std::string::npos);
}

TEST_F(FeedFlow, WhatAnAdministratorAnnouncesReachesTheFeed) {
  Watcher watcher(*stack_, "auth");
  const std::string tenant = stack_->TenantOf(stack_->SignUp("bob"));
  const Answer answer = stack_->http().Call(
      "POST", "/api/admin/announcements/",
      R"({"type":"maintenance","message":"at noon","tenant_id":)" + tenant + "}",
      stack_->AdminToken());
  ASSERT_EQ(answer.status, 201) << answer.body;
  ASSERT_TRUE(Eventually([&] { return watcher.Events().size() == 1; }));
  const event::v1::Event event = watcher.Events()[0];
  EXPECT_EQ(event.type(), "system.maintenance");
  EXPECT_EQ(std::to_string(event.tenant_id()), tenant);
  const Answer data{.status = 200, .headers = {}, .body = event.data_json()};
  EXPECT_EQ(data.At("/message"), "at noon");
  EXPECT_EQ(data.At("/enabled"), "true");
  EXPECT_EQ(data.At("/id"), answer.At("/id"));
  EXPECT_EQ(stack_->Sql("SELECT count(*) FROM auth.audit_events WHERE"
                        " type = 'announcement_created' AND actor_username = 'admin'"),
            "1");
}

TEST_F(FeedFlow, ALowBalanceReachesTheFeedOnce) {
  Watcher watcher(*stack_, "billing");
  const std::string token = stack_->SignUp("carol");
  const std::string tenant = stack_->TenantOf(token);
  stack_->Credit(tenant, 503);  // The threshold is 500, a job costs 2.
  for (int i = 0; i < 3; ++i) ASSERT_EQ(Submit(token), 201);
  ASSERT_TRUE(Eventually([&] {
    return stack_->http()
               .Call("GET", "/api/billing/reserve/balance/", "", token)
               .At("/balance_cents") == "497";
  }));
  ASSERT_TRUE(Eventually([&] { return watcher.Events().size() == 1; }));
  const event::v1::Event event = watcher.Events()[0];
  EXPECT_EQ(event.type(), "system.alert");
  EXPECT_EQ(std::to_string(event.tenant_id()), tenant);
  const Answer data{.status = 200, .headers = {}, .body = event.data_json()};
  EXPECT_EQ(data.At("/kind"), "low_balance");
  EXPECT_EQ(data.At("/balance_cents"), "499");
  EXPECT_EQ(data.At("/threshold_cents"), "500");
  EXPECT_EQ(stack_->Sql("SELECT count(*) FROM billing.events WHERE tenant_id = " + tenant), "1");
}

}  // namespace
}  // namespace gatehouse
