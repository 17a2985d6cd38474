#include "libs/http/tunnel.h"

#include <string>
#include <utility>

#include "libs/http/worker.h"

namespace gatehouse::http {
namespace {

constexpr int kGoingAway = 1001;
// How often one tunnel reads before others have their turn.
constexpr int kTurnsMax = 8;

}  // namespace

std::chrono::milliseconds DrainJitter(const void* of, SteadyTime now,
                                      std::chrono::milliseconds spread) {
  if (spread.count() <= 0) return std::chrono::milliseconds(0);
  std::uint64_t bits = reinterpret_cast<std::uintptr_t>(of) ^
                       static_cast<std::uint64_t>(now.time_since_epoch().count());
  bits *= 0x9e3779b97f4a7c15u;  // Fibonacci hashing: the high bits are mixed.
  return std::chrono::milliseconds((bits >> 32) % static_cast<std::uint64_t>(spread.count()));
}

Tunnel::Tunnel(Outgoing& outgoing, Stream* stream, UpstreamConnection& connection,
               ForwardOwner& owner, const UpstreamOptions& options, ForwardReport& report)
    : outgoing_(outgoing),
      stream_(stream),
      connection_(connection),
      owner_(owner),
      options_(options),
      report_(report),
      moved_at_(outgoing.now()) {}

void Tunnel::Start(std::string_view early) {
  if (!early.empty()) OnUpstreamBytes(early);
  if (stream_ != nullptr) stream_->ReadBody();
}

bool Tunnel::Pump() {
  Flush();
  for (int turn = 0; ending_ == Ending::kNone && stream_ != nullptr; ++turn) {
    if (upstream_paused_ || !connection_.readable()) return false;
    if (turn == kTurnsMax) return true;
    Receive();
  }
  return false;
}

void Tunnel::Receive() {
  std::size_t count = 0;
  switch (connection_.Receive(outgoing_.scratch(), Worker::kScratchBytes, &count)) {
    case Channel::Io::kBlocked:
      return;
    case Channel::Io::kEnd:
    case Channel::Io::kFailed:
      return OnUpstreamEnd();
    case Channel::Io::kDone:
      return OnUpstreamBytes({outgoing_.scratch(), count});
  }
}

void Tunnel::OnUpstreamBytes(std::string_view bytes) {
  moved_at_ = outgoing_.now();
  Direction& way = to_client_;
  if (way.is_cut) return;
  if (code_ == 0) {
    way.frames.Feed(bytes);
    return WriteToClient(bytes);
  }
  const std::size_t rest_of_frame = way.frames.FeedToBoundary(bytes);
  WriteToClient(bytes.substr(0, rest_of_frame));
  if (way.frames.at_boundary()) CutToClient();
}

// An upstream that ends without a close frame is passed on as just that.
void Tunnel::OnUpstreamEnd() {
  connection_.Close();
  if (code_ == 0 || !to_client_.is_cut) {
    ending_ = Ending::kEnd;
    return;
  }
  to_upstream_.is_cut = true;
  CheckClosed();
}

void Tunnel::WriteToClient(std::string_view bytes) {
  if (stream_ == nullptr || bytes.empty()) return;
  report_.response_bytes += bytes.size();
  stream_->Write(std::string(bytes));
  if (stream_ != nullptr && stream_->queued() > Stream::kHighBytes) upstream_paused_ = true;
}

bool Tunnel::OnClientWritable() { return std::exchange(upstream_paused_, false); }

void Tunnel::OnClientBytes(std::string_view bytes, bool is_last) {
  moved_at_ = outgoing_.now();
  Direction& way = to_upstream_;
  if (way.is_cut || code_ == 0) {
    way.frames.Feed(bytes);
    if (!way.is_cut) SendToUpstream(bytes);
  } else {
    const std::size_t rest_of_frame = way.frames.FeedToBoundary(bytes);
    SendToUpstream(bytes.substr(0, rest_of_frame));
    if (way.frames.at_boundary()) CutToUpstream();
    way.frames.Feed(bytes.substr(rest_of_frame));
  }
  if (is_last) {
    client_ended_ = true;
    Flush();
  }
  CheckClosed();
}

void Tunnel::SendToUpstream(std::string_view bytes) {
  if (bytes.empty() || !connection_.is_open()) return;
  report_.request_bytes += bytes.size();
  // A broken connection tells of itself when it is read, behind what it still holds.
  static_cast<void>(connection_.Send(bytes));
  if (stream_ == nullptr || client_paused_ || connection_.queued() <= Stream::kHighBytes) return;
  client_paused_ = true;
  stream_->PauseBody();
}

void Tunnel::Flush() {
  if (!connection_.is_open()) return;
  if (connection_.queued() > 0) static_cast<void>(connection_.Flush());
  if (client_paused_ && connection_.queued() < Stream::kLowBytes && stream_ != nullptr) {
    client_paused_ = false;
    stream_->ReadBody();
  }
  if (client_ended_ && connection_.queued() == 0 && !std::exchange(upstream_told_, true)) {
    connection_.ShutDown();
  }
}

void Tunnel::OnTick(SteadyTime now) {
  if (code_ != 0) {
    if (now >= cut_at_) ending_ = to_client_.is_cut ? Ending::kEnd : Ending::kAbort;
    return;
  }
  const int code = owner_.CheckOpen(now);
  if (code != 0) return BeginClose(code, now);
  const bool is_idle = now - moved_at_ >= options_.tunnel_idle_timeout;
  if (is_idle || (drain_at_ && now >= *drain_at_)) BeginClose(kGoingAway, now);
}

void Tunnel::OnDrain(std::chrono::milliseconds spread) {
  drain_at_ = outgoing_.now() + DrainJitter(this, outgoing_.now(), spread);
}

void Tunnel::BeginClose(int code, SteadyTime now) {
  code_ = code;
  cut_at_ = now + kCloseTime;
  if (to_client_.frames.at_boundary()) CutToClient();
  if (to_upstream_.frames.at_boundary()) CutToUpstream();
  CheckClosed();
}

void Tunnel::CutToClient() {
  if (to_client_.is_cut) return;
  to_client_.is_cut = true;
  upstream_paused_ = false;  // It is read on, so that its end is noticed.
  // Behind a close frame nothing may come.
  if (!to_client_.frames.saw_close()) WriteToClient(CloseFrame(code_, false));
}

void Tunnel::CutToUpstream() {
  if (to_upstream_.is_cut) return;
  to_upstream_.is_cut = true;
  if (!to_upstream_.frames.saw_close()) SendToUpstream(CloseFrame(code_, true));
}

// Both have had their close frame, and the client has answered or left.
void Tunnel::CheckClosed() {
  if (code_ == 0 || !to_client_.is_cut || !to_upstream_.is_cut) return;
  if (to_upstream_.frames.saw_close() || client_ended_) ending_ = Ending::kEnd;
}

}  // namespace gatehouse::http
