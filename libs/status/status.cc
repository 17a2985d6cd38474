#include "libs/status/status.h"

#include <grpcpp/support/status.h>

#include <cstdlib>

#include "absl/strings/cord.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "libs/base/utf8.h"

namespace gatehouse {
namespace {

constexpr char kDomain[] = "gatehouse";

template <typename Message>
std::string TypeUrl() {
  return "type.googleapis.com/" + Message::descriptor()->full_name();
}

// The payload of type Message, or an empty message.
template <typename Message>
Message Detail(const absl::Status& status) {
  Message message;
  if (const auto payload = status.GetPayload(TypeUrl<Message>()); payload.has_value()) {
    // An unreadable payload of a foreign sender is as good as none.
    if (!message.ParseFromString(std::string(*payload))) message.Clear();
  }
  return message;
}

template <typename Message>
void SetDetail(absl::Status* status, const Message& message) {
  status->SetPayload(TypeUrl<Message>(), absl::Cord(message.SerializeAsString()));
}

}  // namespace

absl::Status Error(absl::StatusCode code, const std::string& reason, const std::string& message,
                   const std::map<std::string, std::string>& metadata) {
  if (code == absl::StatusCode::kOk) std::abort();
  absl::Status status(code, message);
  google::rpc::ErrorInfo info;
  info.set_reason(ReplaceInvalidUtf8(reason));
  info.set_domain(kDomain);
  for (const auto& [key, value] : metadata) {
    (*info.mutable_metadata())[ReplaceInvalidUtf8(key)] = ReplaceInvalidUtf8(value);
  }
  SetDetail(&status, info);
  return status;
}

std::string Reason(const absl::Status& status) {
  return Detail<google::rpc::ErrorInfo>(status).reason();
}

std::string ReasonMetadata(const absl::Status& status, const std::string& key) {
  const auto info = Detail<google::rpc::ErrorInfo>(status);
  const auto found = info.metadata().find(key);
  return found == info.metadata().end() ? "" : found->second;
}

absl::Status WithFieldViolation(absl::Status status, const std::string& field,
                                const std::string& description) {
  auto bad_request = Detail<google::rpc::BadRequest>(status);
  auto* violation = bad_request.add_field_violations();
  violation->set_field(ReplaceInvalidUtf8(field));
  violation->set_description(ReplaceInvalidUtf8(description));
  SetDetail(&status, bad_request);
  return status;
}

std::multimap<std::string, std::string> FieldViolations(const absl::Status& status) {
  std::multimap<std::string, std::string> violations;
  const auto bad_request = Detail<google::rpc::BadRequest>(status);
  for (const auto& violation : bad_request.field_violations()) {
    violations.emplace(violation.field(), violation.description());
  }
  return violations;
}

absl::Status WithRetryDelay(absl::Status status, long millis) {
  google::rpc::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(millis / 1000);
  info.mutable_retry_delay()->set_nanos(static_cast<int>(millis % 1000) * 1000000);
  SetDetail(&status, info);
  return status;
}

long RetryDelayMillis(const absl::Status& status) {
  const auto info = Detail<google::rpc::RetryInfo>(status);
  return info.retry_delay().seconds() * 1000 + info.retry_delay().nanos() / 1000000;
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::string message(status.message());
  google::rpc::Status wire;
  wire.set_code(static_cast<int>(status.code()));
  wire.set_message(ReplaceInvalidUtf8(message));
  status.ForEachPayload([&wire](absl::string_view type_url, const absl::Cord& payload) {
    google::protobuf::Any* detail = wire.add_details();
    detail->set_type_url(std::string(type_url));
    detail->set_value(std::string(payload));
  });
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), message,
                      wire.details().empty() ? "" : wire.SerializeAsString());
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  // Both enumerations have the numbers of google.rpc.Code; a number outside it is UNKNOWN.
  const int number = status.error_code();
  const bool known = number >= 1 && number <= 16;
  absl::Status result(known ? static_cast<absl::StatusCode>(number) : absl::StatusCode::kUnknown,
                      status.error_message());
  google::rpc::Status wire;
  if (wire.ParseFromString(status.error_details())) {
    for (const google::protobuf::Any& detail : wire.details()) {
      result.SetPayload(detail.type_url(), absl::Cord(detail.value()));
    }
  }
  return result;
}

}  // namespace gatehouse
