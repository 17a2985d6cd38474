// The bytes of one non-blocking socket: what is queued to be sent, and whether
// the socket can be read and written (edge-triggered). Knows nothing of HTTP and
// does not own the descriptor. Internal to libs/http; not thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace gatehouse::http {

// Strings to be sent one after the other, without joining them.
class OutputQueue {
 public:
  bool empty() const { return bytes_ == 0; }
  std::size_t size() const { return bytes_; }
  void Add(std::string bytes);
  // The same, joined to what was added last while that is small.
  void Append(std::string bytes);

  // One system call. Returns what it returned, with errno.
  ssize_t SendTo(int fd);

 private:
  ssize_t SendOne(int fd) const;
  ssize_t SendMany(int fd);
  void Drop(std::size_t sent);

  std::vector<std::string> pieces_;
  std::size_t first_ = 0;   // Index of the first piece that is not sent.
  std::size_t offset_ = 0;  // What of it is sent.
  std::size_t bytes_ = 0;
};

class Channel {
 public:
  explicit Channel(int fd) : fd_(fd) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  int fd() const { return fd_; }
  OutputQueue& output() { return output_; }
  std::size_t output_size() const { return output_.size(); }
  bool empty() const { return output_.empty(); }

  // May be true although a call would block; false only if it would.
  bool readable() const { return readable_; }
  void SetReadable() { readable_ = true; }
  void SetWritable() { writable_ = true; }

  // The peer has shut its side or the connection is broken: there is an end to
  // be read behind the bytes, even when a read comes back short.
  bool ended() const { return ended_; }
  void SetEnded() { ended_ = readable_ = true; }

  enum class Io { kDone, kBlocked, kEnd, kFailed };

  // Reads at most `size` bytes, `*received` of them on kDone.
  Io Receive(char* buffer, std::size_t size, std::size_t* received);

  // Sends what is queued: kDone when nothing is left, kBlocked when some is.
  // `*sent` counts bytes.
  Io Send(std::size_t* sent);

  // Ends our direction after what has been sent.
  void ShutDown();

  // The peer has reset the connection, or it failed: nothing more can be sent.
  bool IsBroken() const;
  // The peer shall see a reset instead of an end.
  void ResetWhenClosed();

 private:
  const int fd_;
  bool readable_ = false;  // The first edge will say.
  bool writable_ = true;
  bool ended_ = false;
  OutputQueue output_;
};

}  // namespace gatehouse::http
