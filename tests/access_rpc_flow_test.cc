// Every RPC of every process against every kind of caller, as tests/access/rpcs.tsv
// says: no passport, garbage, an expired one, an unknown key, another process's, a
// process that is not on the method's list, another tenant's principal, the right one.
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <fstream>

#include "gatehouse/auth/v1/announcement.pb.h"
#include "gatehouse/auth/v1/audit.pb.h"
#include "gatehouse/auth/v1/control.pb.h"
#include "gatehouse/auth/v1/session.pb.h"
#include "gatehouse/auth/v1/tenant.pb.h"
#include "gatehouse/auth/v1/token.pb.h"
#include "gatehouse/auth/v1/user.pb.h"
#include "gatehouse/billing/v1/account.pb.h"
#include "gatehouse/billing/v1/hold.pb.h"
#include "gatehouse/billing/v1/payment.pb.h"
#include "gatehouse/event/v1/event.pb.h"
#include "gatehouse/invitations/v1/invitations.pb.h"
#include "gatehouse/jobs/v1/job.pb.h"
#include "gatehouse/jobs/v1/worker.pb.h"
#include "libs/base/secret.h"
#include "libs/rpc/passport.h"
#include "tests/access/matrix.h"
#include "tests/harness/stack.h"

namespace gatehouse {
namespace {

using access::Row;
using harness::Answer;
using harness::Stack;

constexpr char kStranger[] = "stranger";  // A process that SERVICE_KEYS_FILE does not name.

// The name of a gRPC status, such as "NOT_FOUND".
std::string NameOf(grpc::StatusCode code) {
  static const char* const kNames[] = {
      "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT", "DEADLINE",
      "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "EXHAUSTED",        "FAILED_PRECONDITION",
      "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",         "UNAVAILABLE",
      "DATA_LOSS", "UNAUTHENTICATED"};
  return kNames[code];
}

// Makes the linker keep every message, so that requests can be built by name.
void LinkMessages() {
  auth::v1::Announcement::descriptor();
  auth::v1::AuditEvent::descriptor();
  auth::v1::Epoch::descriptor();
  auth::v1::LogInRequest::descriptor();
  auth::v1::Tenant::descriptor();
  auth::v1::Token::descriptor();
  auth::v1::User::descriptor();
  billing::v1::Account::descriptor();
  billing::v1::Profile::descriptor();
  billing::v1::ReserveRequest::descriptor();
  event::v1::WatchRequest::descriptor();
  invitations::v1::Invitation::descriptor();
  jobs::v1::Job::descriptor();
  jobs::v1::WorkRequest::descriptor();
}

// "gatehouse.jobs.v1.JobService/GetJob" and JSON to the bytes of its request.
std::string RequestBytes(const std::string& method, const std::string& json) {
  const std::size_t slash = method.find('/');
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  const auto* service = pool->FindServiceByName(method.substr(0, slash));
  if (service == nullptr) return "";
  const auto* type = service->FindMethodByName(method.substr(slash + 1))->input_type();
  auto* factory = google::protobuf::MessageFactory::generated_factory();
  const std::unique_ptr<google::protobuf::Message> request(factory->GetPrototype(type)->New());
  const auto parsed = google::protobuf::util::JsonStringToMessage(json, request.get());
  EXPECT_TRUE(parsed.ok()) << method << " " << json << ": " << parsed.ToString();
  return request->SerializeAsString();
}

class Caller {
 public:
  explicit Caller(const std::string& target)
      : stub_(grpc::CreateChannel(target, grpc::InsecureChannelCredentials())) {}

  // "OK" when a message came back, else the name of the status.
  std::string Call(const std::string& method, const std::string& request,
                   const std::string& passport) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    if (!passport.empty()) context.AddMetadata(rpc::kPassportKey, passport);
    grpc::CompletionQueue queue;
    const auto call = stub_.PrepareCall(&context, "/" + method, &queue);
    call->StartCall(nullptr);
    Await(queue);
    const grpc::Slice slice(request);
    call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
    Await(queue);
    grpc::ByteBuffer answer;
    call->Read(&answer, nullptr);
    const bool answered = Await(queue);
    if (answered) context.TryCancel();  // A feed would go on.
    grpc::Status status;
    call->Finish(&status, nullptr);
    Await(queue);
    return answered ? "OK" : NameOf(status.error_code());
  }

 private:
  static bool Await(grpc::CompletionQueue& queue) {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  }

  grpc::GenericStub stub_;
};

class RpcAccessFlow : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    LinkMessages();
    stack_ = new Stack();
    ASSERT_EQ(stack_->Start(), "");
    AddTenant("owner", "", values_);
    AddTenant("other", "other_", values_);
  }
  static void TearDownTestSuite() {
    delete stack_;
    stack_ = nullptr;
  }

  // A user with a tenant and a job; their ids under "<prefix>user" and so on.
  static void AddTenant(const std::string& name, const std::string& prefix,
                        std::map<std::string, std::string>& values) {
    const std::string token = stack_->SignUp(name);
    const Answer me = stack_->http().Call("GET", "/api/me/", "", token);
    const Answer job = stack_->http().Call(
        "POST", "/api/jobs/", R"({"type":"text.stats","payload":{"text":"one two"}})", token);
    ASSERT_EQ(job.status, 201) << job.body;
    const std::string path = "/api/jobs/" + job.At("/id") + "/";
    ASSERT_TRUE(harness::Eventually(
        [&] { return stack_->http().Call("GET", path, "", token).At("/status") == "success"; }));
    values[prefix + "user"] = me.At("/uuid");
    values[prefix + "name"] = name;
    values[prefix + "tenant"] = me.At("/profile/tenant");
    values[prefix + "job"] = job.At("/id");
    values["password"] = harness::kPassword;
    values["uuid"] = "0198c0de-0000-7000-8000-0000000000ff";
  }

  static type::v1::Principal PrincipalOf(const std::string& prefix) {
    type::v1::Principal principal;
    principal.set_user_id(values_.at(prefix + "user"));
    principal.set_username(values_.at(prefix + "name"));
    principal.set_tenant_id(std::stoll(values_.at(prefix + "tenant")));
    principal.set_role("user");
    return principal;
  }

  // A passport that `caller` signs for `audience` at `time`.
  static std::string Passport(const std::string& caller, const std::string& audience,
                              const std::string& prefix, Time time) {
    const FakeClock clock(time);
    token::SigningKey key = token::SigningKey::Generate(kStranger);
    if (caller != kStranger) {
      std::ifstream file(stack_->directory() + "/" + caller + ".key");
      std::string text;
      file >> text;
      auto read = token::SigningKey::FromSeed(caller, Base64UrlDecode(text).value_or(""));
      EXPECT_TRUE(read.ok()) << caller;
      key = *std::move(read);
    }
    rpc::PassportIssuer issuer(caller, std::move(key), clock);
    return issuer.Issue(audience, PrincipalOf(prefix));
  }

  static std::string Wrong(const std::string& process) {
    return process == "billing" ? "jobs" : "billing";
  }

  static Stack* stack_;
  static std::map<std::string, std::string> values_;
};

Stack* RpcAccessFlow::stack_ = nullptr;
std::map<std::string, std::string> RpcAccessFlow::values_;

TEST_F(RpcAccessFlow, EveryRpcAnswersEveryCallerAsTheMatrixSays) {
  std::map<std::string, std::string> others = values_;
  for (const char* name : {"user", "name", "tenant"}) {
    others[name] = values_.at(std::string("other_") + name);
  }
  int checked = 0;
  for (const Row& row : access::ReadRows("rpcs.tsv")) {
    const std::string& method = row.at("method");
    const std::string& process = row.at("process");
    const std::string& right = row.at("caller");
    Caller caller("unix:" + stack_->directory() + "/" + process + ".sock");
    const std::string bytes = RequestBytes(method, access::Fill(row.at("request"), values_));
    const std::string other = RequestBytes(method, access::Fill(row.at("request"), others));
    const Time now = SystemClock().Now();
    const auto passport = [&](const std::string& issuer, const std::string& audience) {
      return Passport(issuer, audience, "", now);
    };
    const std::string closed = "UNAUTHENTICATED";
    EXPECT_EQ(caller.Call(method, bytes, ""), row.at("closed").empty() ? closed : row.at("closed"))
        << method << " without a passport";
    if (!row.at("closed").empty()) continue;
    ++checked;
    EXPECT_EQ(caller.Call(method, bytes, "garbage"), closed) << method;
    const std::string old = Passport(right, process, "", now - std::chrono::minutes(2));
    EXPECT_EQ(caller.Call(method, bytes, old), closed) << method << " with an expired passport";
    EXPECT_EQ(caller.Call(method, bytes, passport(kStranger, process)), closed)
        << method << " signed by a key that is not listed";
    EXPECT_EQ(caller.Call(method, bytes, passport(right, Wrong(process))), closed)
        << method << " with a passport for another process";
    EXPECT_EQ(caller.Call(method, bytes, passport(row.at("stranger"), process)),
              "PERMISSION_DENIED")
        << method << " by a process that may not";
    EXPECT_EQ(caller.Call(method, other, Passport(right, process, "other_", now)), row.at("other"))
        << method << " for another tenant";
    EXPECT_EQ(caller.Call(method, bytes, passport(right, process)), row.at("right")) << method;
  }
  EXPECT_GT(checked, 40);
}

}  // namespace
}  // namespace gatehouse
