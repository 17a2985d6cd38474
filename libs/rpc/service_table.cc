#include "libs/rpc/service_table.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "google/protobuf/descriptor.h"

namespace gatehouse::rpc {
namespace {

constexpr char kHandledName[] = "grpc_server_handled_total";
constexpr char kHandledHelp[] = "RPCs that ended, by code.";
constexpr char kSecondsName[] = "grpc_server_handling_seconds";
constexpr char kSecondsHelp[] = "Time from an RPC's arrival to its answer.";

// As the standard dashboards spell them.
constexpr std::array<const char*, 17> kCodeNames = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

[[noreturn]] void DieOfRegistration(const std::string& path, const char* problem) {
  std::fprintf(stderr, "cannot register %s: %s\n", path.c_str(), problem);
  std::abort();
}

const google::protobuf::ServiceDescriptor& DescriptorOf(const std::string& full_name) {
  const google::protobuf::ServiceDescriptor* service =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(full_name);
  if (service == nullptr) DieOfRegistration(full_name, "no linked proto declares it");
  return *service;
}

// The entry of `path`, after checking that the proto agrees with the handler.
MethodEntry& EntryFor(Service::Impl& table, const std::string& path,
                      const google::protobuf::MessageLite& prototype, bool streams) {
  const google::protobuf::ServiceDescriptor& service = DescriptorOf(table.full_name);
  for (int i = 0; i < service.method_count(); ++i) {
    MethodEntry& entry = *table.methods[static_cast<std::size_t>(i)];
    if (entry.path != path) continue;
    const google::protobuf::MethodDescriptor& method = *service.method(i);
    if (method.client_streaming() || method.server_streaming() != streams) {
      DieOfRegistration(path, "the proto declares another kind of streaming");
    }
    if (method.input_type()->full_name() != prototype.GetTypeName()) {
      DieOfRegistration(path, "the proto declares another request type");
    }
    if (entry.prototype != nullptr) DieOfRegistration(path, "it has a handler already");
    return entry;
  }
  DieOfRegistration(path, "it is not a method of this service");
}

}  // namespace

MethodMetrics::MethodMetrics(std::string service, std::string method)
    : service_(std::move(service)),
      method_(std::move(method)),
      seconds_(metrics::GetHistogram(kSecondsName, kSecondsHelp,
                                     {{"grpc_service", service_}, {"grpc_method", method_}})) {}

void MethodMetrics::Observe(absl::StatusCode code, std::chrono::nanoseconds duration) {
  const int known = static_cast<int>(code) < kCodes ? static_cast<int>(code) : 2;
  std::atomic<metrics::Counter*>& slot = handled_[static_cast<std::size_t>(known)];
  metrics::Counter* counter = slot.load(std::memory_order_acquire);
  if (counter == nullptr) {
    counter = &metrics::GetCounter(kHandledName, kHandledHelp,
                                   {{"grpc_service", service_},
                                    {"grpc_method", method_},
                                    {"grpc_code", kCodeNames[static_cast<std::size_t>(known)]}});
    slot.store(counter, std::memory_order_release);
  }
  counter->Increment();
  seconds_.Observe(std::chrono::duration<double>(duration).count());
}

MethodEntry::MethodEntry(std::string service, std::string method)
    : path("/" + service + "/" + method), metrics(std::move(service), std::move(method)) {}

Service::Service(std::string full_name) : impl_(std::make_unique<Impl>()) {
  const google::protobuf::ServiceDescriptor& service = DescriptorOf(full_name);
  for (int i = 0; i < service.method_count(); ++i) {
    impl_->methods.push_back(std::make_unique<MethodEntry>(full_name, service.method(i)->name()));
  }
  impl_->full_name = std::move(full_name);
}

Service::~Service() = default;
Service::Service(Service&&) noexcept = default;

void Service::AddUnary(const char* path, Policy policy,
                       const google::protobuf::MessageLite* prototype, UnaryHandler handler) {
  MethodEntry& entry = EntryFor(*impl_, path, *prototype, /*streams=*/false);
  entry.policy = std::move(policy);
  entry.prototype = prototype;
  entry.unary = std::move(handler);
}

void Service::AddLater(const char* path, Policy policy,
                       const google::protobuf::MessageLite* prototype, LaterHandler handler) {
  MethodEntry& entry = EntryFor(*impl_, path, *prototype, /*streams=*/false);
  entry.policy = std::move(policy);
  entry.prototype = prototype;
  entry.later = std::move(handler);
}

void Service::AddFeed(const char* path, Policy policy,
                      const google::protobuf::MessageLite* prototype, FeedHandler handler) {
  MethodEntry& entry = EntryFor(*impl_, path, *prototype, /*streams=*/true);
  entry.policy = std::move(policy);
  entry.prototype = prototype;
  entry.feed = std::move(handler);
}

}  // namespace gatehouse::rpc
