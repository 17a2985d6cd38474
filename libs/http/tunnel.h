// What a forwarded exchange becomes after the upstream's 101: bytes both ways with
// back-pressure, the end of either side passed on, and a close frame of our own
// where the owner wants the end. Understands no more of WebSocket than where its
// frames end. Internal to libs/http; not thread-safe.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "libs/http/forward.h"
#include "libs/http/frame_tracker.h"
#include "libs/http/outgoing.h"
#include "libs/http/stream.h"
#include "libs/http/upstream_connection.h"

namespace gatehouse::http {

// How long something that would never end by itself goes on when the server drains,
// so that not all of it ends at once: less than `spread`. `of`: what goes on.
std::chrono::milliseconds DrainJitter(const void* of, SteadyTime now,
                                      std::chrono::milliseconds spread);

class Tunnel {
 public:
  // What either side is given to reach the end of its frame, and the client to answer
  // a close frame.
  static constexpr std::chrono::milliseconds kCloseTime{1000};

  enum class Ending { kNone, kEnd, kAbort };

  // All of them outlive it; `stream` but for Detach.
  Tunnel(Outgoing& outgoing, Stream* stream, UpstreamConnection& connection, ForwardOwner& owner,
         const UpstreamOptions& options, ForwardReport& report);

  // The stream has been upgraded. `early`: what came behind the upstream's head.
  void Start(std::string_view early);
  void OnClientBytes(std::string_view bytes, bool is_last);
  // After events of the upstream's socket. True when there is more to be read, in
  // another turn.
  bool Pump();
  // False when there was nothing to go on with.
  bool OnClientWritable();
  void OnTick(SteadyTime now);
  void OnDrain(std::chrono::milliseconds spread);
  // The stream is gone.
  void Detach() { stream_ = nullptr; }

  // How the stream is to be ended, once it is.
  Ending ending() const { return ending_; }

 private:
  struct Direction {
    FrameTracker frames;
    bool is_cut = false;  // Ours was the last word; what comes is dropped.
  };

  void BeginClose(int code, SteadyTime now);
  void Receive();
  void OnUpstreamBytes(std::string_view bytes);
  void OnUpstreamEnd();
  void WriteToClient(std::string_view bytes);
  void CutToClient();
  void SendToUpstream(std::string_view bytes);
  void CutToUpstream();
  void Flush();
  void CheckClosed();

  Outgoing& outgoing_;
  Stream* stream_;
  UpstreamConnection& connection_;
  ForwardOwner& owner_;
  const UpstreamOptions& options_;
  ForwardReport& report_;
  Direction to_client_;
  Direction to_upstream_;
  int code_ = 0;         // We are closing with this.
  SteadyTime cut_at_;    // With code_.
  SteadyTime moved_at_;  // The last bytes, either way.
  std::optional<SteadyTime> drain_at_;
  bool client_paused_ = false;
  bool upstream_paused_ = false;
  bool client_ended_ = false;   // Its side; the upstream is told behind what is queued.
  bool upstream_told_ = false;  // Of that.
  Ending ending_ = Ending::kNone;
};

}  // namespace gatehouse::http
