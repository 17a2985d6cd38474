#include "services/auth/control_hub.h"

#include <algorithm>
#include <utility>

#include "gatehouse/auth/v1/control.pb.h"
#include "libs/log/log.h"
#include "services/auth/control_store.h"
#include "services/auth/key_ring.h"

namespace gatehouse::auth {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPollInterval{100};
constexpr milliseconds kHeartbeatInterval{250};
constexpr milliseconds kIdleInterval{1000};
constexpr int kChangesMax = 500;        // Fewer than a stream's queue holds.
constexpr int kRevocationsMax = 50000;  // About 2 MB, half of what a message may have.

// Of kKeys the keys themselves are missing: the log holds none.
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
    case ControlChange::Kind::kChange:
      update.mutable_subject_change()->set_subject(change.subject);
      break;
    case ControlChange::Kind::kKeys:
      update.mutable_keys();
      break;
    case ControlChange::Kind::kFlush:
      update.mutable_flush()->set_user_id(change.subject);
      break;
  }
  return update;
}

v1::ControlUpdate SnapshotOf(const ControlRead& read, const std::string& jwks_json) {
  v1::ControlUpdate update;
  update.set_sequence(read.sequence);
  v1::ControlSnapshot& snapshot = *update.mutable_snapshot();
  for (const ControlChange& change : read.changes) {
    v1::ControlUpdate one = ToProto(change);
    if (one.has_epoch()) {
      *snapshot.add_epochs() = std::move(*one.mutable_epoch());
    } else if (one.has_revocation()) {
      *snapshot.add_revocations() = std::move(*one.mutable_revocation());
    } else if (one.has_flush()) {
      snapshot.set_flush_sequence(change.sequence);
    }
  }
  snapshot.mutable_keys()->set_jwks_json(jwks_json);
  return update;
}

// The sequence of the last change of the keys, or 0.
std::int64_t LastKeysChange(const std::vector<ControlChange>& changes) {
  std::int64_t sequence = 0;
  for (const ControlChange& change : changes) {
    if (change.kind == ControlChange::Kind::kKeys) sequence = change.sequence;
  }
  return sequence;
}

}  // namespace

// The log and, when they were asked for, the keys, read after it: keys are published
// ahead of their use, so newer ones than the log tells of do no harm.
struct ControlHub::Reading {
  ControlRead log;
  std::optional<std::string> jwks_json = std::nullopt;
};

ControlHub::ControlHub(pg::Database& db, milliseconds keys_interval)
    : db_(db), keys_interval_(keys_interval), ticker_("control", [this] { return Step(); }) {}

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
  const bool is_due = std::chrono::steady_clock::now() - keys_time_ >= keys_interval_;
  const absl::StatusOr<Reading> reading = db_.Read([&](pg::Tx& tx) -> absl::StatusOr<Reading> {
    Reading reading{.log = ReadControl(tx, *position_, kChangesMax)};
    if (is_due || LastKeysChange(reading.log.changes) != 0) {
      reading.jwks_json = PublishedKeys(tx).ToJson();
    }
    return reading;
  });
  if (!NoteRead(reading.status())) return false;
  if (reading->log.sequence < *position_) {
    log::Error("the control log went back; was the database restored?",
               {{"from", *position_}, {"to", reading->log.sequence}});
    EndStreams();
    return false;
  }
  SendChanges(*reading);
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

void ControlHub::SendChanges(const Reading& reading) {
  const std::int64_t keys_sequence = LastKeysChange(reading.log.changes);
  for (const ControlChange& change : reading.log.changes) {
    v1::ControlUpdate update = ToProto(change);
    if (update.has_keys()) {
      // Of several changes the last one tells of all.
      if (change.sequence != keys_sequence) continue;
      update.mutable_keys()->set_jwks_json(*reading.jwks_json);
    }
    for (Stream& stream : streams_) {
      if (stream.sequence < change.sequence) Send(stream, update);
    }
  }
  position_ = reading.log.sequence;
  if (!reading.jwks_json) return;
  // Without a change in the log: a key has retired.
  if (keys_sequence == 0 && *reading.jwks_json != jwks_json_) SendKeys(*reading.jwks_json);
  jwks_json_ = *reading.jwks_json;
  keys_time_ = std::chrono::steady_clock::now();
}

void ControlHub::SendKeys(const std::string& jwks_json) {
  v1::ControlUpdate update;
  update.mutable_keys()->set_jwks_json(jwks_json);
  for (Stream& stream : streams_) {
    update.set_sequence(std::max(*position_, stream.sequence));
    Send(stream, update);
  }
}

void ControlHub::Admit() {
  std::vector<Sender> joining;
  {
    std::lock_guard lock(mutex_);
    joining.swap(joining_);
  }
  if (joining.empty()) return;
  const absl::StatusOr<Reading> reading = db_.Read([](pg::Tx& tx) -> absl::StatusOr<Reading> {
    Reading reading{.log = ReadControlSnapshot(tx, kRevocationsMax)};
    reading.jwks_json = PublishedKeys(tx).ToJson();
    return reading;
  });
  if (!NoteRead(reading.status())) {
    std::lock_guard lock(mutex_);
    joining_.insert(joining_.end(), joining.begin(), joining.end());
    return;
  }
  const std::int64_t sequence = reading->log.sequence;
  const v1::ControlUpdate snapshot = SnapshotOf(reading->log, *reading->jwks_json);
  v1::ControlUpdate flush;
  flush.set_sequence(sequence);
  flush.mutable_flush();
  for (Sender& sender : joining) {
    streams_.push_back({std::move(sender), sequence});
    Send(streams_.back(), snapshot);
    // Revocations were left out: what the gateway has cached must be asked again.
    if (reading->log.truncated) Send(streams_.back(), flush);
  }
  if (position_) return;
  position_ = sequence;
  jwks_json_ = *reading->jwks_json;
  keys_time_ = std::chrono::steady_clock::now();
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
