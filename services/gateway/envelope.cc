#include "services/gateway/envelope.h"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "services/gateway/error_page.h"
#include "services/gateway/json_writer.h"

namespace gatehouse::gateway {
namespace {

namespace json = boost::json;

bool IsJson(const http::Response& response) {
  for (const http::Header& header : response.headers) {
    if (!http::SameName(header.name, "Content-Type")) continue;
    return header.value == "application/json" || header.value == "application/problem+json";
  }
  return response.body.empty();
}

// Under either name: an error object may be RFC 9457's.
void CopyText(const json::object& object, const char* name, const char* other, const char* as,
              JsonWriter& writer) {
  const json::value* found = object.if_contains(name);
  if (found == nullptr) found = object.if_contains(other);
  if (found == nullptr || !found->is_string()) return;
  writer.Field(as, std::string_view(found->get_string()));
}

void WriteError(const json::object& object, JsonWriter& writer) {
  CopyText(object, "error", "code", "error_code", writer);
  CopyText(object, "message", "detail", "error_message", writer);
  for (const char* name : {"request_id", "service", "details", "retry_after"}) {
    if (const json::value* found = object.if_contains(name)) {
      writer.Key(name).Raw(json::serialize(*found));
    }
  }
}

void WriteBeside(const json::object& payload, JsonWriter& writer) {
  for (const auto& member : payload) {
    const std::string_view name = member.key();
    if (name == "status_code" || name == "response") continue;
    writer.Key(name).Raw(json::serialize(member.value()));
  }
}

}  // namespace

bool IsEnveloped(std::string_view path) {
  return IsUnder(path, "/platform") || IsUnder(path, "/api/caches");
}

void Enclose(http::Response* response) {
  if (!IsJson(*response)) return;
  json::error_code error;
  const json::value payload = json::parse(response->body, error);
  const json::object* object = error ? nullptr : payload.if_object();
  JsonWriter writer;
  writer.BeginObject().Field("status_code", response->status);
  if (response->status >= 400) {
    if (object != nullptr) WriteError(*object, writer);
  } else if (!error) {
    writer.Key("response").Raw(response->body);
    if (object != nullptr) WriteBeside(*object, writer);
  }
  writer.EndObject();
  if (response->body.empty()) response->headers.push_back({"Content-Type", "application/json"});
  for (http::Header& header : response->headers) {
    if (http::SameName(header.name, "Content-Type")) header.value = "application/json";
  }
  response->status = 200;
  response->body = writer.Take();
}

}  // namespace gatehouse::gateway
