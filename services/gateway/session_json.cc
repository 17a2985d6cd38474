#include "services/gateway/session_json.h"

namespace gatehouse::gateway {
namespace {

const char* KindText(auth::v1::CredentialKind kind) {
  switch (kind) {
    case auth::v1::CREDENTIAL_KIND_TOKEN:
      return "token";
    case auth::v1::CREDENTIAL_KIND_SESSION:
      return "session";
    case auth::v1::CREDENTIAL_KIND_LOGIN:
      return "login";
    case auth::v1::CREDENTIAL_KIND_ACCESS:
      return "access";
    case auth::v1::CREDENTIAL_KIND_PLATFORM:
      return "platform";
    case auth::v1::CREDENTIAL_KIND_API:
      return "api";
    case auth::v1::CREDENTIAL_KIND_KEY:
      return "key";
    default:
      return "unknown";
  }
}

}  // namespace

void WriteSession(const auth::v1::Session& session, bool is_current, JsonWriter& json) {
  json.BeginObject().Field("id", session.id()).Field("kind", KindText(session.kind()));
  json.TextOrNull("ip_address", session.client_address());
  json.TextOrNull("user_agent", session.user_agent());
  json.TimeField("created_at", session.has_create_time(), session.create_time());
  json.TimeField("expires_at", session.has_expire_time(), session.expire_time());
  json.TimeField("last_used_at", session.has_last_used_time(), session.last_used_time());
  json.Field("is_current", is_current).EndObject();
}

}  // namespace gatehouse::gateway
