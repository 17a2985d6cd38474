// One exchange on its way to an upstream and back, as a state machine between a
// client's stream and an upstream's connection: choosing and connecting, the
// request, the response, and what can go wrong with each. Lives on one worker.
// Internal to libs/http; for its use see forward.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/http/forward.h"
#include "libs/http/outgoing.h"
#include "libs/http/response_body.h"
#include "libs/http/response_head.h"
#include "libs/http/stream.h"
#include "libs/http/tunnel.h"
#include "libs/http/upstream_connection.h"

namespace gatehouse::http {

class Forwarding final : public StreamOwner,
                         public SocketSink,
                         public std::enable_shared_from_this<Forwarding> {
 public:
  Forwarding(Outgoing& outgoing, ForwardRequest request, std::shared_ptr<ForwardOwner> owner);
  ~Forwarding() override;

  // `stream`: of the exchange, opened with this as its owner.
  void Start(const std::shared_ptr<Exchange>& exchange, Stream* stream);

  void OnBody(std::string_view bytes, bool is_last) override;
  void OnBodyRefused(int status) override;
  void OnWritable() override;
  void OnTick(SteadyTime now) override;
  void OnDrain(std::chrono::milliseconds spread) override;
  void OnClosed() override;

  void OnReady(bool readable, bool writable, bool ended) override;

 private:
  enum class State : std::uint8_t {
    kWaiting,     // For its turn, or to try an address again.
    kConnecting,  // To endpoint_.
    kRequest,     // It is being sent, or its response's head is awaited.
    kResponse,    // Its body is being passed on.
    kTunnel,
    kDone,
  };
  enum class BodyForm : std::uint8_t { kNone, kWhole, kLength, kChunked };

  // Attempts: forwarding.cc.
  void PlanBody(const std::shared_ptr<Exchange>& exchange);
  void CompleteHead(const Request& request);
  void TryNext();
  void Connect();
  void OnUnreachable();
  void OnBroken();
  void CheckDeadlines(SteadyTime now);
  void CheckRequestDeadlines(SteadyTime now);
  void CheckEventStream(SteadyTime now);
  void ReportSuccess();
  void ReportFailure();
  void ReportNothing();
  void Fail(ForwardError error, std::chrono::milliseconds retry_after = {});
  void Refuse(int status);
  void Answer(Response response);
  void Finish();

  // The request: forwarding_request.cc.
  void SendRequest();
  bool IsSending() const;
  void SendHead();
  void DeferHead(int times);
  void SendBody(std::string_view bytes, bool is_last);
  void SendChunk(std::string_view bytes, bool is_last);
  void SendBytes(std::string_view bytes);
  void OnSendFailed();
  void StopRequest();
  void FlushRequest();

  // The response: forwarding_response.cc.
  void Pump();
  void DeferPump();
  void Receive();
  void OnBytes(std::string_view bytes);
  // How much of `bytes` it has used; less than all: it asks for more.
  std::size_t ReadHead(std::string_view bytes);
  void OnHead(const ResponseHead& head, std::string_view rest);
  void OnBadResponse();
  void BecomeTunnel(const ResponseHead& head, std::string_view rest);
  void ReadBody(std::string_view bytes);
  void OnUpstreamEnd();
  void Complete(bool is_clean);
  void Truncate();
  void CheckTunnel();

  const UpstreamOptions& options() const { return request_.group->options(); }

  Outgoing& outgoing_;
  ForwardRequest request_;
  std::shared_ptr<ForwardOwner> owner_;
  ForwardReport report_;
  Stream* stream_ = nullptr;
  std::shared_ptr<Endpoint> endpoint_;
  UpstreamConnection connection_;

  State state_ = State::kWaiting;
  BodyForm body_form_ = BodyForm::kNone;
  bool answers_head_ = false;  // The request is HEAD.
  bool is_probe_ = false;      // As Pick said.
  bool owes_report_ = false;   // To the group, of what Pick gave.
  bool retried_ = false;
  bool head_pending_ = false;     // The request's head waits for the body's first part.
  bool client_paused_ = false;    // By us, until the upstream has taken more.
  bool request_given_ = false;    // All of it is sent or queued.
  bool request_stopped_ = false;  // No more of it will be sent.
  bool received_ = false;         // Anything, in this attempt.
  bool keeps_ = false;            // The response lets the connection be used again.
  bool is_event_stream_ = false;
  bool response_paused_ = false;  // Until the client has taken more.
  int connects_ = 0;
  std::vector<std::uint64_t> tried_;  // Ids of endpoints that could not be reached.
  std::shared_ptr<Exchange> whole_;   // While its body in memory is to be sent.

  SteadyTime retry_at_;
  SteadyTime attempt_at_;
  SteadyTime begun_at_;  // The first byte of the request in this attempt.
  SteadyTime sent_at_;   // The last one.
  SteadyTime moved_at_;  // The last progress, of the request or of the response's body.
  std::optional<SteadyTime> drain_at_;

  std::uint64_t body_left_ = 0;  // With kLength.
  std::string held_;             // Its last bytes, until they may go.
  std::string input_;            // The beginning of a response's head.
  std::size_t scanned_ = 0;      // Of input_.
  ResponseBody body_;
  std::unique_ptr<Tunnel> tunnel_;
};

}  // namespace gatehouse::http
