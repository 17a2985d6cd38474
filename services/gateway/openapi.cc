#include "services/gateway/openapi.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <map>
#include <set>

#include "google/protobuf/descriptor.h"
#include "libs/service/commands.h"
#include "services/gateway/error_page.h"
#include "services/gateway/openapi_data.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

namespace json = boost::json;

constexpr const char* kLimitHeaders[] = {"X-RateLimit-Limit", "X-RateLimit-Remaining",
                                         "X-RateLimit-Reset", "RateLimit", "RateLimit-Policy"};

json::object Data() { return json::parse(OpenApiData()).as_object(); }

json::object Reference(const std::string& kind, const std::string& name) {
  return {{"$ref", "#/components/" + kind + "/" + name}};
}

std::string KeyOf(const Route& route) { return route.method + " " + route.path; }

// The names of "{id}" in a path template.
std::vector<std::string> PathParameters(const std::string& path) {
  std::vector<std::string> names;
  for (std::size_t at = path.find('{'); at != std::string::npos; at = path.find('{', at)) {
    const std::size_t end = path.find('}', at);
    names.push_back(path.substr(at + 1, end - at - 1));
    at = end;
  }
  return names;
}

// The spellings of an enum of the protos, as `wanted` says: its name, the prefix that
// goes, and values that are spelled otherwise. Without the value 0.
json::array EnumValues(const json::object& wanted) {
  const std::string name(wanted.at("name").as_string());
  const std::string prefix(wanted.at("prefix").as_string());
  const json::object& spellings = wanted.at("spellings").as_object();
  const auto* type = google::protobuf::DescriptorPool::generated_pool()->FindEnumTypeByName(name);
  if (type == nullptr) std::abort();
  json::array values;
  for (int i = 0; i < type->value_count(); ++i) {
    if (type->value(i)->number() == 0) continue;
    std::string text = type->value(i)->name();
    if (text.starts_with(prefix)) text.erase(0, prefix.size());
    const json::value* spelled = spellings.if_contains(text);
    values.emplace_back(spelled != nullptr ? std::string(spelled->as_string()) : AsciiLower(text));
  }
  return values;
}

void FillEnums(json::value* value) {
  if (json::array* array = value->if_array()) {
    for (json::value& item : *array) FillEnums(&item);
  }
  json::object* object = value->if_object();
  if (object == nullptr) return;
  if (const json::value* wanted = object->if_contains("enum_of")) {
    (*object)["enum"] = EnumValues(wanted->as_object());
    object->stable_erase("enum_of");
  }
  for (auto& member : *object) FillEnums(&member.value());
}

bool IsPublic(const Route& route) { return route.audience == Audience::kPublic; }

json::array SecurityOf(const Route& route) {
  json::array security;
  if (IsPublic(route)) return security;
  if (route.audience == Audience::kOptional) security.push_back(json::object());
  for (const char* scheme : {"bearerAuth", "tokenAuth", "cookieAuth"}) {
    security.push_back(json::object{{scheme, json::array()}});
  }
  return security;
}

std::string AudienceText(const Route& route) {
  switch (route.audience) {
    case Audience::kNobody:
      return "Open to nobody.";
    case Audience::kPublic:
      return "Open to anybody.";
    case Audience::kOptional:
      return route.requirement.empty()
                 ? "Open to anybody; a credential may stand for what the body lacks."
                 : "Open to anybody; tells more to who has the permission `" + route.requirement +
                       "`.";
    case Audience::kUser:
      return "Open to every user.";
    case Audience::kRole:
      return "Needs the role `" + route.requirement + "`.";
    case Audience::kPermission:
      return "Needs the permission `" + route.requirement + "`.";
  }
  return "";
}

// Whether its answers say what is left.
bool IsCounted(Limit limit) { return limit != Limit::kNone && limit != Limit::kSigned; }

std::string LimitText(const Route& route) {
  switch (route.limit) {
    case Limit::kNone:
      return "";
    case Limit::kSigned:
      return " Wrong signatures are limited by client address.";
    case Limit::kAddress:
      return " Limited by client address.";
    case Limit::kUser:
      return IsPublic(route) ? " Limited by client address." : " Limited by user.";
    case Limit::kProxy:
      return " Limited by user, apart from the gateway's own routes.";
  }
  return "";
}

// "GET", "/v2/things/{id}" to "getV2ThingsId".
std::string OperationId(const Route& route) {
  std::string id = AsciiLower(route.method);
  bool begins_word = false;
  for (const char c : route.path) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool is_digit = c >= '0' && c <= '9';
    if (is_letter && begins_word) {
      id += static_cast<char>(c >= 'a' ? c - 'a' + 'A' : c);
    } else if (is_letter || is_digit) {
      id += c;
    }
    begins_word = !is_letter && !is_digit;
  }
  return id;
}

// Of a route that the configuration alone knows.
json::object GeneralOperation(const Route& route) {
  json::object operation{{"operationId", OperationId(route)},
                         {"summary", "Goes to " + route.upstream},
                         {"tags", json::array{"Configured"}}};
  json::object any{{"*/*", json::object{{"schema", json::object()}}}};
  if (route.method != "GET" && route.method != "DELETE") {
    operation["requestBody"] = json::object{{"required", false}, {"content", any}};
  }
  json::object answer{{"description", "What the upstream answers."}, {"content", any}};
  operation["responses"] = json::object{{"2XX", std::move(answer)}};
  operation["errors"] = json::array();
  return operation;
}

// Each {name} of the path that the data does not describe.
void AddPathParameters(const Route& route, json::object* operation) {
  if (!operation->contains("parameters")) (*operation)["parameters"] = json::array();
  json::array& parameters = operation->at("parameters").as_array();
  for (const std::string& name : PathParameters(route.path)) {
    const bool known = std::any_of(parameters.begin(), parameters.end(), [&](const auto& one) {
      return one.at("name").as_string() == name && one.at("in").as_string() == "path";
    });
    if (known) continue;
    parameters.push_back(json::object{{"name", name},
                                      {"in", "path"},
                                      {"required", true},
                                      {"schema", json::object{{"type", "string"}}}});
  }
  if (parameters.empty()) operation->stable_erase("parameters");
}

// What a request that is not valid gets on the surface of `path`.
std::string InvalidStatus(const std::string& path) {
  Problem problem = ProblemOf(400);
  AdaptToSurface(path, &problem);
  return std::to_string(problem.status);
}

// The errors that follow from what kind of route it is, beside those in the data.
std::vector<std::string> ErrorsOf(const Route& route, const json::object& operation) {
  std::vector<std::string> errors = {"default"};
  const bool has_body = operation.contains("requestBody");
  const bool has_path = route.path.find('{') != std::string::npos;
  const auto add = [&](bool holds, const std::string& status) {
    if (holds) errors.push_back(status);
  };
  add(has_body || operation.contains("parameters"), InvalidStatus(route.path));
  const bool needs_user = !IsPublic(route) && route.audience != Audience::kOptional;
  add(needs_user, "401");
  add(needs_user, "403");
  add(has_path, "404");
  add(has_body, "413");
  add(has_body, "415");
  add(route.limit != Limit::kNone, "429");
  add(!route.upstream.empty(), "502");
  add(route.limit != Limit::kNone || route.timeout != Timeout::kQuick, "503");
  add(route.timeout != Timeout::kQuick && route.timeout != Timeout::kStream, "504");
  for (const json::value& status : operation.at("errors").as_array()) {
    errors.emplace_back(status.as_string());
  }
  return errors;
}

void AddResponses(const Route& route, json::object* operation) {
  std::map<std::string, json::value> by_status;  // In the order of their numbers.
  for (const std::string& status : ErrorsOf(route, *operation)) {
    by_status[status] = Reference("responses", "Error-" + status);
  }
  for (auto& response : operation->at("responses").as_object()) {
    json::object& own = response.value().as_object();
    if (!own.contains("headers")) own["headers"] = json::object();
    json::object& headers = own["headers"].as_object();
    headers["X-Request-ID"] = Reference("headers", "X-Request-ID");
    for (const char* name : kLimitHeaders) {
      if (IsCounted(route.limit)) headers[name] = Reference("headers", name);
    }
    by_status[response.key()] = std::move(own);
  }
  json::object responses;
  for (auto& [status, response] : by_status) responses[status] = std::move(response);
  (*operation)["responses"] = std::move(responses);
  operation->stable_erase("errors");
}

json::object Operation(const Route& route, const json::object& described) {
  const json::value* found = described.if_contains(KeyOf(route));
  json::object operation = found != nullptr ? found->as_object() : GeneralOperation(route);
  std::string text = AudienceText(route) + LimitText(route);
  if (const json::value* own = operation.if_contains("description")) {
    text = std::string(own->as_string()) + " " + text;
  }
  operation["description"] = text;
  AddPathParameters(route, &operation);
  AddResponses(route, &operation);
  operation["security"] = SecurityOf(route);
  if (route.audience == Audience::kPermission) operation["x-permission"] = route.requirement;
  if (route.audience == Audience::kRole) operation["x-role"] = route.requirement;
  if (!route.upstream.empty()) operation["x-upstream"] = route.upstream;
  return operation;
}

json::object ErrorContent() {
  return {{"application/json", json::object{{"schema", Reference("schemas", "Error")}}},
          {"application/problem+json",
           json::object{{"schema", Reference("schemas", "ProblemDetails")}}}};
}

json::object ErrorResponses(const json::object& descriptions) {
  json::object responses;
  for (const auto& one : descriptions) {
    const std::string status(one.key());
    json::object headers{{"X-Request-ID", Reference("headers", "X-Request-ID")}};
    if (status == "401") headers["WWW-Authenticate"] = Reference("headers", "WWW-Authenticate");
    if (status == "429") {
      for (const char* name : kLimitHeaders) headers[name] = Reference("headers", name);
    }
    if (status == "429" || status == "503") {
      headers["Retry-After"] = Reference("headers", "Retry-After");
    }
    responses["Error-" + status] = json::object{
        {"description", one.value()}, {"headers", std::move(headers)}, {"content", ErrorContent()}};
  }
  return responses;
}

// A component that nothing refers to is a finding of every linter.
void DropUnused(const json::object& paths, json::object* responses) {
  std::set<std::string> used;
  for (const auto& path : paths) {
    for (const auto& operation : path.value().as_object()) {
      for (const auto& response : operation.value().at("responses").as_object()) {
        used.emplace("Error-" + std::string(response.key()));
      }
    }
  }
  for (auto one = responses->begin(); one != responses->end();) {
    one = used.contains(std::string(one->key())) ? one + 1 : responses->stable_erase(one);
  }
}

}  // namespace

std::string OpenApiDocument(const RouteTable& table) {
  json::object data = Data();
  const json::object& described = data.at("operations").as_object();
  json::object paths;
  bool has_configured = false;
  for (const Route& route : table.routes()) {
    if (!paths.contains(route.path)) paths[route.path] = json::object();
    json::object& path = paths[route.path].as_object();
    path[AsciiLower(route.method)] = Operation(route, described);
    has_configured |= !described.contains(KeyOf(route));
  }
  json::object components = data.at("components").as_object();
  components["responses"] = ErrorResponses(data.at("errors").as_object());
  DropUnused(paths, &components["responses"].as_object());
  components["securitySchemes"] = data.at("security");
  json::array tags = data.at("tags").as_array();
  if (has_configured) {
    tags.push_back(json::object{{"name", "Configured"},
                                {"description", "What this installation's configuration adds."}});
  }
  json::object info = data.at("info").as_object();
  info["version"] = service::Version();
  json::value document = json::object{{"openapi", "3.1.0"},
                                      {"info", std::move(info)},
                                      {"servers", json::array{json::object{{"url", "/"}}}},
                                      {"tags", std::move(tags)},
                                      {"paths", std::move(paths)},
                                      {"components", std::move(components)}};
  FillEnums(&document);
  return json::serialize(document);
}

std::vector<std::string> DescribedOperations() {
  const json::object data = Data();
  std::vector<std::string> keys;
  for (const auto& operation : data.at("operations").as_object()) {
    keys.emplace_back(operation.key());
  }
  return keys;
}

}  // namespace gatehouse::gateway
