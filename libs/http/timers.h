// Deadlines of one worker's connections. Every kind has one duration, so a list
// per kind is in order and arming costs a few pointers. Internal to libs/http;
// not thread-safe.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <optional>

#include "libs/base/clock.h"

namespace gatehouse::http {

enum class TimerKind { kIdle, kHead, kBody, kWrite, kLinger, kFirstRequest };
inline constexpr std::size_t kTimerKinds = 6;

class Timers {
 public:
  // Part of what it times out; must be disarmed before it is destroyed.
  struct Node {
    Node* previous = nullptr;
    Node* next = nullptr;
    SteadyTime deadline;
    TimerKind kind = TimerKind::kIdle;
    void* owner = nullptr;

    bool armed() const { return next != nullptr; }
  };

  Timers();
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  // Before the first Arm of that kind.
  void SetDuration(TimerKind kind, std::chrono::milliseconds duration);

  // Begins anew when the node is armed already.
  void Arm(Node* node, TimerKind kind, SteadyTime now);
  void Disarm(Node* node);

  // The earliest deadline.
  std::optional<SteadyTime> Next() const;

  // Disarms what is due and calls `expired` for it.
  void Expire(SteadyTime now, const std::function<void(Node*)>& expired);

 private:
  struct List {
    Node head;  // In a ring: its own neighbour when the list is empty.
    std::chrono::milliseconds duration{0};
  };
  std::array<List, kTimerKinds> lists_;
};

}  // namespace gatehouse::http
