#include "services/gateway/status_session.h"

#include <utility>

#include "libs/base/time_text.h"
#include "services/gateway/json_writer.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

constexpr int kSwitchingProtocols = 101;

}  // namespace

StatusSession::StatusSession(Context context, std::shared_ptr<void> place)
    : life_(context, SocketKind::kStatus, std::move(place)),
      source_(context->parts().sockets.status()) {}

void StatusSession::OnOpen(http::WebSocket* socket) {
  socket_ = socket;
  life_.Open(std::chrono::steady_clock::now());
  SendStatus("initial_status", source_.Get());
}

void StatusSession::OnClosed(int code) {
  socket_ = nullptr;
  life_.Finish(code, kSwitchingProtocols);
}

void StatusSession::OnMessage(std::string_view message, bool is_text) {
  life_.CountIn();
  if (socket_ == nullptr || !is_text) return;
  if (SameAsciiText(message, "ping")) return Send("pong");
  JsonWriter json;
  json.BeginObject().Field("type", "echo").Field("message", message).EndObject();
  Send(json.Take());
}

void StatusSession::OnTick(SteadyTime now) {
  if (socket_ == nullptr) return;
  if (const int code = life_.Check(now); code != 0) {
    return std::exchange(socket_, nullptr)->Close(code, SocketLife::ReasonOf(code));
  }
  const StatusSource::Status status = source_.Get();
  if (status.version != version_) SendStatus("status_update", status);
}

// One that finds no room is made up for: the next tick sends the latest.
void StatusSession::SendStatus(const char* type, const StatusSource::Status& status) {
  JsonWriter json;
  json.BeginObject().Field("type", type).Field("timestamp", FormatTime(life_.Now()));
  json.RawOrNull("data", status.json ? *status.json : "").EndObject();
  const std::uint64_t dropped = life_.dropped();
  Send(json.Take());
  if (life_.dropped() == dropped) version_ = status.version;
}

void StatusSession::Send(const std::string& text) {
  if (socket_->SendText(text)) {
    life_.CountOut(text.size());
  } else {
    life_.CountDropped();
  }
}

void StatusSession::OnDrain(std::chrono::milliseconds spread) {
  life_.Drain(std::chrono::steady_clock::now(), spread);
}

}  // namespace gatehouse::gateway
