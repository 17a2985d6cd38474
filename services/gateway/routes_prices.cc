// The price book: its versions, and publishing a new one.
#include "absl/strings/str_cat.h"
#include "gatehouse/billing/v1/price.methods.h"
#include "libs/rpc/timestamp.h"
#include "services/gateway/audit.h"
#include "services/gateway/cents.h"
#include "services/gateway/request_context.h"
#include "services/gateway/routes.h"

namespace gatehouse::gateway {
namespace {

namespace bill = billing::v1;
using bill::PriceService;

constexpr std::size_t kPricesMax = 5000;
constexpr std::int64_t kUnitNanosMax = 1'000'000'000'000'000;
constexpr std::int64_t kPerUnitsMax = 1'000'000'000'000;
constexpr int kNanoPlaces = 9;

void WriteBookMembers(const bill::PriceBook& book, JsonWriter& json) {
  json.Field("version", book.version());
  json.TimeField("effective_time", book.has_effective_time(), book.effective_time());
  json.TimeField("create_time", book.has_create_time(), book.create_time());
  json.Field("notes", book.notes()).Field("in_force", book.in_force());
}

void WriteBook(const bill::PriceBook& book, JsonWriter& json) {
  WriteBookMembers(book, json);
  json.Key("prices").BeginArray();
  for (const bill::Price& price : book.prices()) {
    json.BeginObject().Field("line_type", price.line_type()).Field("resource", price.resource());
    json.Key("price_dollars").Raw(ExactDollarsText(price.unit_nanos()));
    json.Field("price_nanos", price.unit_nanos()).Field("per_units", price.per_units());
    json.EndObject();
  }
  json.EndArray();
}

absl::StatusOr<bill::GetPriceBookRequest> ReadVersion(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(Query query, context.Arguments());
  bill::GetPriceBookRequest request;
  request.set_version(static_cast<int>(query.Number("version", 0, 0, INT32_MAX)));
  GH_RETURN_IF_ERROR(query.Finish());
  return request;
}

void GetPrices(const Context& context) {
  const auto request = ReadVersion(*context);
  if (!request.ok()) return context->Fail(request.status());
  context->CallOrFail(*context->upstreams().billing, PriceService::kGetPriceBook, *request,
                      [context](const bill::PriceBook& book) {
                        JsonWriter json;
                        json.BeginObject();
                        WriteBook(book, json);
                        context->ReplyJson(200, json.EndObject().Take());
                      });
}

void ListVersions(const Context& context) {
  context->CallOrFail(
      *context->upstreams().billing, PriceService::kListPriceBooks, bill::ListPriceBooksRequest(),
      [context](const bill::ListPriceBooksResponse& page) {
        JsonWriter json;
        json.BeginArray();
        for (const bill::PriceBook& book : page.books()) {
          json.BeginObject();
          WriteBookMembers(book, json);
          json.EndObject();
        }
        http::Response response = JsonResponse(200, json.EndArray().Take());
        response.headers.push_back({"X-Total-Count", std::to_string(page.books_size())});
        context->Reply(std::move(response));
      });
}

void ReadAmount(JsonBody& item, bill::Price* price) {
  const auto dollars = item.DecimalOrText("price_dollars", kNanoPlaces, 0, kUnitNanosMax);
  const auto nanos = item.Int("price_nanos", 0, kUnitNanosMax);
  if (item.Has("price_dollars") == item.Has("price_nanos")) {
    item.Note("price_dollars", "either this or price_nanos is required");
  }
  price->set_unit_nanos(dollars.value_or(nanos.value_or(0)));
  price->set_per_units(item.Int("per_units", 1, kPerUnitsMax).value_or(1));
}

// The objects of the list `name`; `add` makes a message of each. What is wrong with one
// is noted as "name[2].field".
template <typename Add>
void ReadPrices(JsonBody& body, const std::string& name, bool with_amount, Add add) {
  const auto items = body.Objects(name, kPricesMax);
  if (!items) return;
  for (std::size_t i = 0; i < items->size(); ++i) {
    const std::string path = name + '[' + std::to_string(i) + ']';
    absl::StatusOr<JsonBody> item = JsonBody::Parse((*items)[i]);
    if (!item.ok()) {
      body.Note(path, std::string(item.status().message()));
      continue;
    }
    bill::Price* const price = add();
    price->set_line_type(item->RequiredText("line_type", 50));
    price->set_resource(item->RequiredText("resource", 200));
    if (with_amount) ReadAmount(*item, price);
    for (const auto& [field, problem] : FieldViolations(item->Finish())) {
      body.Note(absl::StrCat(path, ".", field), problem);
    }
  }
}

absl::StatusOr<bill::PublishPricesRequest> ReadPublish(const RequestContext& context) {
  GH_ASSIGN_OR_RETURN(JsonBody body, context.Body());
  bill::PublishPricesRequest request;
  ReadPrices(body, "prices", true, [&] { return request.add_prices(); });
  ReadPrices(body, "removed", false, [&] { return request.add_removed(); });
  request.set_replace(body.Bool("replace").value_or(false));
  if (const auto time = body.DateTime("effective_time")) {
    *request.mutable_effective_time() = rpc::ToTimestamp(*time);
  }
  request.set_notes(body.Text("notes", 500).value_or(""));
  if (!body.Has("prices") && !body.Has("removed")) {
    body.Note("prices", "either this or removed is required");
  }
  GH_RETURN_IF_ERROR(body.Finish());
  return request;
}

void ReplyPublished(const Context& context, const bill::PublishPricesResponse& published) {
  JsonWriter json;
  json.BeginObject().Field("published", published.published());
  WriteBook(published.book(), json);
  context->ReplyJson(published.published() ? 201 : 200, json.EndObject().Take());
}

void PublishPrices(const Context& context) {
  const auto request = ReadPublish(*context);
  if (!request.ok()) return context->Fail(request.status());
  JsonWriter details;
  details.BeginObject().Field("action", "prices_published");
  details.Field("prices", request->prices_size()).Field("removed", request->removed_size());
  details.Field("replace", request->replace());
  details.TimeField("effective_time", request->has_effective_time(), request->effective_time());
  details.Field("notes", request->notes()).EndObject();
  const auto event = MakeAuditEvent(*context, "admin_action", "price-book", details.Take());
  AuditThen(context, event, [context, request = *request, event] {
    context->Call(*context->upstreams().billing, PriceService::kPublishPrices, request,
                  [context, event](const absl::StatusOr<bill::PublishPricesResponse>& published) {
                    if (published.ok()) return ReplyPublished(context, *published);
                    FailAudited(context, event, published.status(), "billing");
                  });
  });
}

void AddAdminRoute(RouteTable& table, const char* method, const char* path, Handler handler) {
  table.Add({.method = method,
             .path = path,
             .audience = Audience::kPermission,
             .requirement = "manage_billing",
             .handler = std::move(handler)});
}

}  // namespace

void AddPriceRoutes(RouteTable& table) {
  AddAdminRoute(table, "GET", "/api/billing/admin/prices/", GetPrices);
  AddAdminRoute(table, "GET", "/api/billing/admin/prices/versions/", ListVersions);
  AddAdminRoute(table, "POST", "/api/billing/admin/prices/", PublishPrices);
}

}  // namespace gatehouse::gateway
