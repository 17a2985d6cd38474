#include "services/gateway/control_state.h"

#include <algorithm>
#include <mutex>

#include "libs/log/log.h"

namespace gatehouse::gateway {
namespace {

constexpr char kEverybody[] = "global";

std::string UserSubject(const std::string& id) { return "user/" + id; }
std::string TenantSubject(std::int64_t id) { return "tenant/" + std::to_string(id); }

}  // namespace

void ControlState::Apply(const auth::v1::ControlUpdate& update, SteadyTime now) {
  {
    std::unique_lock lock(mutex_);
    const bool is_first = changes() == 0;
    if (is_first && !update.has_snapshot()) return;
    bool changed = true;
    if (update.has_snapshot()) {
      Begin(update, now);
    } else if (update.has_epoch()) {
      AddMark(update.epoch().subject(), {update.epoch().epoch(), update.sequence(), now});
    } else if (update.has_subject_change()) {
      AddMark(update.subject_change().subject(), {0, update.sequence(), now});
    } else if (update.has_revocation()) {
      AddRevocation(update.revocation().token_id(), now);
    } else if (update.has_keys()) {
      changed = SetKeys(update.keys());
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

// Deltas may have been missed, or the database restored: nothing that was known
// counts any more but revocations, which no snapshot takes back.
void ControlState::Begin(const auth::v1::ControlUpdate& update, SteadyTime now) {
  marks_ = {};
  base_ = update.sequence();
  for (const auth::v1::Epoch& epoch : update.snapshot().epochs()) {
    AddMark(epoch.subject(), {epoch.epoch(), update.sequence(), now});
  }
  for (const auth::v1::TokenRevocation& revocation : update.snapshot().revocations()) {
    AddRevocation(revocation.token_id(), now);
  }
  SetKeys(update.snapshot().keys());
  sequence_.store(update.sequence(), std::memory_order_release);
}

void ControlState::Revoke(const std::string& token_id, SteadyTime now) {
  std::unique_lock lock(mutex_);
  AddRevocation(token_id, now);
  if (changes() != 0) changes_.fetch_add(1, std::memory_order_acq_rel);
}

void ControlState::RaiseEpoch(const std::string& subject, std::int64_t epoch, SteadyTime now) {
  std::unique_lock lock(mutex_);
  AddMark(subject, {epoch, epoch, now});
  if (changes() != 0) changes_.fetch_add(1, std::memory_order_acq_rel);
}

void ControlState::AddMark(const std::string& subject, const Mark& mark) {
  if (marks_.entries.size() >= marks_.prune_at) {
    std::erase_if(marks_.entries,
                  [&](const auto& entry) { return mark.heard - entry.second.heard > kLife; });
    marks_.prune_at = std::max(kPruneAtMin, marks_.entries.size() * 2);
  }
  Mark& known = marks_.entries[subject];
  known = {std::max(known.epoch, mark.epoch), mark.sequence, mark.heard};
}

void ControlState::AddRevocation(const std::string& token_id, SteadyTime now) {
  auto& [entries, prune_at] = revocations_;
  if (entries.size() >= prune_at) {
    std::erase_if(entries, [&](const auto& entry) { return now - entry.second > kLife; });
    prune_at = std::max(kPruneAtMin, entries.size() * 2);
  }
  entries[token_id] = now;
}

// Whether they are others than before. A set that cannot be read changes nothing:
// tokens by keys that it may have named are refused, which is safe.
bool ControlState::SetKeys(const auth::v1::KeySet& keys) {
  if (keys.jwks_json().empty() || keys.jwks_json() == keys_->jwks_json) return false;
  absl::StatusOr<token::KeySet> set = token::KeySet::FromJson(keys.jwks_json());
  if (!set.ok()) {
    log::Error("the keys of access tokens cannot be read",
               {{"cause", std::string(set.status().message())}});
    return false;
  }
  keys_ = std::make_shared<const PublicKeys>(
      PublicKeys{*std::move(set), keys.jwks_json(), keys_->version + 1});
  return true;
}

std::shared_ptr<const PublicKeys> ControlState::keys() const {
  std::shared_lock lock(mutex_);
  return keys_;
}

bool ControlState::IsFresh(SteadyTime now) const {
  if (changes() == 0) return false;
  const SteadyTime heard{SteadyTime::duration(heard_.load(std::memory_order_acquire))};
  return now - heard <= kSilenceMax;
}

std::int64_t ControlState::FindEpoch(const std::string& subject) const {
  const auto found = marks_.entries.find(subject);
  return found == marks_.entries.end() ? 0 : found->second.epoch;
}

std::int64_t ControlState::EpochOf(const std::string& subject) const {
  std::shared_lock lock(mutex_);
  return FindEpoch(subject);
}

bool ControlState::IsDead(const token::Claims& claims) const {
  std::shared_lock lock(mutex_);
  return revocations_.entries.contains(claims.session_id) ||
         claims.epoch < FindEpoch(UserSubject(claims.subject)) ||
         claims.epoch < FindEpoch(TenantSubject(claims.tenant_id)) ||
         claims.epoch < FindEpoch(kEverybody);
}

bool ControlState::HasChanged(const std::string& subject, std::int64_t since) const {
  const auto found = marks_.entries.find(subject);
  return found != marks_.entries.end() && found->second.sequence > since;
}

Standing ControlState::Judge(const Identity& identity) const {
  const std::uint64_t now = changes();
  if (now != 0 && identity.checked_at.load(std::memory_order_acquire) == now) {
    return Standing::kGood;
  }
  {
    std::shared_lock lock(mutex_);
    if (revocations_.entries.contains(identity.token_id)) return Standing::kRevoked;
    const type::v1::Principal& owner = identity.principal;
    // What changed between the read and the snapshot is not in the snapshot.
    if (identity.sequence < base_ || HasChanged(UserSubject(owner.user_id()), identity.sequence) ||
        HasChanged(TenantSubject(owner.tenant_id()), identity.sequence) ||
        HasChanged("role/" + owner.role(), identity.sequence) ||
        HasChanged(kEverybody, identity.sequence)) {
      return Standing::kOutdated;
    }
    // A signed token is only as good as its key, which may have been withdrawn.
    if (identity.keys_version != 0 && identity.keys_version != keys_->version) {
      return Standing::kOutdated;
    }
  }
  identity.checked_at.store(now, std::memory_order_release);
  return Standing::kGood;
}

}  // namespace gatehouse::gateway
