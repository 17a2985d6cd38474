// Frames as a client sends them, and what a server's bytes say: for the tests of
// WebSockets. Not for use in a service.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gatehouse::http {

inline constexpr int kFin = 0x80;

// A masked frame; `first` is its first byte, the opcode with its flags.
inline std::string Frame(int first, std::string_view payload, std::uint32_t mask = 0x37fa213d) {
  std::string frame{static_cast<char>(first)};
  const auto number = [&](std::uint64_t value, int bytes) {
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
      frame += static_cast<char>(value >> shift);
    }
  };
  if (payload.size() < 126) {
    number(0x80 | payload.size(), 1);
  } else if (payload.size() < 65536) {
    number(0x80 | 126, 1);
    number(payload.size(), 2);
  } else {
    number(0x80 | 127, 1);
    number(payload.size(), 8);
  }
  number(mask, 4);
  for (std::size_t i = 0; i < payload.size(); ++i) {
    frame += static_cast<char>(payload[i] ^ static_cast<char>(mask >> (8 * (3 - i % 4))));
  }
  return frame;
}

inline std::string TextFrame(std::string_view text) { return Frame(kFin | 1, text); }
inline std::string PingFrame(std::string_view payload) { return Frame(kFin | 9, payload); }

inline std::string CloseFrame(int code, std::string_view reason = "") {
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code)};
  return Frame(kFin | 8, payload.append(reason));
}

// A frame of a server.
struct ServerFrame {
  bool is_whole_message = true;  // FIN, no reserved bits.
  int opcode = 0;
  std::string payload;

  // Of a close frame: "1000 bye", "1000", or "".
  std::string CloseText() const {
    if (payload.size() < 2) return payload;
    const int code =
        static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]);
    return std::to_string(code) + (payload.size() > 2 ? " " : "") + payload.substr(2);
  }
};

// Takes the first frame off `bytes`; false when none is whole.
inline bool TakeServerFrame(std::string* bytes, ServerFrame* frame) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>((*bytes)[at]); };
  if (bytes->size() < 2) return false;
  std::size_t begin = 2;
  std::uint64_t size = byte(1);
  if (size >= 126) {
    const std::size_t digits = size == 126 ? 2 : 8;
    if (bytes->size() < 2 + digits) return false;
    size = 0;
    for (std::size_t i = 0; i < digits; ++i) size = size << 8 | byte(2 + i);
    begin += digits;
  }
  if (bytes->size() < begin + size) return false;
  frame->is_whole_message = (byte(0) & 0xf0) == kFin;
  frame->opcode = byte(0) & 15;
  frame->payload = bytes->substr(begin, size);
  bytes->erase(0, begin + size);
  return true;
}

// All whole frames: "text(abc) ping() close(1000 bye) "; long payloads as their length:
// "text(#300) ".
inline std::string TellServerFrames(std::string bytes) {
  std::string told;
  ServerFrame frame;
  while (TakeServerFrame(&bytes, &frame)) {
    const char* const kinds[] = {"?",     "text", "binary", "?", "?", "?", "?", "?",
                                 "close", "ping", "pong",   "?", "?", "?", "?", "?"};
    const bool is_close = frame.opcode == 8;
    std::string payload = is_close ? frame.CloseText() : frame.payload;
    if (!is_close && payload.size() > 60) payload = "#" + std::to_string(payload.size());
    told += frame.is_whole_message ? kinds[frame.opcode] : "broken";
    told += "(" + payload + ") ";
  }
  return bytes.empty() ? told : told + "cut";
}

}  // namespace gatehouse::http
