#include "services/billing/price_service.h"

#include <optional>

#include "gatehouse/billing/v1/price.methods.h"
#include "google/protobuf/timestamp.pb.h"
#include "libs/rpc/timestamp.h"
#include "services/billing/price_change.h"
#include "services/billing/price_store.h"

namespace gatehouse::billing {
namespace {

v1::PriceBook ToProto(const PriceBookRow& row) {
  v1::PriceBook book;
  book.set_version(row.version);
  *book.mutable_effective_time() = rpc::ToTimestamp(row.effective_time);
  *book.mutable_create_time() = rpc::ToTimestamp(row.create_time);
  book.set_notes(row.notes);
  book.set_in_force(row.in_force);
  return book;
}

void AddPrices(const Prices& prices, v1::PriceBook* book) {
  for (const auto& [key, price] : prices) {
    v1::Price& added = *book->add_prices();
    added.set_line_type(key.first);
    added.set_resource(key.second);
    added.set_unit_nanos(price.unit_nanos);
    added.set_per_units(price.per_units);
  }
}

}  // namespace

PriceService::PriceService(pg::Database& db, PriceBooks& books)
    : db_(db), books_(books), rpc_(v1::PriceService::kFullName) {
  const rpc::Policy by_gateway{.callers = {"gateway"}};
  rpc_.Unary(
      v1::PriceService::kGetPriceBook, by_gateway,
      [this](rpc::Call&, const v1::GetPriceBookRequest& request) { return GetPriceBook(request); });
  rpc_.Unary(v1::PriceService::kListPriceBooks, by_gateway,
             [this](rpc::Call&, const v1::ListPriceBooksRequest& request) {
               return ListPriceBooks(request);
             });
  rpc_.Unary(v1::PriceService::kPublishPrices, by_gateway,
             [this](rpc::Call&, const v1::PublishPricesRequest& request) {
               return PublishPrices(request);
             });
}

absl::StatusOr<v1::PriceBook> PriceService::GetPriceBook(const v1::GetPriceBookRequest& request) {
  return db_.Read([&](pg::Tx& tx) -> absl::StatusOr<v1::PriceBook> {
    const std::optional<PriceBookRow> row = FindPriceBook(tx, request.version());
    if (!row) {
      return Error(absl::StatusCode::kNotFound, "PRICE_BOOK_NOT_FOUND",
                   "there is no such version of the price book");
    }
    v1::PriceBook book = ToProto(*row);
    AddPrices(books_.Find(tx, row->version)->prices, &book);
    return book;
  });
}

absl::StatusOr<v1::ListPriceBooksResponse> PriceService::ListPriceBooks(
    const v1::ListPriceBooksRequest&) {
  return db_.Read([](pg::Tx& tx) -> absl::StatusOr<v1::ListPriceBooksResponse> {
    v1::ListPriceBooksResponse response;
    for (const PriceBookRow& row : billing::ListPriceBooks(tx)) {
      *response.add_books() = ToProto(row);
    }
    return response;
  });
}

absl::StatusOr<v1::PublishPricesResponse> PriceService::PublishPrices(
    const v1::PublishPricesRequest& request) {
  GH_ASSIGN_OR_RETURN(const PriceChange change, CheckPublish(request));
  GH_ASSIGN_OR_RETURN(const Publication made, billing::PublishPrices(db_, change));
  if (made.published) LogPublication(made);
  v1::PublishPricesResponse response;
  *response.mutable_book() = ToProto(made.book);
  AddPrices(made.after, response.mutable_book());
  response.set_published(made.published);
  return response;
}

}  // namespace gatehouse::billing
