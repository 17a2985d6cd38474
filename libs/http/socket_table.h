// The sockets of one worker that are not clients' connections, by id: their
// descriptors and whom their events go to. As in ConnectionTable an id is a slot
// and a serial number, never given twice. Internal to libs/http; not thread-safe.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "libs/base/unique_fd.h"
#include "libs/http/outgoing.h"

namespace gatehouse::http {

class SocketTable {
 public:
  // All ids have it, no connection's does.
  static constexpr SocketId kBit = SocketId{1} << 62;

  // The id that the next Insert takes.
  SocketId NextId() {
    if (free_.empty()) {
      free_.push_back(slots_.size());
      slots_.emplace_back();
    }
    return kBit | (serial_ << kSlotBits) | free_.back();
  }

  void Insert(UniqueFd fd, SocketSink* sink) {
    const SocketId id = NextId();
    slots_[free_.back()] = {id, std::move(fd), sink};
    free_.pop_back();
    serial_ = (serial_ + 1) & kSerialMask;  // After 2^42 sockets of one worker.
    ++size_;
  }

  // nullptr for one that is closed.
  SocketSink* Find(SocketId id) const { return Holds(id) ? slots_[id & kSlotMask].sink : nullptr; }

  void SetSink(SocketId id, SocketSink* sink) {
    if (Holds(id)) slots_[id & kSlotMask].sink = sink;
  }

  void Close(SocketId id) {
    if (!Holds(id)) return;
    slots_[id & kSlotMask] = Slot();
    free_.push_back(id & kSlotMask);
    --size_;
  }

  void CloseAll() {
    for (std::size_t at = 0; at < slots_.size(); ++at) Close(slots_[at].id);
  }

  std::size_t size() const { return size_; }

 private:
  bool Holds(SocketId id) const {
    const std::size_t at = id & kSlotMask;
    return id != 0 && at < slots_.size() && slots_[at].id == id;
  }

  static constexpr int kSlotBits = 20;
  static constexpr std::uint64_t kSlotMask = (std::uint64_t{1} << kSlotBits) - 1;
  static constexpr std::uint64_t kSerialMask = (std::uint64_t{1} << 42) - 1;

  struct Slot {
    SocketId id = 0;
    UniqueFd fd;
    SocketSink* sink = nullptr;
  };
  std::vector<Slot> slots_;
  std::vector<std::uint64_t> free_;
  std::uint64_t serial_ = 0;
  std::size_t size_ = 0;
};

}  // namespace gatehouse::http
