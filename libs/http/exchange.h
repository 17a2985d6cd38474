// A request on its way through a handler. Knows its connection and its own number
// on it, never a descriptor, so that a reply finds its own client or nobody.
// Internal to libs/http.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "libs/http/mailbox.h"
#include "libs/http/message.h"
#include "libs/http/outgoing.h"
#include "libs/http/server.h"

namespace gatehouse::http {

// Of one connection of one worker; never used again.
using ConnectionId = std::uint64_t;

// Where replies go. Called on the worker's thread only.
class ReplyDesk {
 public:
  virtual ~ReplyDesk() = default;
  virtual bool IsOpen(ConnectionId connection) const = 0;
  virtual void TakeReply(ConnectionId connection, std::uint32_t number, Response response) = 0;
  // The handler let go of the request without a reply.
  virtual void TakeAbandoned(ConnectionId connection, std::uint32_t number,
                             const Request& request) = 0;
  virtual void SetGone(ConnectionId connection, std::uint32_t number,
                       std::function<void()> gone) = 0;
  virtual Stream* OpenStream(ConnectionId connection, std::uint32_t number,
                             std::shared_ptr<StreamOwner> owner) = 0;
  virtual Outgoing& outgoing() = 0;
  virtual int index() const = 0;  // Of the worker.
};

class PendingExchange final : public Exchange {
 public:
  // `desk` lives until `mailbox` is closed.
  PendingExchange(std::shared_ptr<Mailbox> mailbox, ReplyDesk* desk, ConnectionId connection)
      : mailbox_(std::move(mailbox)),
        desk_(desk),
        connection_(connection),
        worker_(desk->index()) {}
  ~PendingExchange() override;
  PendingExchange(const PendingExchange&) = delete;
  PendingExchange& operator=(const PendingExchange&) = delete;

  // While it is being read; before Open there is nothing to reply to.
  Request* mutable_request() { return &request_; }
  void Open(std::uint32_t number);

  const Request& request() const override { return request_; }
  void Reply(Response response) override;
  void OnGone(std::function<void()> gone) override;
  void Post(std::function<void()> work) override;
  Stream* OpenStream(std::shared_ptr<StreamOwner> owner) override;
  int worker() const override { return worker_; }

  // Of its worker; on it, and while it works.
  Outgoing& outgoing() { return desk_->outgoing(); }

 private:
  const std::shared_ptr<Mailbox> mailbox_;
  ReplyDesk* const desk_;
  const ConnectionId connection_;
  const int worker_;
  std::uint32_t number_ = 0;
  std::atomic<bool> answered_ = true;
  Request request_;
};

// Sets the target and the views into it.
void SetTarget(std::string target, Request* request);

}  // namespace gatehouse::http
