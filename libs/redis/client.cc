#include "libs/redis/client.h"

#include <algorithm>
#include <utility>

namespace gatehouse::redis {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

}  // namespace

Client::Client(Url url, ClientOptions options)
    : url_(std::move(url)), options_(std::move(options)) {}

milliseconds Client::back_off_left() const {
  if (connection_) return milliseconds(0);
  return std::max(std::chrono::ceil<milliseconds>(connect_after_ - steady_clock::now()),
                  milliseconds(0));
}

absl::StatusOr<std::vector<Reply>> Client::Call(const std::vector<Command>& commands) {
  if (!connection_) {
    if (back_off_left() > milliseconds(0)) {
      return Error(absl::StatusCode::kUnavailable, "REDIS_UNREACHABLE", "waiting to try again");
    }
    const absl::Status connected = Connect();
    if (!connected.ok()) {
      connection_.reset();
      back_off_ = std::clamp(back_off_ * 2, options_.back_off_min, options_.back_off_max);
      connect_after_ = steady_clock::now() + back_off_;
      return connected;
    }
  }
  auto replies = Exchange(commands, steady_clock::now() + options_.timeout);
  if (replies.ok()) {
    back_off_ = milliseconds(0);
    return replies;
  }
  connection_.reset();
  back_off_ = std::clamp(back_off_ * 2, options_.back_off_min, options_.back_off_max);
  connect_after_ = steady_clock::now() + back_off_;
  return replies;
}

absl::Status Client::Connect() {
  const SteadyTime deadline = steady_clock::now() + options_.connect_timeout;
  GH_ASSIGN_OR_RETURN(Socket socket, Socket::Connect(url_, options_.ca_file, deadline));
  connection_.emplace(Connection{std::move(socket)});
  std::vector<Command> commands;
  if (!url_.password.empty()) {
    commands.push_back({"AUTH"});
    if (!url_.user.empty()) commands.back().push_back(url_.user);
    commands.back().push_back(url_.password);
  }
  commands.push_back({"SELECT", std::to_string(url_.database)});
  GH_ASSIGN_OR_RETURN(const std::vector<Reply> replies, Exchange(commands, deadline));
  for (const Reply& reply : replies) {
    if (!reply.IsError()) continue;
    // The first word only: what follows may repeat the password.
    return Error(absl::StatusCode::kFailedPrecondition, "REDIS_REFUSED",
                 reply.text.substr(0, reply.text.find(' ')));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Reply>> Client::Exchange(const std::vector<Command>& commands,
                                                    SteadyTime deadline) {
  std::string wire;
  for (const Command& command : commands) AppendCommand(command, &wire);
  GH_RETURN_IF_ERROR(connection_->socket.Write(wire, deadline));
  std::vector<Reply> replies;
  while (replies.size() < commands.size()) {
    GH_ASSIGN_OR_RETURN(std::optional<Reply> reply, connection_->reader->Next());
    if (reply) {
      replies.push_back(*std::move(reply));
      continue;
    }
    GH_ASSIGN_OR_RETURN(const std::string bytes, connection_->socket.Read(deadline));
    connection_->reader->Feed(bytes);
  }
  return replies;
}

}  // namespace gatehouse::redis
