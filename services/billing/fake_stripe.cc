#include "services/billing/fake_stripe.h"

#include <gtest/gtest.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace gatehouse::billing {

FakeStripe::FakeStripe(Script script) : script_(std::move(script)) {
  http::ServerOptions options;
  options.address = "127.0.0.1:0";
  options.workers = 1;
  auto server = http::Server::Start(
      options, [this](std::shared_ptr<http::Exchange> exchange) { Answer(exchange); });
  EXPECT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
}

FakeStripe::~FakeStripe() {
  {
    const std::lock_guard lock(mutex_);
    held_.clear();
  }
  server_->Drain(std::chrono::milliseconds(100));
}

void FakeStripe::Do(Script script) {
  const std::lock_guard lock(mutex_);
  script_ = std::move(script);
}

std::vector<FakeStripe::Asked> FakeStripe::asked() const {
  const std::lock_guard lock(mutex_);
  return asked_;
}

std::vector<FakeStripe::Asked> FakeStripe::asked(const std::string& path) const {
  std::vector<Asked> found;
  for (const Asked& one : asked()) {
    if (one.path == path) found.push_back(one);
  }
  return found;
}

void FakeStripe::Answer(const std::shared_ptr<http::Exchange>& exchange) {
  const http::Request& request = exchange->request();
  const auto header = [&](const char* name) {
    return std::string(request.Find(name).value_or(""));
  };
  Asked asked{.method = request.method,
              .path = std::string(request.path),
              .form = {},
              .key = header("Idempotency-Key"),
              .authorization = header("Authorization"),
              .version = header("Stripe-Version")};
  const auto fields = http::ParseQuery(request.method == "POST" ? request.body : request.query);
  EXPECT_TRUE(fields.has_value()) << request.body;
  if (fields) asked.form.insert(fields->begin(), fields->end());
  const std::lock_guard lock(mutex_);
  asked_.push_back(asked);
  Reply reply = script_(asked);
  if (reply.never) {
    held_.push_back(exchange);
    return;
  }
  http::Response response;
  response.status = reply.status;
  response.headers = std::move(reply.headers);
  response.body = std::move(reply.body);
  exchange->Reply(std::move(response));
}

std::string StripeErrorText(const std::string& type, const std::string& code,
                            const std::string& more_json) {
  return absl::StrCat(R"({"error":{"type":")", type, R"(","code":")", code,
                      R"(","message":"Stripe's own words.")", more_json, "}}");
}

}  // namespace gatehouse::billing
