// One client on /api/v1/events: the live protocol's events as server-sent events, from
// where it was when it comes back. Bounded: who reads too slowly is caught up from what
// the hub keeps, or told of a gap.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "libs/http/stream.h"
#include "services/gateway/live_protocol.h"
#include "services/gateway/live_sockets.h"
#include "services/gateway/socket_life.h"

namespace gatehouse::gateway {

// One event of a stream; `json` is one line after this. Empty ones are left out.
std::string ServerSentEvent(std::string_view id, std::string_view type, std::string_view json);

class EventStream final : public http::StreamOwner, public EventListener {
 public:
  // `last_id`: where the client was; "" for from now on.
  EventStream(Context context, std::shared_ptr<void> place, Subscriptions subscriptions,
              std::string last_id);
  ~EventStream() override;

  // Begins the answer of `self`'s request. On the worker; nothing happens when the client
  // has left already.
  static void Open(const std::shared_ptr<EventStream>& self);

  void OnBody(std::string_view, bool) override {}
  void OnBodyRefused(int) override {}
  void OnWritable() override;
  void OnTick(SteadyTime now) override;
  void OnDrain(std::chrono::milliseconds spread) override;
  void OnClosed() override;
  void OnEvent(const LiveEventPtr& event) override;

 private:
  void Begin(http::Stream* stream);
  void CatchUp();
  void Take(const LiveEvent& event);
  void Write(std::string bytes);
  void Beat(SteadyTime now);
  void EndOrCatchUp(SteadyTime now);
  bool EndIfDue(SteadyTime now);
  void Finish(int code);

  SocketLife life_;
  LiveSockets& sockets_;
  const int worker_;
  const Subscriptions subscriptions_;
  http::Stream* stream_ = nullptr;
  std::string position_;       // Behind everything that was taken.
  std::string told_position_;  // What of it the client knows.
  std::uint64_t taken_ = 0;    // LiveEvent::number of the last that was taken.
  bool is_behind_ = false;     // What follows position_ is to be fetched from the hub.
  bool wrote_ = false;         // Since the last tick.
  SteadyTime beat_at_;
};

}  // namespace gatehouse::gateway
