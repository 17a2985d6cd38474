// The connections of one worker by id. An id is a slot and a serial number, so
// that one that has been removed is never mistaken for its successor. Internal to
// libs/http; not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "libs/http/connection.h"

namespace gatehouse::http {

class ConnectionTable {
 public:
  // Ids of connections are not below this; tokens of other things are.
  static constexpr ConnectionId kFirstId = ConnectionId{1} << 20;

  // The id that the next Insert takes.
  ConnectionId NextId() {
    if (free_.empty()) {
      free_.push_back(slots_.size());
      slots_.emplace_back();
    }
    return (serial_ << kSlotBits) | free_.back();
  }

  Connection* Insert(std::unique_ptr<Connection> connection) {
    Slot& slot = slots_[free_.back()];
    free_.pop_back();
    // 2^42 connections of one worker: a hundred thousand a second for a year.
    serial_ = (serial_ + 1) & kSerialMask;
    if (serial_ == 0) serial_ = 1;
    slot.connection = std::move(connection);
    slot.id = slot.connection->id();
    ++size_;
    return slot.connection.get();
  }

  Connection* Find(ConnectionId id) const {
    const std::size_t at = id & kSlotMask;
    if (at >= slots_.size() || slots_[at].id != id) return nullptr;
    return slots_[at].connection.get();
  }

  std::unique_ptr<Connection> Remove(ConnectionId id) {
    Slot& slot = slots_[id & kSlotMask];
    slot.id = 0;
    free_.push_back(id & kSlotMask);
    --size_;
    return std::move(slot.connection);
  }

  std::vector<ConnectionId> Ids() const {
    std::vector<ConnectionId> ids;
    for (const Slot& slot : slots_) {
      if (slot.id != 0) ids.push_back(slot.id);
    }
    return ids;
  }

  std::size_t size() const { return size_; }

 private:
  static constexpr int kSlotBits = 20;
  static constexpr std::uint64_t kSlotMask = (std::uint64_t{1} << kSlotBits) - 1;
  static constexpr std::uint64_t kSerialMask = (std::uint64_t{1} << 42) - 1;

  struct Slot {
    ConnectionId id = 0;
    std::unique_ptr<Connection> connection;
  };
  std::vector<Slot> slots_;
  std::vector<std::uint64_t> free_;
  std::uint64_t serial_ = 1;
  std::size_t size_ = 0;
};

}  // namespace gatehouse::http
