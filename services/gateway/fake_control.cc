#include "services/gateway/fake_control.h"

namespace gatehouse::gateway {

FakeControl::FakeControl() {
  heart_ = std::make_unique<exec::Ticker>("heart", [this] {
    std::lock_guard lock(mutex_);
    auth::v1::ControlUpdate beat;
    beat.set_sequence(sequence_);
    if (!muted_) {
      for (auto& sender : senders_) sender.Send(beat);
    }
    return std::chrono::milliseconds(50);
  });
  flush_caches.DoWithCall([this](rpc::Call& call, const auth::v1::FlushCachesRequest&) {
    auth::v1::ControlUpdate update;
    update.mutable_flush()->set_user_id(call.principal().user_id());
    auth::v1::FlushCachesResponse response;
    response.set_sequence(Push(update));
    return response;
  });
}

void FakeControl::Register(rpc::Service& service) {
  rpc::Policy policy;
  policy.callers = {"gateway"};
  service.Feed(auth::v1::ControlService::kWatchControl, policy,
               [this](std::shared_ptr<rpc::Call>, const auth::v1::WatchControlRequest&,
                      rpc::FeedSender<auth::v1::ControlUpdate> sender) {
                 std::lock_guard lock(mutex_);
                 ++streams_opened_;
                 auth::v1::ControlUpdate snapshot;
                 snapshot.set_sequence(sequence_);
                 *snapshot.mutable_snapshot()->mutable_keys() = keys_;
                 snapshot.mutable_snapshot()->set_flush_sequence(flush_sequence_);
                 if (!muted_) sender.Send(snapshot);
                 senders_.push_back(std::move(sender));
               });
  flush_caches.Register(service, auth::v1::ControlService::kFlushCaches);
}

std::int64_t FakeControl::Push(auth::v1::ControlUpdate update) {
  std::lock_guard lock(mutex_);
  update.set_sequence(++sequence_);
  if (update.has_flush()) flush_sequence_ = sequence_;
  if (muted_) return sequence_;
  for (auto& sender : senders_) sender.Send(update);
  return sequence_;
}

void FakeControl::SetKeys(const std::string& jwks_json) {
  auth::v1::ControlUpdate update;
  update.mutable_keys()->set_jwks_json(jwks_json);
  {
    std::lock_guard lock(mutex_);
    keys_ = update.keys();
  }
  Push(update);
}

void FakeControl::Mute(bool muted) {
  std::lock_guard lock(mutex_);
  muted_ = muted;
  if (muted) return;
  for (auto& sender : senders_) sender.Finish(absl::UnavailableError("unmuted"));
  senders_.clear();
}

void FakeControl::Restore(std::int64_t sequence) {
  std::lock_guard lock(mutex_);
  sequence_ = sequence;
  flush_sequence_ = 0;
  for (auto& sender : senders_) sender.Finish(absl::UnavailableError("restored"));
  senders_.clear();
}

std::int64_t FakeControl::sequence() const {
  std::lock_guard lock(mutex_);
  return sequence_;
}

int FakeControl::streams_opened() const {
  std::lock_guard lock(mutex_);
  return streams_opened_;
}

}  // namespace gatehouse::gateway
