#include "services/gateway/socket_life.h"

#include <array>
#include <random>
#include <utility>

#include "libs/log/log.h"
#include "libs/metrics/metrics.h"

namespace gatehouse::gateway {
namespace {

// How it ended, as a label.
enum class Ending { kNormal, kBroken, kBreach, kUnauthorized, kTryLater, kGoingAway, kOther };
constexpr std::array kEndings = {"normal",    "broken",     "breach", "unauthorized",
                                 "try_later", "going_away", "other"};

Ending EndingOf(int code) {
  switch (code) {
    case 1000:
    case 1005:
      return Ending::kNormal;
    case 1006:
      return Ending::kBroken;
    case 1002:
    case 1003:
    case 1007:
    case 1009:
      return Ending::kBreach;
    case kCloseUnauthorized:
    case kCloseStatusUnauthorized:
      return Ending::kUnauthorized;
    case kCloseTryLater:
      return Ending::kTryLater;
    case kCloseGoingAway:
      return Ending::kGoingAway;
    default:
      return Ending::kOther;
  }
}

const char* NameOf(SocketKind kind) {
  switch (kind) {
    case SocketKind::kLive:
      return "live";
    case SocketKind::kStatus:
      return "status";
    case SocketKind::kEvents:
      return "events";
  }
  return "";
}

struct SocketMetrics {
  explicit SocketMetrics(SocketKind kind)
      : open(metrics::GetGauge("gatehouse_gateway_sockets_open",
                               "WebSockets and event streams that end here and are open.",
                               {{"kind", NameOf(kind)}})),
        opened(metrics::GetCounter("gatehouse_gateway_sockets_opened_total",
                                   "WebSockets and event streams that were opened.",
                                   {{"kind", NameOf(kind)}})),
        in(Messages(kind, "in")),
        out(Messages(kind, "out")),
        dropped(metrics::GetCounter("gatehouse_gateway_socket_messages_dropped_total",
                                    "Messages that a full queue had no room for.",
                                    {{"kind", NameOf(kind)}})) {
    for (std::size_t i = 0; i < kEndings.size(); ++i) {
      closed[i] = &metrics::GetCounter("gatehouse_gateway_sockets_closed_total",
                                       "WebSockets and event streams that have ended, by how.",
                                       {{"kind", NameOf(kind)}, {"ending", kEndings[i]}});
    }
  }
  static metrics::Counter& Messages(SocketKind kind, const char* direction) {
    return metrics::GetCounter("gatehouse_gateway_socket_messages_total",
                               "Messages on sockets that end here.",
                               {{"kind", NameOf(kind)}, {"direction", direction}});
  }

  metrics::Gauge& open;
  metrics::Counter& opened;
  metrics::Counter& in;
  metrics::Counter& out;
  metrics::Counter& dropped;
  std::array<metrics::Counter*, kEndings.size()> closed;
};

SocketMetrics& MetricsOf(SocketKind kind) {
  static std::array<SocketMetrics, 3> all = {SocketMetrics(SocketKind::kLive),
                                             SocketMetrics(SocketKind::kStatus),
                                             SocketMetrics(SocketKind::kEvents)};
  return all[static_cast<std::size_t>(kind)];
}

std::chrono::milliseconds RandomUpTo(std::chrono::milliseconds most) {
  thread_local std::minstd_rand random{std::random_device()()};
  return std::chrono::milliseconds(
      std::uniform_int_distribution<std::chrono::milliseconds::rep>(0, most.count())(random));
}

}  // namespace

SocketLife::SocketLife(Context context, SocketKind kind, std::shared_ptr<void> place)
    : context_(std::move(context)), kind_(kind), place_(std::move(place)), watch_(*context_) {}

void SocketLife::Open(SteadyTime now) {
  is_open_ = true;
  begin_ = now;
  connected_since_ = Now();
  MetricsOf(kind_).open.Add(1);
  MetricsOf(kind_).opened.Increment();
  const log::Scope scope({context_->request_id(), ""});
  log::Info("socket opened", {{"kind", NameOf(kind_)},
                              {"user_id", principal().user_id()},
                              {"client", std::string(context_->client_address())}});
}

void SocketLife::Finish(int code, int status) {
  if (!std::exchange(is_open_, false)) return;
  SocketMetrics& metrics = MetricsOf(kind_);
  metrics.open.Add(-1);
  metrics.closed[static_cast<std::size_t>(EndingOf(code))]->Increment();
  const auto open_for = std::chrono::steady_clock::now() - begin_;
  {
    const log::Scope scope({context_->request_id(), ""});
    log::Info(
        "socket closed",
        {{"kind", NameOf(kind_)},
         {"user_id", principal().user_id()},
         {"code", code},
         {"duration_ms", std::chrono::duration_cast<std::chrono::milliseconds>(open_for).count()},
         {"messages_in", in_},
         {"messages_out", out_},
         {"dropped", dropped_}});
  }
  context_->FinishStream(status, out_bytes_);
}

int SocketLife::Check(SteadyTime now) {
  if (now >= leave_at_) return kCloseGoingAway;
  const int code = watch_.Check(now);
  if (code == kCloseUnauthorized && kind_ == SocketKind::kStatus) return kCloseStatusUnauthorized;
  return code;
}

std::string_view SocketLife::ReasonOf(int code) {
  if (code == kCloseGoingAway) return "the server is going away, come back";
  return CredentialWatch::ReasonOf(code);
}

void SocketLife::Drain(SteadyTime now, std::chrono::milliseconds spread) {
  if (leave_at_ == SteadyTime::max()) leave_at_ = now + RandomUpTo(spread);
}

void SocketLife::CountIn() {
  ++in_;
  MetricsOf(kind_).in.Increment();
}

void SocketLife::CountOut(std::size_t bytes) {
  ++out_;
  out_bytes_ += bytes;
  MetricsOf(kind_).out.Increment();
}

void SocketLife::CountDropped() {
  ++dropped_;
  MetricsOf(kind_).dropped.Increment();
}

}  // namespace gatehouse::gateway
