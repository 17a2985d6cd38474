#include <algorithm>
#include <mutex>

#include "libs/base/secret.h"
#include "services/gateway/openapi.h"
#include "services/gateway/page_asset.h"
#include "services/gateway/request_context.h"
#include "services/gateway/routes.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

// A page's own scripts and styles, the document, pictures within styles, and the
// worker that Redoc's search makes of its own script. Both viewers write styles.
constexpr char kPagePolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; worker-src blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";
constexpr char kRevalidate[] = "no-cache";
constexpr char kForEver[] = "public, max-age=31536000, immutable";

// Whether the client has the version `etag` already.
bool HasVersion(const http::Request& request, const std::string& etag) {
  const auto known = request.Find("If-None-Match");
  if (!known) return false;
  const auto list = SplitList(*known);
  return std::any_of(list.begin(), list.end(), [&](std::string_view one) {
    if (one.starts_with("W/")) one.remove_prefix(2);
    return one == etag || one == "*";
  });
}

// Whether Accept-Encoding names gzip with a weight above zero.
bool AcceptsGzip(const http::Request& request) {
  const auto accepted = request.Find("Accept-Encoding");
  if (!accepted) return false;
  for (const std::string_view coding : SplitList(*accepted)) {
    const std::size_t semicolon = coding.find(';');
    if (!SameAsciiText(Trim(coding.substr(0, semicolon)), "gzip")) continue;
    const std::size_t weight = coding.find("q=0");
    return weight == std::string_view::npos ||
           coding.find_first_of("123456789", weight + 3) != std::string_view::npos;
  }
  return false;
}

// 304 without `body` when the client has it already.
http::Response Versioned(const http::Request& request, const std::string& etag,
                         const char* cache_control, std::string_view type, std::string_view body) {
  http::Response response;
  response.headers.push_back({"ETag", etag});
  response.headers.push_back({"Cache-Control", cache_control});
  if (HasVersion(request, etag)) {
    response.status = 304;
    return response;
  }
  response.headers.push_back({"Content-Type", std::string(type)});
  response.body = body;
  return response;
}

// The document of one route table, made when it is first asked for. The table of the
// next configuration has handlers of its own, and so its own document.
class Document {
 public:
  void Reply(const Context& context) {
    std::call_once(made_, [&] {
      json_ = OpenApiDocument(context->snapshot().table);
      etag_ = "\"" + Sha256Hex(json_).substr(0, 16) + "\"";
    });
    context->Reply(Versioned(context->request(), etag_, kRevalidate, "application/json", json_));
  }

 private:
  std::once_flag made_;
  std::string json_;
  std::string etag_;
};

void ReplyAsset(const Context& context, const PageAsset& asset, const char* cache_control) {
  const bool packed = AcceptsGzip(context->request());
  const std::string etag = "\"" + std::string(asset.hash) + (packed ? "-gzip\"" : "\"");
  http::Response response = Versioned(context->request(), etag, cache_control, asset.type,
                                      packed ? asset.gzip : asset.plain);
  response.headers.push_back({"Vary", "Accept-Encoding"});
  if (packed && response.status == 200) response.headers.push_back({"Content-Encoding", "gzip"});
  if (asset.type.starts_with("text/html")) {
    response.headers.push_back({"Content-Security-Policy", kPagePolicy});
  }
  context->Reply(std::move(response));
}

const PageAsset* FindAsset(std::string_view name) {
  for (const PageAsset& asset : PageAssets()) {
    if (asset.name == name) return &asset;
  }
  return nullptr;
}

Handler Page(const char* name) {
  return [asset = FindAsset(name)](const Context& context) {
    ReplyAsset(context, *asset, kRevalidate);
  };
}

void GetAsset(const Context& context) {
  const PageAsset* asset = FindAsset(context->PathText("file"));
  // The pages have paths of their own.
  if (asset == nullptr || asset->type.starts_with("text/html")) {
    return context->Fail(ProblemOf(404));
  }
  ReplyAsset(context, *asset, kForEver);
}

void AddPublic(RouteTable& table, const char* path, Handler handler) {
  table.Add({.method = "GET",
             .path = path,
             .audience = Audience::kPublic,
             .timeout = Timeout::kQuick,
             .handler = std::move(handler)});
}

}  // namespace

void AddDocumentRoutes(RouteTable& table) {
  const auto document = std::make_shared<Document>();
  for (const char* path : {"/openapi.json", "/api/v1/openapi.json"}) {
    AddPublic(table, path, [document](const Context& context) { document->Reply(context); });
  }
  AddPublic(table, "/docs", Page("docs.html"));
  AddPublic(table, "/redoc", Page("redoc.html"));
  AddPublic(table, "/docs/assets/{file}", GetAsset);
}

}  // namespace gatehouse::gateway
