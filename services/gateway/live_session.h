// One client on /api/v1/ws or /ws: takes its commands, sends it the events that it has
// subscribed to and may see. The words are live_protocol.h's, the frames libs/http's.
#pragma once

#include <memory>

#include "libs/http/websocket.h"
#include "services/gateway/live_protocol.h"
#include "services/gateway/live_sockets.h"
#include "services/gateway/socket_life.h"

namespace gatehouse::gateway {

class LiveSession final : public http::WebSocketOwner, public EventListener {
 public:
  LiveSession(Context context, std::shared_ptr<void> place);

  void OnOpen(http::WebSocket* socket) override;
  void OnMessage(std::string_view message, bool is_text) override;
  void OnTick(SteadyTime now) override;
  void OnWritable() override;
  void OnDrain(std::chrono::milliseconds spread) override;
  void OnClosed(int code) override;
  void OnEvent(const LiveEventPtr& event) override;

 private:
  void Execute(const LiveCommand& command);
  void Send(const std::string& frame);
  bool CloseIfDue(SteadyTime now);
  void TellMissing();

  SocketLife life_;
  LiveSockets& sockets_;
  const int worker_;
  http::WebSocket* socket_ = nullptr;  // While events and answers may be sent.
  Subscriptions subscriptions_;
  std::uint64_t missing_ = 0;  // Frames that the client has not been told of yet.
  // Events came while nobody knew whether the client may see them.
  bool missed_in_doubt_ = false;
};

}  // namespace gatehouse::gateway
