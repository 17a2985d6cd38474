#include "libs/http/stream_case.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <future>
#include <utility>

namespace gatehouse::http {

Events ScriptedOwner::events() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return events_;
}

void ScriptedOwner::OnBody(std::string_view bytes, bool is_last) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    events_.body += bytes;
    ++events_.parts;
    events_.last += is_last ? 1 : 0;
  }
  if (script_.body) script_.body(*this, bytes, is_last);
}

void ScriptedOwner::OnBodyRefused(int status) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    EXPECT_EQ(events_.refused, 0);
    events_.refused = status;
  }
  if (script_.refused) script_.refused(*this, status);
}

void ScriptedOwner::OnWritable() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ++events_.writable;
  }
  if (script_.writable) script_.writable(*this);
}

void ScriptedOwner::OnTick(SteadyTime) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ++events_.ticks;
  }
  if (script_.tick) script_.tick(*this);
}

void ScriptedOwner::OnDrain(std::chrono::milliseconds) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ++events_.drains;
  }
  if (script_.drain) script_.drain(*this);
}

void ScriptedOwner::OnClosed() {
  stream->Write("nobody gets this");  // Gone, but it does no harm.
  stream = nullptr;
  std::lock_guard<std::mutex> lock(mutex_);
  ++events_.closed;
}

StreamServer::StreamServer(Script script, ServerOptions options) : script_(std::move(script)) {
  options.address = "127.0.0.1:0";
  if (!options.body_plan) {
    options.body_plan = [most = options.body_bytes_max](const Request&) {
      return BodyPlan{most, true};
    };
  }
  auto started = Server::Start(
      options, [this](std::shared_ptr<Exchange> exchange) { Handle(std::move(exchange)); });
  if (!started.ok()) std::abort();
  server_ = *std::move(started);
}

StreamServer::~StreamServer() { server_->Drain(std::chrono::milliseconds(0)); }

void StreamServer::Handle(std::shared_ptr<Exchange> exchange) {
  const Request& request = exchange->request();
  const auto owner = std::make_shared<ScriptedOwner>(script_, exchange);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    executed_.push_back(request.target);
  }
  if (request.path.substr(0, 6) == "/plain") return exchange->Reply({200, {}, request.target});
  if (request.path == "/refused") return exchange->Reply({403, {}, "no"});
  owner->stream = exchange->OpenStream(owner);
  ASSERT_NE(owner->stream, nullptr);
  if (script_.opened) script_.opened(*owner);
  std::lock_guard<std::mutex> lock(mutex_);
  owners_.push_back(owner);
}

std::shared_ptr<ScriptedOwner> StreamServer::Take() {
  std::shared_ptr<ScriptedOwner> taken;
  Eventually([&] {
    std::lock_guard<std::mutex> lock(mutex_);
    if (owners_.empty()) return false;
    taken = owners_.front();
    owners_.erase(owners_.begin());
    return true;
  });
  EXPECT_NE(taken, nullptr);
  return taken;
}

void StreamServer::OnWorker(const std::shared_ptr<ScriptedOwner>& owner,
                            const std::function<void()>& work) {
  std::promise<void> done;
  server_->Post(owner->exchange().worker(), [&] {
    work();
    done.set_value();
  });
  ASSERT_EQ(done.get_future().wait_for(kPatience), std::future_status::ready);
}

std::vector<std::string> StreamServer::TakeExecuted() {
  std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(executed_, {});
}

std::string Post(std::string_view target, std::string_view lines, std::string_view body) {
  return "POST " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n" + std::string(lines) + "\r\n" +
         std::string(body);
}

namespace {

// 0 at the end, negative for a reset.
ssize_t ReadSome(RawClient* client, std::string* text) {
  char bytes[65536];
  pollfd entry{client->fd(), POLLIN, 0};
  const auto patience = std::chrono::milliseconds(kPatience).count();
  if (::poll(&entry, 1, static_cast<int>(patience)) <= 0) {
    ADD_FAILURE() << "nothing comes behind " << text->size() << " bytes";
    return 0;
  }
  const ssize_t count = ::recv(client->fd(), bytes, sizeof bytes, 0);
  if (count > 0) text->append(bytes, static_cast<std::size_t>(count));
  return count;
}

}  // namespace

std::string ReadUntil(RawClient* client, std::string_view end) {
  std::string text;
  while (text.find(end) == text.npos && ReadSome(client, &text) > 0) {
  }
  return text;
}

Ending ReadToEnd(RawClient* client) {
  Ending ending;
  ssize_t count = 1;
  while (count > 0) count = ReadSome(client, &ending.bytes);
  ending.was_reset = count < 0;
  return ending;
}

Script ReadsAndAnswers() {
  Script script;
  script.opened = [](ScriptedOwner& owner) { owner.stream->ReadBody(); };
  script.body = [](ScriptedOwner& owner, std::string_view, bool is_last) {
    if (!is_last) return;
    owner.stream->BeginReply({200, "", 4});
    owner.stream->Write("done");
    owner.stream->End();
  };
  script.refused = [](ScriptedOwner& owner, int status) {
    owner.stream->BeginReply({status, "", 0});
    owner.stream->End();
  };
  return script;
}

}  // namespace gatehouse::http
