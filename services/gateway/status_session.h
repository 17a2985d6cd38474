// One client on /api/v1/ws/status: the status when it comes and whenever it changes,
// "pong" for "ping", an echo for anything else. Does not make the status
// (status_source.h).
#pragma once

#include <memory>

#include "libs/http/websocket.h"
#include "services/gateway/live_sockets.h"
#include "services/gateway/socket_life.h"

namespace gatehouse::gateway {

class StatusSession final : public http::WebSocketOwner {
 public:
  StatusSession(Context context, std::shared_ptr<void> place);

  void OnOpen(http::WebSocket* socket) override;
  void OnMessage(std::string_view message, bool is_text) override;
  void OnTick(SteadyTime now) override;
  void OnDrain(std::chrono::milliseconds spread) override;
  void OnClosed(int code) override;

 private:
  void Send(const std::string& text);
  void SendStatus(const char* type, const StatusSource::Status& status);

  SocketLife life_;
  const StatusSource& source_;
  http::WebSocket* socket_ = nullptr;  // While something may be sent.
  std::uint64_t version_ = 0;          // Of the status that was sent last.
};

}  // namespace gatehouse::gateway
