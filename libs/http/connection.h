// One client's connection as a state machine: head, body, request in hand, reply,
// and again. One request is in hand at a time, so that answers keep their order.
// Does no waiting and is called on its worker's thread only. Internal to
// libs/http.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "libs/http/channel.h"
#include "libs/http/chunk_decoder.h"
#include "libs/http/connection_stream.h"
#include "libs/http/exchange.h"
#include "libs/http/request_head.h"
#include "libs/http/response_writer.h"
#include "libs/http/timers.h"

namespace gatehouse::http {

class Worker;

class Connection {
 public:
  // No further request is begun while more than this waits to be sent.
  static constexpr std::size_t kOutputBytesMax = 256 * 1024;
  // What is read ahead while a request is in hand.
  static constexpr std::size_t kReadAheadBytesMax = 16 * 1024;

  // `worker` must outlive this.
  Connection(Worker* worker, ConnectionId id, int fd, std::string peer_address);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  ConnectionId id() const { return id_; }
  int fd() const { return channel_.fd(); }

  void Start();
  void OnReady(bool readable, bool writable, bool ended);
  void OnDeadline(TimerKind kind);
  // The worker has begun to drain.
  void OnDrain();
  // Goes on where it stopped: after a reply, or when it gave way to others.
  void Pump();

  void TakeReply(std::uint32_t number, Response response);
  void TakeAbandoned(std::uint32_t number, const Request& request);
  void SetGone(std::uint32_t number, std::function<void()> gone);
  // nullptr when the request is no longer in hand.
  ConnectionStream* OpenStream(std::uint32_t number, std::shared_ptr<StreamOwner> owner);

  // Answers `status` to whatever comes, and ends.
  void Refuse(int status);
  // At once, without another word. This is deleted after the batch in hand.
  void Close();

 private:
  friend class ConnectionStream;

  enum class State : std::uint8_t {
    kHead,       // A request's head is awaited or begun.
    kBody,       // Its body is being read.
    kInHand,     // The handler has it.
    kStreaming,  // It is answered by stream_.
    kClosing,    // What is queued is sent, then we shut our side.
    kLingering,  // We have shut our side and await the other's end.
    kClosed,
  };

  // Input. The readers return how many bytes from the beginning of `input` they
  // have used; 0 asks for more.
  bool WantsInput() const;
  void Receive();
  bool ConsumeInput();
  std::size_t Consume(std::string_view input);
  std::size_t ReadHead(std::string_view input);
  std::size_t ReadBody(std::string_view input);
  void RefuseHead(int status, const RequestHead& head);
  void Begin(const RequestHead& head, bool body_follows);
  void ReadBodyAs(const BodyPlan& plan, bool expects_continue);
  BodyPlan PlanBody();
  void Dispatch();

  // Output and end.
  void Send();
  void Schedule();
  // Sees to it that what has changed is acted upon in this batch.
  void Flush();
  void Answer(Response response);
  // Before the reply's head is written. The client may still be sending something.
  void EndAfterReply();
  // The whole reply is queued: the next request, or the end.
  void OnReplied();
  // True when the stream's owner was called.
  bool ServeStream();
  void RefuseRequest(int status, const Request& request);
  void FinishInput();
  void FinishOutput();
  void CallGone();

  bool IsIdle() const;
  void SetTimer();

  Worker* const worker_;
  const ConnectionId id_;
  Channel channel_;
  State state_ = State::kHead;
  bool pumping_ = false;
  bool scheduled_ = false;
  bool skipped_line_ = false;     // The one empty line that may precede a request.
  bool lingers_ = false;          // There may be input that nobody will read.
  bool received_ = false;         // Since the timer was set.
  bool sent_ = false;             // Since the timer was set.
  bool input_ended_ = false;      // The client has shut its side and all is read.
  bool unread_ = false;           // The body of the request in hand is not read to its end.
  bool awaits_continue_ = false;  // The client, before it sends that body.
  ReplyForm form_;                // Of the request in hand.
  std::uint32_t number_ = 0;      // Of the request in hand, counted from 1.
  RequestHead::Framing framing_ = RequestHead::Framing::kNone;
  std::uint64_t body_left_ = 0;  // With Framing::kLength.
  std::size_t body_bytes_max_ = 0;
  std::size_t scanned_ = 0;  // Of input_, by ScanHead.
  std::string input_;        // Received and not used.
  ChunkDecoder chunks_;
  std::shared_ptr<PendingExchange> exchange_;  // While its body is being read.
  std::unique_ptr<ConnectionStream> stream_;   // In kStreaming.
  std::function<void()> gone_;
  Timers::Node timer_;
  const std::string peer_address_;
};

}  // namespace gatehouse::http
