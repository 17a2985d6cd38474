// One scripted RPC method for tests: remembers its requests, answers as told. Not
// for use outside the gateway's tests.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "libs/rpc/server.h"

namespace gatehouse::gateway {

// Thread-safe. Until told otherwise it answers with an empty response.
template <typename Request, typename Response>
class Script {
 public:
  using Answer = std::function<absl::StatusOr<Response>(const Request&)>;
  using AnswerToCall = std::function<absl::StatusOr<Response>(rpc::Call&, const Request&)>;

  void DoWithCall(AnswerToCall answer) {
    std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }
  void Do(Answer answer) {
    DoWithCall([answer](rpc::Call&, const Request& request) { return answer(request); });
  }
  void Return(const Response& response) {
    Do([response](const Request&) { return response; });
  }
  void Fail(const absl::Status& status) {
    Do([status](const Request&) { return status; });
  }

  std::size_t calls() const {
    std::lock_guard lock(mutex_);
    return requests_.size();
  }
  Request last() const {
    std::lock_guard lock(mutex_);
    return requests_.empty() ? Request() : requests_.back();
  }
  std::vector<Request> requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }
  // On whose behalf the last call was made, and its ids.
  type::v1::Principal principal() const {
    std::lock_guard lock(mutex_);
    return principal_;
  }
  std::string request_id() const {
    std::lock_guard lock(mutex_);
    return request_id_;
  }
  std::string trace_parent() const {
    std::lock_guard lock(mutex_);
    return trace_parent_;
  }

  void Register(rpc::Service& service, const rpc::Method<Request, Response>& method) {
    rpc::Policy policy;
    policy.callers = {"gateway"};
    policy.deadline_max = std::chrono::seconds(30);
    service.Unary(method, policy, [this](rpc::Call& call, const Request& request) {
      AnswerToCall answer;
      {
        std::lock_guard lock(mutex_);
        requests_.push_back(request);
        principal_ = call.principal();
        request_id_ = call.request_id();
        trace_parent_ = call.trace_parent();
        answer = answer_;
      }
      return answer ? answer(call, request) : absl::StatusOr<Response>(Response());
    });
  }

 private:
  mutable std::mutex mutex_;
  AnswerToCall answer_;
  std::vector<Request> requests_;
  type::v1::Principal principal_;
  std::string request_id_;
  std::string trace_parent_;
};

}  // namespace gatehouse::gateway
