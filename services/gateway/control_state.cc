#include "services/gateway/control_state.h"

#include <algorithm>
#include <mutex>

namespace gatehouse::gateway {

void ControlState::Apply(const auth::v1::ControlUpdate& update, SteadyTime now) {
  {
    std::unique_lock lock(mutex_);
    const bool is_first = changes() == 0;
    if (is_first && !update.has_snapshot()) return;
    bool changed = true;
    if (update.has_snapshot()) {
      // Deltas may have been missed, or the database restored: begin anew.
      epochs_.clear();
      for (const auth::v1::Epoch& epoch : update.snapshot().epochs()) {
        epochs_[epoch.subject()] = {epoch.epoch(), update.sequence()};
      }
      for (const auth::v1::TokenRevocation& revocation : update.snapshot().revocations()) {
        AddRevocation(revocation.token_id(), now);
      }
      sequence_.store(update.sequence(), std::memory_order_release);
    } else if (update.has_epoch()) {
      Mark& mark = epochs_[update.epoch().subject()];
      mark = {std::max(mark.epoch, update.epoch().epoch()), update.sequence()};
    } else if (update.has_revocation()) {
      AddRevocation(update.revocation().token_id(), now);
    } else {
      changed = false;
    }
    if (update.sequence() > sequence()) {
      sequence_.store(update.sequence(), std::memory_order_release);
    }
    // Only after the maps: who reads the new number finds the new entries.
    if (changed) changes_.fetch_add(1, std::memory_order_acq_rel);
  }
  heard_.store(now.time_since_epoch().count(), std::memory_order_release);
}

void ControlState::Revoke(const std::string& token_id, SteadyTime now) {
  std::unique_lock lock(mutex_);
  AddRevocation(token_id, now);
  if (changes() != 0) changes_.fetch_add(1, std::memory_order_acq_rel);
}

void ControlState::AddRevocation(const std::string& token_id, SteadyTime now) {
  if (revocations_.size() >= prune_at_) {
    std::erase_if(revocations_,
                  [&](const auto& entry) { return now - entry.second > kRevocationLife; });
    prune_at_ = std::max<std::size_t>(1024, revocations_.size() * 2);
  }
  revocations_[token_id] = now;
}

bool ControlState::IsFresh(SteadyTime now) const {
  if (changes() == 0) return false;
  const SteadyTime heard{SteadyTime::duration(heard_.load(std::memory_order_acquire))};
  return now - heard <= kSilenceMax;
}

// A user's epoch is compared with the one that the look-up returned. Those of a
// tenant and of all are not in the answer: what was read before the change was
// heard of is past.
bool ControlState::IsPast(const std::string& subject, const Identity& identity,
                          bool users_own) const {
  const auto found = epochs_.find(subject);
  if (found == epochs_.end()) return false;
  return users_own ? found->second.epoch > identity.epoch
                   : found->second.sequence > identity.sequence;
}

Standing ControlState::Judge(const Identity& identity) const {
  const std::uint64_t now = changes();
  if (now != 0 && identity.checked_at.load(std::memory_order_acquire) == now) {
    return Standing::kGood;
  }
  {
    std::shared_lock lock(mutex_);
    if (revocations_.contains(identity.token_id)) return Standing::kRevoked;
    const type::v1::Principal& owner = identity.principal;
    if (IsPast("user/" + owner.user_id(), identity, true) ||
        IsPast("tenant/" + std::to_string(owner.tenant_id()), identity, false) ||
        IsPast("global", identity, false)) {
      return Standing::kOutdated;
    }
  }
  identity.checked_at.store(now, std::memory_order_release);
  return Standing::kGood;
}

}  // namespace gatehouse::gateway
