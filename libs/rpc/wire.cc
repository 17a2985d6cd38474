#include "libs/rpc/wire.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <mutex>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "libs/log/log.h"

namespace gatehouse::rpc {
namespace {

void DeleteText(void* text) { delete static_cast<std::string*>(text); }

void LogGrpc(gpr_log_func_args* args) {
  const log::Level level =
      args->severity == GPR_LOG_SEVERITY_ERROR ? log::Level::kWarning : log::Level::kDebug;
  if (!log::Enabled(level)) return;
  log::Write(level, "grpc", {{"detail", args->message}, {"line", args->line}});
}

void LogProtobuf(google::protobuf::LogLevel severity, const char* /*file*/, int line,
                 const std::string& message) {
  const log::Level level =
      severity >= google::protobuf::LOGLEVEL_ERROR ? log::Level::kWarning : log::Level::kDebug;
  if (log::Enabled(level)) log::Write(level, "protobuf", {{"detail", message}, {"line", line}});
}

}  // namespace

grpc::ByteBuffer ToBuffer(std::string bytes) {
  if (bytes.size() < 256) {
    const grpc::Slice copy(bytes);
    return grpc::ByteBuffer(&copy, 1);
  }
  auto* text = new std::string(std::move(bytes));
  const grpc::Slice slice(text->data(), text->size(), &DeleteText, text);
  return grpc::ByteBuffer(&slice, 1);
}

std::string ToText(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return "";
  std::string text;
  text.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) {
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return text;
}

bool ParseBuffer(const grpc::ByteBuffer& buffer, google::protobuf::MessageLite* out) {
  // The reader does not change the buffer; its signature is older than const.
  grpc::ProtoBufferReader reader(const_cast<grpc::ByteBuffer*>(&buffer));
  return reader.status().ok() && out->ParseFromZeroCopyStream(&reader);
}

void PrepareLibraries() {
  static std::once_flag once;
  std::call_once(once, [] {
    // Never undone: when its last user goes, gRPC stops its threads and may wait ten
    // seconds for one of them, which would be ten seconds more of every exit.
    grpc_init();
    // Debian builds Abseil with its search for lock cycles, which costs every lock of
    // gRPC a table look-up; ThreadSanitizer looks for those of ours.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    gpr_set_log_function(&LogGrpc);
    google::protobuf::SetLogHandler(&LogProtobuf);
  });
}

}  // namespace gatehouse::rpc
