// The RPCs of gatehouse.billing.v1.PriceService: check, one transaction, reply. Not the
// rules (price_change.h) and not the SQL (price_store.h).
#pragma once

#include "gatehouse/billing/v1/price.pb.h"
#include "libs/pg/database.h"
#include "libs/rpc/server.h"
#include "services/billing/price_book.h"

namespace gatehouse::billing {

// Thread-safe.
class PriceService {
 public:
  // Both must outlive this.
  PriceService(pg::Database& db, PriceBooks& books);

  rpc::Service& rpc() { return rpc_; }

  // See price.proto. Publishing is idempotent by its content.
  absl::StatusOr<v1::PriceBook> GetPriceBook(const v1::GetPriceBookRequest& request);
  absl::StatusOr<v1::ListPriceBooksResponse> ListPriceBooks(
      const v1::ListPriceBooksRequest& request);
  absl::StatusOr<v1::PublishPricesResponse> PublishPrices(const v1::PublishPricesRequest& request);

 private:
  pg::Database& db_;
  PriceBooks& books_;
  rpc::Service rpc_;
};

}  // namespace gatehouse::billing
