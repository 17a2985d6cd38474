#include "services/auth/control_hub.h"

#include <algorithm>
#include <utility>

#include "gatehouse/auth/v1/control.pb.h"
#include "libs/log/log.h"
#include "services/auth/control_store.h"

namespace gatehouse::auth {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPollInterval{100};
constexpr milliseconds kHeartbeatInterval{250};
constexpr milliseconds kIdleInterval{1000};
constexpr int kChangesMax = 500;        // Fewer than a stream's queue holds.
constexpr int kRevocationsMax = 50000;  // About 2 MB, half of what a message may have.

v1::ControlUpdate ToProto(const ControlChange& change) {
  v1::ControlUpdate update;
  update.set_sequence(change.sequence);
  switch (change.kind) {
    case ControlChange::Kind::kEpoch:
      update.mutable_epoch()->set_subject(change.subject);
      update.mutable_epoch()->set_epoch(change.epoch);
      break;
    case ControlChange::Kind::kRevocation:
      update.mutable_revocation()->set_token_id(change.subject);
      break;
  }
  return update;
}

v1::ControlUpdate SnapshotOf(const ControlRead& read) {
  v1::ControlUpdate update;
  update.set_sequence(read.sequence);
  v1::ControlSnapshot& snapshot = *update.mutable_snapshot();
  for (const ControlChange& change : read.changes) {
    v1::ControlUpdate one = ToProto(change);
    if (one.has_epoch()) {
      *snapshot.add_epochs() = std::move(*one.mutable_epoch());
    } else {
      *snapshot.add_revocations() = std::move(*one.mutable_revocation());
    }
  }
  return update;
}

}  // namespace

ControlHub::ControlHub(pg::Database& db) : db_(db), ticker_("control", [this] { return Step(); }) {}

void ControlHub::Join(Sender sender) {
  {
    std::lock_guard lock(mutex_);
    joining_.push_back(std::move(sender));
  }
  Wake();
}

milliseconds ControlHub::Step() {
  // Changes before newcomers: a newcomer's snapshot is then never older than the
  // position from which it is told changes.
  const bool is_read = ReadChanges();
  Admit();
  std::erase_if(streams_, [](const Stream& stream) { return stream.sender.ended(); });
  if (streams_.empty()) {
    position_.reset();
    std::lock_guard lock(mutex_);
    return joining_.empty() ? kIdleInterval : kPollInterval;
  }
  if (!is_read) return kPollInterval;
  const auto since =
      std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - heartbeat_time_);
  if (since >= kHeartbeatInterval) {
    SendHeartbeats();
    return kPollInterval;
  }
  return std::clamp(kHeartbeatInterval - since, milliseconds(1), kPollInterval);
}

bool ControlHub::ReadChanges() {
  if (!position_) return true;
  const absl::StatusOr<ControlRead> read = db_.Read([&](pg::Tx& tx) -> absl::StatusOr<ControlRead> {
    return ReadControl(tx, *position_, kChangesMax);
  });
  if (!NoteRead(read.status())) return false;
  if (read->sequence < *position_) {
    log::Error("the control log went back; was the database restored?",
               {{"from", *position_}, {"to", read->sequence}});
    EndStreams();
    return false;
  }
  SendChanges(*read);
  return true;
}

bool ControlHub::NoteRead(const absl::Status& status) {
  if (!status.ok() && !is_failing_) {
    log::Error("the control log cannot be read; streams get no heartbeat",
               {{"reason", Reason(status)}});
  }
  is_failing_ = !status.ok();
  return status.ok();
}

void ControlHub::SendChanges(const ControlRead& read) {
  for (const ControlChange& change : read.changes) {
    const v1::ControlUpdate update = ToProto(change);
    for (Stream& stream : streams_) {
      if (stream.sequence < change.sequence) Send(stream, update);
    }
  }
  position_ = read.sequence;
}

void ControlHub::Admit() {
  std::vector<Sender> joining;
  {
    std::lock_guard lock(mutex_);
    joining.swap(joining_);
  }
  if (joining.empty()) return;
  const absl::StatusOr<ControlRead> read = db_.Read([](pg::Tx& tx) -> absl::StatusOr<ControlRead> {
    return ReadControlSnapshot(tx, kRevocationsMax);
  });
  if (!NoteRead(read.status())) {
    std::lock_guard lock(mutex_);
    joining_.insert(joining_.end(), joining.begin(), joining.end());
    return;
  }
  const v1::ControlUpdate snapshot = SnapshotOf(*read);
  v1::ControlUpdate flush;
  flush.set_sequence(read->sequence);
  flush.mutable_flush();
  for (Sender& sender : joining) {
    streams_.push_back({std::move(sender), read->sequence});
    Send(streams_.back(), snapshot);
    // Revocations were left out: what the gateway has cached must be asked again.
    if (read->truncated) Send(streams_.back(), flush);
  }
  if (!position_) position_ = read->sequence;
}

void ControlHub::SendHeartbeats() {
  v1::ControlUpdate heartbeat;
  for (Stream& stream : streams_) {
    heartbeat.set_sequence(std::max(*position_, stream.sequence));
    Send(stream, heartbeat);
  }
  heartbeat_time_ = std::chrono::steady_clock::now();
}

void ControlHub::Send(Stream& stream, const v1::ControlUpdate& update) {
  if (stream.sender.Send(update)) {
    stream.sequence = update.sequence();
    return;
  }
  if (stream.sender.ended()) return;
  stream.sender.Finish(Error(absl::StatusCode::kAborted, "FEED_OVERRUN",
                             "the stream was read too slowly; open a new one"));
}

void ControlHub::EndStreams() {
  for (Stream& stream : streams_) {
    stream.sender.Finish(Error(absl::StatusCode::kAborted, "FEED_RESTARTED",
                               "the log has been restored; open a new stream"));
  }
  streams_.clear();
  position_.reset();
}

}  // namespace gatehouse::auth
