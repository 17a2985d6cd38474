#include "libs/http/timers.h"

namespace gatehouse::http {

Timers::Timers() {
  for (List& list : lists_) list.head.previous = list.head.next = &list.head;
}

void Timers::SetDuration(TimerKind kind, std::chrono::milliseconds duration) {
  lists_[static_cast<std::size_t>(kind)].duration = duration;
}

void Timers::Arm(Node* node, TimerKind kind, SteadyTime now) {
  Disarm(node);
  List& list = lists_[static_cast<std::size_t>(kind)];
  node->kind = kind;
  node->deadline = now + list.duration;
  node->previous = list.head.previous;
  node->next = &list.head;
  node->previous->next = node;
  list.head.previous = node;
}

void Timers::Disarm(Node* node) {
  if (!node->armed()) return;
  node->previous->next = node->next;
  node->next->previous = node->previous;
  node->previous = node->next = nullptr;
}

std::optional<SteadyTime> Timers::Next() const {
  std::optional<SteadyTime> earliest;
  for (const List& list : lists_) {
    const Node* first = list.head.next;
    if (first == &list.head) continue;
    if (!earliest || first->deadline < *earliest) earliest = first->deadline;
  }
  return earliest;
}

void Timers::Expire(SteadyTime now, const std::function<void(Node*)>& expired) {
  for (List& list : lists_) {
    while (list.head.next != &list.head && list.head.next->deadline <= now) {
      Node* node = list.head.next;
      Disarm(node);
      expired(node);
    }
  }
}

}  // namespace gatehouse::http
