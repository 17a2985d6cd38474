// The frames of a WebSocket on the server's side (RFC 6455 section 5): reads those
// of a client by libwslay's frame layer, joins and checks them; writes ours. Holds
// memory only while a frame or a message is under way. Internal to libs/http; knows
// no connection.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace gatehouse::http {

enum class FrameKind { kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

// Close codes (RFC 6455 section 7.4.1).
inline constexpr int kCloseProtocolError = 1002;
inline constexpr int kCloseNoCode = 1005;    // Never on the wire: there was none.
inline constexpr int kCloseAbnormal = 1006;  // Never on the wire: no close frame came.
inline constexpr int kCloseInvalidText = 1007;
inline constexpr int kCloseTooBig = 1009;

// Appends one whole frame, unmasked as a server's are.
void AppendFrame(FrameKind kind, std::string_view payload, std::string* out);

// What the payload of a close frame says: its code, kCloseNoCode for none. A payload
// that must not be is answered with `*breach`, 0 otherwise.
int ParseClose(std::string_view payload, int* breach);

class FrameReader {
 public:
  // What was read. Views hold during the call.
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void OnMessage(std::string_view message, bool is_text) = 0;
    virtual void OnPing(std::string_view payload) = 0;
    virtual void OnPong() = 0;
    // kCloseNoCode without a code. Nothing is read after it.
    virtual void OnClose(int code) = 0;
  };

  explicit FrameReader(std::size_t message_bytes_max);
  ~FrameReader();
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;

  // Reads all of `bytes`. Not 0: the close code that the client has earned; nothing is
  // read from there on.
  int Feed(std::string_view bytes, Sink* sink);

  // No frame or message has begun.
  bool idle() const { return state_ == nullptr; }

 private:
  struct State;
  const std::size_t message_bytes_max_;
  bool ended_ = false;
  std::unique_ptr<State> state_;
};

}  // namespace gatehouse::http
