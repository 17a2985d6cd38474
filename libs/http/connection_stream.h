// The stream over a connection's exchange: what Stream promises, in terms of the
// connection's bytes. Frames the reply, takes the request's body out of its framing
// and tells the owner what happens. Does no I/O of its own. Internal to libs/http.
#pragma once

#include <boost/intrusive/list.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "libs/http/stream.h"

namespace gatehouse::http {

class Connection;

// The open streams of a worker. One that ends takes itself off.
using StreamHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

class ConnectionStream final : public Stream, public StreamHook {
 public:
  ConnectionStream(Connection* connection, std::shared_ptr<StreamOwner> owner)
      : connection_(connection), owner_(std::move(owner)) {}

  void ReadBody() override;
  void PauseBody() override { reading_ = false; }
  bool body_done() const override;
  void BeginReply(ReplyHead head) override;
  bool has_begun() const override { return begun_; }
  void Write(std::string bytes) override;
  std::size_t queued() const override;
  void End() override;
  void Abort() override;
  void Upgrade(std::string lines) override;

  // For the connection. Whether the owner has asked for bytes that may still come.
  bool WantsBytes() const;
  // It has asked for a body, and the client must send it in time.
  bool AwaitsBody() const { return WantsBytes() && !upgraded_; }
  // Passes on what it can use of `input`, and says how much that was.
  std::size_t Feed(std::string_view input);
  void RefuseBody(int status);
  // Tells the owner what is due: of a drain, of room in the queue, of the client's
  // end. True when it was called.
  bool Serve();
  // What has come and gone makes the exchange pointless: the client has left.
  bool IsForsaken() const;
  void Tick(SteadyTime now);
  // The connection is closed. The last call to the owner.
  void Leave();

 private:
  template <typename Callback>
  void Call(const Callback& callback);
  std::size_t FeedLength(std::string_view input);
  std::size_t FeedChunks(std::string_view input);
  void WriteReply(std::string bytes);
  void AbortFor(const char* why);
  // Leaves the connection, which goes on without it.
  void Detach();

  Connection* connection_;  // nullptr: it has ended, and its owner hears no more.
  const std::shared_ptr<StreamOwner> owner_;
  std::uint64_t body_bytes_ = 0;  // Given to the owner, of a chunked body.
  std::uint64_t left_ = 0;        // Of a reply with a length.
  bool reading_ = false;
  bool body_refused_ = false;
  bool begun_ = false;
  bool upgraded_ = false;
  bool sends_body_ = false;
  bool chunked_ = false;
  bool until_close_ = false;
  bool counted_ = false;   // left_ is in force.
  bool overfull_ = false;  // queued() was above kHighBytes, and OnWritable is owed.
  bool told_end_ = false;  // The client's, after Upgrade.
  bool told_drain_ = false;
};

using StreamList =
    boost::intrusive::list<ConnectionStream, boost::intrusive::constant_time_size<false>>;

}  // namespace gatehouse::http
