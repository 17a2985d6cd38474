// Domain types as messages of the API, where they leave the service. Not the
// other way round: requests come in through request_check.h.
#pragma once

#include "gatehouse/billing/v1/account.pb.h"
#include "gatehouse/billing/v1/hold.pb.h"
#include "services/billing/account.h"
#include "services/billing/batch_plan.h"
#include "services/billing/hold.h"
#include "services/billing/ledger_store.h"

namespace gatehouse::billing {

type::v1::Money ToMoney(std::int64_t amount_nanos);
v1::Account ToProto(const Account& account);
v1::Hold ToProto(const Hold& hold);
// Of a capture.
v1::CaptureResponse ToProto(const Answer& answer);
v1::LedgerEntry ToProto(const LedgerEntry& entry);

}  // namespace gatehouse::billing
