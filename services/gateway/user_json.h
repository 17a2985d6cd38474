// A user as each surface spells it. Only spelling: what may be shown to whom is the
// route's to decide.
#pragma once

#include "gatehouse/auth/v1/user.pb.h"
#include "services/gateway/json_writer.h"

namespace gatehouse::gateway {

// /api/me and /api/admin/users: `id` is the integer number, a `profile` within. With
// what only administrators see (notes, disable_reason) when `is_for_staff`.
void WriteUser(const auth::v1::User& user, bool is_for_staff, JsonWriter& json);

// /api/v1/users: `id` is the UUID.
void WriteV1User(const auth::v1::User& user, JsonWriter& json);

// /api/v1/auth/me: the same without `updated_at`.
void WriteV1Me(const auth::v1::User& user, JsonWriter& json);

// The `user` of /api/v1/auth/login: the union of two documents.
void WriteLoginUser(const auth::v1::User& user, JsonWriter& json);

// /platform/user.
void WritePlatformUser(const auth::v1::User& user, JsonWriter& json);

}  // namespace gatehouse::gateway
