// FlushCaches: who may, what every gateway is told, what the audit log keeps.
#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>

#include "gatehouse/auth/v1/control.methods.h"
#include "services/auth/auth_testing.h"
#include "services/auth/control_store.h"

namespace gatehouse::auth {
namespace {

using testing::Eventually;

class CacheFlushTest : public ::testing::Test {
 protected:
  // A principal of `role` that holds `permissions`.
  rpc::CallOptions With(const std::vector<std::string>& permissions) {
    rpc::CallOptions options = testing::As(root_, "root", "admin");
    for (const std::string& permission : permissions) {
      options.principal.add_permissions(permission);
    }
    options.request_id = "r-1";
    return options;
  }
  absl::StatusOr<v1::FlushCachesResponse> Flush(const rpc::CallOptions& options,
                                                const std::string& caller = "gateway") {
    v1::FlushCachesRequest request;
    request.mutable_origin()->set_client_address("192.0.2.1");
    request.mutable_origin()->set_user_agent("curl");
    return server_.client(caller).Call(v1::ControlService::kFlushCaches, request, options);
  }

  // Above the server, whose end ends the streams.
  std::mutex mutex_;
  std::vector<v1::ControlUpdate> updates_;
  testing::AuthDatabase database_;
  testing::AuthServer server_{database_};
  const std::string root_ = database_.AddUser("root", "admin");
};

TEST_F(CacheFlushTest, NeedsThePermissionAndAGateway) {
  EXPECT_EQ(Reason(Flush(With({"manage_users"})).status()), "FORBIDDEN");
  EXPECT_EQ(Reason(Flush({}).status()), "FORBIDDEN") << "on nobody's behalf";
  rpc::CallOptions narrowed = With({"manage_gateway"});
  narrowed.principal.set_is_narrowed(true);
  EXPECT_EQ(Reason(Flush(narrowed).status()), "FORBIDDEN") << "its scopes lack it";
  EXPECT_EQ(Reason(Flush(With({"manage_gateway"}), "jobs").status()), "CALLER_NOT_ALLOWED");
  EXPECT_EQ(database_.Count("auth.control_log"), 0);
  EXPECT_EQ(database_.Count("auth.audit_events WHERE type = 'gateway_clear_caches'"), 0);
}

TEST_F(CacheFlushTest, IsAuditedInTheSameTransaction) {
  const auto flushed = Flush(With({"manage_gateway"}));
  ASSERT_TRUE(flushed.ok()) << flushed.status();
  EXPECT_EQ(flushed->sequence(), 1);
  EXPECT_EQ(database_.Select("SELECT kind || ' ' || subject FROM auth.control_log"),
            "flush " + root_);
  EXPECT_EQ(
      database_.Select("SELECT concat_ws(' ', actor_username, target, client_address, user_agent,"
                       " request_id, success, details->>'action')"
                       " FROM auth.audit_events WHERE type = 'gateway_clear_caches'"),
      "root all 192.0.2.1 curl r-1 t gateway.clear_caches");
}

TEST_F(CacheFlushTest, EveryStreamIsTold) {
  const auto watch = [&] {
    return server_.gateway().Watch(
        v1::ControlService::kWatchControl, v1::WatchControlRequest(), {},
        [&](const v1::ControlUpdate& update) {
          std::lock_guard lock(mutex_);
          updates_.push_back(update);
        },
        [](const absl::Status&) {});
  };
  const auto count = [&](const auto& fits) {
    std::lock_guard lock(mutex_);
    return std::count_if(updates_.begin(), updates_.end(), fits);
  };
  const auto one = watch();
  const auto two = watch();
  ASSERT_TRUE(Eventually([&] {
    return count([](const v1::ControlUpdate& update) { return update.has_snapshot(); }) == 2;
  }));
  ASSERT_TRUE(Flush(With({"manage_gateway"})).ok());
  EXPECT_TRUE(Eventually([&] {
    return count([&](const v1::ControlUpdate& update) {
             return update.has_flush() && update.flush().user_id() == root_ &&
                    update.sequence() == 1;
           }) == 2;
  }));
  const auto later = watch();
  EXPECT_TRUE(Eventually([&] {
    return count([](const v1::ControlUpdate& update) {
             return update.has_snapshot() && update.snapshot().flush_sequence() == 1;
           }) == 1;
  })) << "who comes later hears of the last one";
}

}  // namespace
}  // namespace gatehouse::auth
