// Messages of auth's control stream for tests. Not for use outside the gateway's
// tests.
#pragma once

#include <cstdint>
#include <string>

#include "gatehouse/auth/v1/control.pb.h"

namespace gatehouse::gateway {

inline auth::v1::ControlUpdate Heartbeat(std::int64_t sequence) {
  auth::v1::ControlUpdate update;
  update.set_sequence(sequence);
  return update;
}

inline auth::v1::ControlUpdate Snapshot(std::int64_t sequence, const std::string& jwks = "") {
  auth::v1::ControlUpdate update = Heartbeat(sequence);
  update.mutable_snapshot()->mutable_keys()->set_jwks_json(jwks);
  return update;
}

inline auth::v1::ControlUpdate Revocation(std::int64_t sequence, const std::string& token_id) {
  auth::v1::ControlUpdate update = Heartbeat(sequence);
  update.mutable_revocation()->set_token_id(token_id);
  return update;
}

inline auth::v1::ControlUpdate EpochOf(std::int64_t sequence, const std::string& subject,
                                       std::int64_t epoch) {
  auth::v1::ControlUpdate update = Heartbeat(sequence);
  update.mutable_epoch()->set_subject(subject);
  update.mutable_epoch()->set_epoch(epoch);
  return update;
}

inline auth::v1::ControlUpdate ChangeOf(std::int64_t sequence, const std::string& subject) {
  auth::v1::ControlUpdate update = Heartbeat(sequence);
  update.mutable_subject_change()->set_subject(subject);
  return update;
}

inline auth::v1::ControlUpdate Keys(std::int64_t sequence, const std::string& jwks) {
  auth::v1::ControlUpdate update = Heartbeat(sequence);
  update.mutable_keys()->set_jwks_json(jwks);
  return update;
}

}  // namespace gatehouse::gateway
