#include "libs/http/forward_fixture.h"

#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace gatehouse::http {
namespace {

bool IsOurs(std::string_view name) {
  return IsHopByHop(name) || SameName(name, "content-length") || SameName(name, "expect");
}

}  // namespace

class ForwardTest::Owner final : public ForwardOwner {
 public:
  explicit Owner(ForwardTest* test) : test_(test) {}

  void WriteHead(const ForwardedHead& head, std::string* lines) override {
    if (test_->fails_at_heads) throw std::runtime_error("an owner's own");
    for (const ForwardedHead::Field& field : head.fields) {
      lines->append(field.name).append(": ").append(field.value).append("\r\n");
    }
  }

  Response MakeFailure(ForwardError error, int status,
                       std::chrono::milliseconds retry_after) override {
    Response response;
    response.status = status;
    response.headers.push_back({"X-Error", std::to_string(static_cast<int>(error))});
    response.headers.push_back({"X-Retry-After", std::to_string(retry_after.count())});
    response.body = "failed";
    return response;
  }

  int CheckBody(std::string_view bytes, bool is_last) override {
    seen_ += bytes;
    if (seen_.find("forbidden") != seen_.npos) return 422;
    const bool is_short = seen_.size() >= 5 && seen_.compare(seen_.size() - 5, 5, "short") == 0;
    if (is_last && is_short) return 422;
    seen_.erase(0, seen_.size() > 9 ? seen_.size() - 9 : 0);
    return 0;
  }

  std::optional<Response> Replace(const ForwardedHead& head) override {
    if (!test_->refuses_events || !head.is_event_stream) return std::nullopt;
    return Response{429, {}, "too many"};
  }
  int CheckOpen(SteadyTime) override { return test_->close_code; }
  void Done(const ForwardReport& report) override { test_->Report(report); }

 private:
  ForwardTest* const test_;
  std::string seen_;
};

ForwardTest::ForwardTest() {
  server_options.address = "127.0.0.1:0";
  server_options.workers = 1;
  addresses = {upstream.address()};
}

ForwardTest::~ForwardTest() {
  if (server_) server_->Drain(std::chrono::milliseconds(0));
}

void ForwardTest::Start() {
  if (server_) return;
  group_ = std::make_shared<UpstreamGroup>(options);
  std::vector<std::shared_ptr<Endpoint>> endpoints;
  for (const std::string& address : addresses) {
    std::string host;
    std::string port;
    if (!ParseUpstreamUrl("http://" + address, &host, &port).empty()) std::abort();
    endpoints.push_back(ResolveEndpoints(host, port).at(0));
  }
  group_->SetEndpoints(std::move(endpoints));
  server_options.body_plan = [this](const Request&) {
    return BodyPlan{std::size_t{1} << 30, streams};
  };
  auto started = Server::Start(server_options,
                               [this](std::shared_ptr<Exchange> exchange) { Handle(exchange); });
  if (!started.ok()) std::abort();
  server_ = *std::move(started);
}

void ForwardTest::Handle(const std::shared_ptr<Exchange>& exchange) {
  const Request& request = exchange->request();
  ForwardRequest forward;
  forward.group = group_;
  forward.head = request.method + " " + request.target + " HTTP/1.1\r\n";
  for (const Header& header : request.headers) {
    if (!IsOurs(header.name)) forward.head += header.name + ": " + header.value + "\r\n";
  }
  forward.is_idempotent = request.method == "GET" || request.method == "HEAD";
  forward.upgrades = request.Find("upgrade").has_value();
  Forward(exchange, std::move(forward), std::make_shared<Owner>(this));
}

void ForwardTest::Report(const ForwardReport& report) {
  const std::lock_guard<std::mutex> lock(mutex_);
  reports_.push_back(report);
  changed_.notify_all();
}

ForwardReport ForwardTest::NextReport() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [this] { return !reports_.empty(); })) {
    ForwardReport none;
    none.endpoint = "none";
    return none;
  }
  ForwardReport report = std::move(reports_.front());
  reports_.erase(reports_.begin());
  return report;
}

RawPeer ForwardTest::Client(int receive_buffer) {
  Start();
  return RawPeer::Connect(server_->address(), receive_buffer);
}

RawPeer ForwardTest::Ask(std::string_view request) {
  RawPeer client = Client();
  EXPECT_TRUE(client.Send(request));
  return client;
}

RawPeer ForwardTest::AcceptRequest(std::string* head) {
  RawPeer peer = upstream.Accept();
  EXPECT_TRUE(peer.connected());
  const std::string read = peer.ReadHead();
  EXPECT_NE(read.find("\r\n\r\n"), read.npos) << read;
  if (head != nullptr) *head = read;
  return peer;
}

RawPeer ForwardTest::Exchange200(const std::string& name) {
  RawPeer client = Ask(Get("/" + name));
  RawPeer peer = AcceptRequest();
  EXPECT_TRUE(peer.Send(Ok(name)));
  EXPECT_EQ(client.ReadReply().body, name);
  EXPECT_EQ(NextReport().status, 200);
  return peer;
}

std::string Ok(std::string_view body, std::string_view more_lines) {
  return "HTTP/1.1 200 OK\r\n" + std::string(more_lines) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

}  // namespace gatehouse::http
