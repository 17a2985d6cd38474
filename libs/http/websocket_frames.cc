#include "libs/http/websocket_frames.h"

#include <wslay/wslay.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <new>

#include "libs/http/message.h"

namespace gatehouse::http {
namespace {

constexpr std::size_t kShortMax = 125;
constexpr std::size_t kMediumMax = 65535;

void AppendNumber(std::uint64_t number, int bytes, std::string* out) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    *out += static_cast<char>(number >> shift);
  }
}

// Of a client's frame, which is masked.
std::uint64_t HeaderBytes(std::uint64_t payload) {
  return 6 + (payload > kMediumMax ? 8 : payload > kShortMax ? 2 : 0);
}

// RFC 6455 section 7.4 and the codes that IANA has registered since.
bool MayBeSent(int code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

}  // namespace

void AppendFrame(FrameKind kind, std::string_view payload, std::string* out) {
  out->reserve(out->size() + payload.size() + 10);
  *out += static_cast<char>(0x80 | static_cast<int>(kind));
  if (payload.size() <= kShortMax) {
    *out += static_cast<char>(payload.size());
  } else if (payload.size() <= kMediumMax) {
    *out += static_cast<char>(126);
    AppendNumber(payload.size(), 2, out);
  } else {
    *out += static_cast<char>(127);
    AppendNumber(payload.size(), 8, out);
  }
  out->append(payload);
}

int ParseClose(std::string_view payload, int* breach) {
  *breach = 0;
  if (payload.empty()) return kCloseNoCode;
  if (payload.size() == 1) {
    *breach = kCloseProtocolError;
    return kCloseNoCode;
  }
  const int code =
      static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]);
  if (!MayBeSent(code)) {
    *breach = kCloseProtocolError;
  } else if (!IsValidUtf8(payload.substr(2))) {
    *breach = kCloseInvalidText;
  }
  return code;
}

// libwslay's event layer would do more of what follows, but lets a one-byte close
// frame pass, checks the reason of one that arrives in parts wrongly, and keeps a
// second buffer of 4 KiB.
struct FrameReader::State {
  State() {
    const wslay_frame_callbacks callbacks{nullptr, &State::Receive, nullptr};
    if (wslay_frame_context_init(&context, &callbacks, this) != 0) throw std::bad_alloc();
  }
  ~State() { wslay_frame_context_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  static ssize_t Receive(std::uint8_t* buffer, std::size_t size, int, void* self) {
    State& state = *static_cast<State*>(self);
    const std::size_t count = std::min(size, state.input.size());
    if (count == 0) return -1;
    std::memcpy(buffer, state.input.data(), count);
    state.input.remove_prefix(count);
    state.open_bytes += count;
    return static_cast<ssize_t>(count);
  }

  // 0 or the close code for the frame whose first part this is.
  int Begin(const wslay_frame_iocb& part, std::size_t message_bytes_max);
  int Take(const wslay_frame_iocb& part, FrameReader* reader, Sink* sink);
  int FinishControl(int opcode, std::string_view payload, FrameReader* reader, Sink* sink);
  int FinishMessage(std::string_view text, Sink* sink);

  bool IsIdle() const { return open_bytes == 0 && message_opcode == 0; }

  wslay_frame_context_ptr context = nullptr;
  std::string_view input;        // What the context has not taken.
  std::uint64_t open_bytes = 0;  // That it has taken since the last frame ended.
  bool in_frame = false;
  std::uint64_t frame_read = 0;  // Of the frame's payload.
  int message_opcode = 0;        // Of the message that is open; 0: none is.
  std::string message;           // The parts of it so far.
  std::string control;           // The same of the control frame in hand.
};

int FrameReader::State::Begin(const wslay_frame_iocb& part, std::size_t message_bytes_max) {
  if (part.rsv != 0 || part.mask == 0) return kCloseProtocolError;
  in_frame = true;
  frame_read = 0;
  switch (part.opcode) {
    case WSLAY_CONNECTION_CLOSE:
    case WSLAY_PING:
    case WSLAY_PONG:
      return 0;  // The library has refused those that are long or fragmented.
    case WSLAY_TEXT_FRAME:
    case WSLAY_BINARY_FRAME:
      if (message_opcode != 0) return kCloseProtocolError;
      message_opcode = part.opcode;
      break;
    case WSLAY_CONTINUATION_FRAME:
      if (message_opcode == 0) return kCloseProtocolError;
      break;
    default:
      return kCloseProtocolError;
  }
  return part.payload_length > message_bytes_max - message.size() ? kCloseTooBig : 0;
}

int FrameReader::State::Take(const wslay_frame_iocb& part, FrameReader* reader, Sink* sink) {
  if (!in_frame) {
    if (const int code = Begin(part, reader->message_bytes_max_); code != 0) return code;
  }
  const std::string_view bytes(reinterpret_cast<const char*>(part.data), part.data_length);
  frame_read += bytes.size();
  const bool is_done = frame_read == part.payload_length;
  if (is_done) {
    in_frame = false;
    open_bytes -= HeaderBytes(part.payload_length) + part.payload_length;
  }
  const bool is_control = wslay_is_ctrl_frame(part.opcode);
  std::string& parts = is_control ? control : message;
  if (!is_done || (!is_control && !part.fin)) {
    parts.append(bytes);
    return 0;
  }
  // Most come whole, and are handed on from where they lie.
  const bool is_whole = parts.empty();
  if (!is_whole) parts.append(bytes);
  const std::string_view payload = is_whole ? bytes : std::string_view(parts);
  const int code =
      is_control ? FinishControl(part.opcode, payload, reader, sink) : FinishMessage(payload, sink);
  parts.clear();
  return code;
}

int FrameReader::State::FinishControl(int opcode, std::string_view payload, FrameReader* reader,
                                      Sink* sink) {
  if (opcode == WSLAY_PING) {
    sink->OnPing(payload);
  } else if (opcode == WSLAY_PONG) {
    sink->OnPong();
  } else {
    int breach = 0;
    const int code = ParseClose(payload, &breach);
    if (breach != 0) return breach;
    reader->ended_ = true;
    sink->OnClose(code);
  }
  return 0;
}

int FrameReader::State::FinishMessage(std::string_view text, Sink* sink) {
  const bool is_text = message_opcode == WSLAY_TEXT_FRAME;
  message_opcode = 0;
  if (is_text && !IsValidUtf8(text)) return kCloseInvalidText;
  sink->OnMessage(text, is_text);
  return 0;
}

FrameReader::FrameReader(std::size_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}
FrameReader::~FrameReader() = default;

int FrameReader::Feed(std::string_view bytes, Sink* sink) {
  if (ended_ || bytes.empty()) return 0;
  if (!state_) state_ = std::make_unique<State>();
  state_->input = bytes;
  int code = 0;
  while (code == 0 && !ended_) {
    wslay_frame_iocb part{};
    const ssize_t count = wslay_frame_recv(state_->context, &part);
    if (count == WSLAY_ERR_WANT_READ) break;
    code = count < 0 ? kCloseProtocolError : state_->Take(part, this, sink);
  }
  if (code != 0) ended_ = true;
  if (ended_ || state_->IsIdle()) state_.reset();
  return code;
}

}  // namespace gatehouse::http
