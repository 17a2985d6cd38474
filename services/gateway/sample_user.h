// The user whom auth's fake answers speak of in tests. Not for use outside the
// gateway's tests.
#pragma once

#include "gatehouse/auth/v1/user.pb.h"

namespace gatehouse::gateway {

inline auth::v1::User SampleUser() {
  auth::v1::User user;
  user.set_id("0190c0de-0000-7000-8000-000000000001");
  user.set_number(41);
  user.set_username("ada");
  user.set_email("ada@example.com");
  user.mutable_tenant()->set_id(7);
  user.mutable_tenant()->set_client_id("ada-co");
  user.mutable_tenant()->set_name("ada's Organization");
  user.mutable_tenant()->set_tier("free");
  user.set_role("user");
  user.set_is_active(true);
  user.set_rate_limit_per_second(10);
  user.set_rate_limit_burst(20);
  user.set_settings_json(R"({"theme":"dark"})");
  user.set_profile_number(12);
  user.set_notes("pays late");
  user.set_disable_reason("none yet");
  user.add_permissions("view_logs");
  user.mutable_create_time()->set_seconds(1'800'000'000);
  return user;
}

// The same as /api/me spells it.
inline constexpr char kSampleUserJson[] =
    R"({"id":41,"uuid":"0190c0de-0000-7000-8000-000000000001","username":"ada",)"
    R"("email":"ada@example.com","first_name":"","last_name":"","role":"user",)"
    R"("is_staff":false,"is_active":true,"profile":{"id":12,"username":"ada",)"
    R"("email":"ada@example.com","tenant":7,"tenant_name":"ada's Organization",)"
    R"("stripe_customer_id":null,"settings":{"theme":"dark"},)"
    R"("created_at":"2027-01-15T08:00:00.000000Z","updated_at":null}})";

}  // namespace gatehouse::gateway
