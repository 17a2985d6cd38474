#include "libs/http/channel.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>

namespace gatehouse::http {
namespace {

constexpr std::size_t kPiecesPerCall = 64;
constexpr std::size_t kSpareCapacity = 8;
constexpr std::size_t kJoinedMax = 16 * 1024;

}  // namespace

void OutputQueue::Add(std::string bytes) {
  if (bytes.empty()) return;
  bytes_ += bytes.size();
  pieces_.push_back(std::move(bytes));
}

ssize_t OutputQueue::SendTo(int fd) {
  const ssize_t sent = pieces_.size() - first_ == 1 ? SendOne(fd) : SendMany(fd);
  if (sent > 0) Drop(static_cast<std::size_t>(sent));
  return sent;
}

void OutputQueue::Append(std::string bytes) {
  if (bytes_ == 0 || pieces_.back().size() + bytes.size() > kJoinedMax) {
    return Add(std::move(bytes));
  }
  pieces_.back() += bytes;
  bytes_ += bytes.size();
}

// The usual case, and the cheaper call.
ssize_t OutputQueue::SendOne(int fd) const {
  const std::string& piece = pieces_[first_];
  return ::send(fd, piece.data() + offset_, piece.size() - offset_, MSG_NOSIGNAL);
}

ssize_t OutputQueue::SendMany(int fd) {
  iovec parts[kPiecesPerCall];
  std::size_t count = 0;
  for (std::size_t i = first_; i < pieces_.size() && count < kPiecesPerCall; ++i, ++count) {
    const std::size_t skip = i == first_ ? offset_ : 0;
    parts[count] = {pieces_[i].data() + skip, pieces_[i].size() - skip};
  }
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = count;
  return ::sendmsg(fd, &message, MSG_NOSIGNAL);
}

void OutputQueue::Drop(std::size_t sent) {
  bytes_ -= sent;
  while (sent > 0) {
    const std::size_t left = pieces_[first_].size() - offset_;
    if (sent < left) {
      offset_ += sent;
      return;
    }
    sent -= left;
    offset_ = 0;
    std::string().swap(pieces_[first_++]);
  }
  if (bytes_ > 0) {
    if (first_ > kPiecesPerCall) {
      pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(first_));
      first_ = 0;
    }
    return;
  }
  first_ = 0;
  pieces_.clear();
  if (pieces_.capacity() > kSpareCapacity) std::vector<std::string>().swap(pieces_);
}

Channel::Io Channel::Receive(char* buffer, std::size_t size, std::size_t* received) {
  for (;;) {
    const ssize_t count = ::recv(fd_, buffer, size, 0);
    if (count > 0) {
      *received = static_cast<std::size_t>(count);
      // A short read has emptied the socket; the next edge will say if more comes.
      if (*received < size && !ended_) readable_ = false;
      return Io::kDone;
    }
    if (count == 0) return Io::kEnd;
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return Io::kFailed;
    readable_ = false;
    return Io::kBlocked;
  }
}

Channel::Io Channel::Send(std::size_t* sent) {
  while (!output_.empty()) {
    if (!writable_) return Io::kBlocked;
    const std::size_t before = output_.size();
    if (output_.SendTo(fd_) >= 0) {
      *sent += before - output_.size();
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return Io::kFailed;
    writable_ = false;
  }
  return Io::kDone;
}

void Channel::ShutDown() { ::shutdown(fd_, SHUT_WR); }

bool Channel::IsBroken() const {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0;
}

void Channel::ResetWhenClosed() {
  const linger at_once{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

}  // namespace gatehouse::http
