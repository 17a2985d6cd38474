// One socket to an upstream on behalf of one request: taken from the pool or newly
// connected, written to, read from, given back or closed. Knows nothing of HTTP.
// Internal to libs/http; not thread-safe.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "libs/http/channel.h"
#include "libs/http/outgoing.h"
#include "libs/http/upstream_group.h"
#include "libs/http/upstream_pool.h"

namespace gatehouse::http {

class UpstreamConnection {
 public:
  using Io = Channel::Io;

  explicit UpstreamConnection(Outgoing& outgoing) : outgoing_(outgoing) {}
  ~UpstreamConnection() { Close(); }
  UpstreamConnection(const UpstreamConnection&) = delete;
  UpstreamConnection& operator=(const UpstreamConnection&) = delete;

  // Takes an idle one. False: there is none.
  bool Reuse(const Endpoint& endpoint, SocketSink* sink);
  // Begins to connect. kLacking: this process or machine has nothing left to do it with,
  // which says nothing about the upstream.
  enum class Begun { kDone, kRefused, kLacking };
  Begun Connect(const Endpoint& endpoint, SocketSink* sink);
  // After an event: kDone when connected, kBlocked while not.
  Io FinishConnect();

  bool is_open() const { return id_ != 0; }
  bool is_reused() const { return is_reused_; }
  void OnReady(bool readable, bool writable, bool ended);
  // A reused one of which an event tells that was collected before it was taken: what
  // has come was not meant for this request.
  bool IsStale(bool readable, bool ended) const;

  // Sends what it can and queues the rest; sends what is queued. False: it is broken,
  // though there may still be something to be read.
  bool Send(std::string_view bytes);
  bool Flush();
  std::size_t queued() const { return channel_ ? channel_->output_size() : 0; }
  // Ends our side after what has been sent.
  void ShutDown();

  // May be true although there is nothing.
  bool readable() const { return channel_ && channel_->readable(); }
  Io Receive(char* buffer, std::size_t size, std::size_t* received);

  // To the pool if it can be used again, else closed. The response has ended.
  void Keep(const std::shared_ptr<Endpoint>& endpoint, const UpstreamOptions& options);
  void Close();

 private:
  bool IsQuiet();

  Outgoing& outgoing_;
  SocketId id_ = 0;
  bool is_reused_ = false;
  SteadyTime taken_at_;
  std::optional<Channel> channel_;
};

}  // namespace gatehouse::http
