#include "services/gateway/fake_events.h"

#include <algorithm>
#include <utility>

#include "gatehouse/event/v1/event.methods.h"

namespace gatehouse::gateway {
namespace {

event::v1::WatchResponse MessageOf(const event::v1::Event& event) {
  event::v1::WatchResponse message;
  *message.mutable_event() = event;
  return message;
}

}  // namespace

void FakeEvents::Register(rpc::Service& service) {
  service.Feed(event::v1::EventService::kWatch, {.callers = {"gateway"}},
               [this](std::shared_ptr<rpc::Call>, const event::v1::WatchRequest& request,
                      Sender sender) { Open(request, std::move(sender)); });
}

void FakeEvents::Open(const event::v1::WatchRequest& request, Sender sender) {
  std::lock_guard lock(mutex_);
  requests_.push_back(request);
  const event::v1::Cursor begin = request.has_cursor() ? request.cursor() : HeadLocked();
  if (begin.incarnation() != incarnation_) {
    return sender.Finish(
        Error(absl::StatusCode::kFailedPrecondition, "FEED_INCARNATION_CHANGED", "restored"));
  }
  event::v1::WatchResponse heartbeat;
  *heartbeat.mutable_heartbeat() = begin;
  sender.Send(heartbeat);
  for (const event::v1::Event& event : events_) {
    if (event.cursor().sequence() > begin.sequence()) sender.Send(MessageOf(event));
  }
  senders_.push_back(std::move(sender));
}

void FakeEvents::Push(const std::string& type, std::int64_t tenant_id, const std::string& user_id,
                      const std::string& data_json) {
  std::lock_guard lock(mutex_);
  ++sequence_;
  event::v1::Event event;
  *event.mutable_cursor() = HeadLocked();
  event.set_tenant_id(tenant_id);
  event.set_user_id(user_id);
  event.set_type(type);
  event.set_subject("subject/" + std::to_string(sequence_));
  event.set_data_json(data_json);
  event.mutable_create_time()->set_seconds(1'800'000'000);
  events_.push_back(event);
  for (Sender& sender : senders_) sender.Send(MessageOf(event));
}

void FakeEvents::Repeat() {
  std::lock_guard lock(mutex_);
  for (const event::v1::Event& event : events_) {
    for (Sender& sender : senders_) sender.Send(MessageOf(event));
  }
}

void FakeEvents::Forget() {
  std::lock_guard lock(mutex_);
  events_.clear();
  ++sequence_;
  event::v1::WatchResponse gap;
  *gap.mutable_gap()->mutable_resumed_at() = HeadLocked();
  for (Sender& sender : senders_) sender.Send(gap);
}

void FakeEvents::Restore() {
  std::lock_guard lock(mutex_);
  events_.clear();
  ++incarnation_;
  EndLocked(Error(absl::StatusCode::kFailedPrecondition, "FEED_INCARNATION_CHANGED", "restored"));
}

void FakeEvents::End(const absl::Status& status) {
  std::lock_guard lock(mutex_);
  EndLocked(status);
}

void FakeEvents::EndLocked(const absl::Status& status) {
  for (Sender& sender : senders_) sender.Finish(status);
  senders_.clear();
}

event::v1::Cursor FakeEvents::HeadLocked() const {
  event::v1::Cursor head;
  head.set_incarnation(incarnation_);
  head.set_transaction_id(700 + static_cast<std::uint64_t>(sequence_));
  head.set_sequence(sequence_);
  return head;
}

std::vector<event::v1::WatchRequest> FakeEvents::requests() const {
  std::lock_guard lock(mutex_);
  return requests_;
}

int FakeEvents::streams() const {
  std::lock_guard lock(mutex_);
  return static_cast<int>(std::count_if(senders_.begin(), senders_.end(),
                                        [](const Sender& sender) { return !sender.ended(); }));
}

}  // namespace gatehouse::gateway
