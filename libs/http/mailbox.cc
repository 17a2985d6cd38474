#include "libs/http/mailbox.h"

#include <sys/eventfd.h>

#include <exception>
#include <string>

#include "libs/log/log.h"

namespace gatehouse::http {

Mailbox::Mailbox() : event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

void Mailbox::Post(Work work) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return;
    posted_.push_back(std::move(work));
    if (posted_.size() > 1) return;  // Whoever posted the first has woken it.
  }
  Wake();
}

void Mailbox::Wake() { ::eventfd_write(event_.get(), 1); }

bool Mailbox::OnOwnThread() const { return !closed_ && std::this_thread::get_id() == owner_; }

void Mailbox::BindToThread() { owner_ = std::this_thread::get_id(); }

void Mailbox::Run() {
  eventfd_t count;
  ::eventfd_read(event_.get(), &count);
  std::vector<Work> work;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    work.swap(posted_);
  }
  for (Work& item : work) {
    // Work comes from handlers; what it throws must not end the process.
    try {
      item();
    } catch (const std::exception& error) {
      log::Error("work on an HTTP worker threw", {{"error", error.what()}});
    }
    item = nullptr;
  }
}

void Mailbox::Close() {
  std::vector<Work> dropped;  // Destroyed outside the lock: it may hold exchanges.
  std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  dropped.swap(posted_);
}

}  // namespace gatehouse::http
