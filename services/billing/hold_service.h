// The RPCs of gatehouse.billing.v1.HoldService: check, hand over to the batch, reply
// when it has been committed. Not the rules (hold.h, account.h, batch_plan.h) and not
// the SQL (batch_store.h).
#pragma once

#include "gatehouse/billing/v1/hold.pb.h"
#include "libs/base/clock.h"
#include "libs/pg/database.h"
#include "libs/rpc/server.h"
#include "services/billing/money_batch.h"
#include "services/billing/price_book.h"

namespace gatehouse::billing {

// Thread-safe. Its end finishes what it was asked.
class HoldService {
 public:
  // All must outlive this.
  HoldService(pg::Database& db, PriceBooks& books);

  rpc::Service& rpc() { return rpc_; }

  // See hold.proto. They do not block; `reply` is called once, perhaps from another
  // thread, perhaps before they return.
  // A reservation that is not begun at its `deadline` is not made.
  void Reserve(const v1::ReserveRequest& request, rpc::Reply<v1::Hold> reply,
               SteadyTime deadline = SteadyTime::max());
  void Bind(const v1::BindRequest& request, rpc::Reply<v1::Hold> reply);
  void Capture(const v1::CaptureRequest& request, rpc::Reply<v1::CaptureResponse> reply);
  void Release(const v1::ReleaseRequest& request, rpc::Reply<v1::Hold> reply);

 private:
  rpc::Service rpc_;
  MoneyBatch batch_;
};

}  // namespace gatehouse::billing
