// What a socket or event stream that ends here has beside its protocol: whose it is,
// its place among that user's, until when it may stay, and what is logged and counted
// of it. Sends nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "services/gateway/credential_watch.h"
#include "services/gateway/request_context.h"

namespace gatehouse::gateway {

enum class SocketKind { kLive, kStatus, kEvents };

// Close codes.
inline constexpr int kCloseNormal = 1000;
inline constexpr int kCloseGoingAway = 1001;
inline constexpr int kCloseStatusUnauthorized = 4001;  // On /api/v1/ws/status.

// On the worker of the exchange.
class SocketLife {
 public:
  // `place`: see LiveSockets::TakePlace.
  SocketLife(Context context, SocketKind kind, std::shared_ptr<void> place);

  // The client has its answer: from here on there is something to count.
  void Open(SteadyTime now);
  // It has ended, with this close code and as an answer of `status`. Once.
  void Finish(int code, int status);

  // 0, or the code to close with now.
  int Check(SteadyTime now);
  static std::string_view ReasonOf(int code);
  // Whether `principal` is out of date, as of the last Check: see CredentialWatch.
  bool is_doubtful() const { return watch_.is_doubtful(); }
  // The server drains: Check says so at a moment within `spread`.
  void Drain(SteadyTime now, std::chrono::milliseconds spread);

  void CountIn();
  void CountOut(std::size_t bytes);
  void CountDropped();
  std::uint64_t dropped() const { return dropped_; }
  Time connected_since() const { return connected_since_; }
  bool is_open() const { return is_open_; }

  const RequestContext& context() const { return *context_; }
  void AppendCommonLines(const std::function<bool(std::string_view)>& has, std::string* lines) {
    context_->AppendCommonLines(has, lines);
  }
  const type::v1::Principal& principal() const { return watch_.identity()->principal; }
  Time Now() const { return context_->parts().clock.Now(); }

 private:
  const Context context_;
  const SocketKind kind_;
  const std::shared_ptr<void> place_;
  CredentialWatch watch_;
  bool is_open_ = false;
  Time connected_since_;
  SteadyTime begin_;
  SteadyTime leave_at_ = SteadyTime::max();
  std::uint64_t in_ = 0;
  std::uint64_t out_ = 0;
  std::uint64_t out_bytes_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace gatehouse::gateway
