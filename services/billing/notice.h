// Mail that is owed to a tenant: appended with what it tells, sent and then deleted by a
// sender beside the service, which any number of replicas may run. Not the words
// (notice_text.h) and not the mail server (libs/mail).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "libs/exec/pool.h"
#include "libs/mail/mail.h"
#include "libs/pg/database.h"
#include "libs/rpc/client.h"

namespace gatehouse::billing {

// Appends a notice in the caller's transaction: it is sent once that has committed.
// `kind`: "low_balance", "payment_failed" or "auto_topup_failed". `data_json`: an object;
// the text uses of it, where present, "balance_cents" and "threshold_cents" (whole
// numbers), "amount_cents" (what could not be charged) and "reason" (for people).
absl::Status AppendNotice(pg::Tx& tx, std::int64_t tenant_id, const std::string& kind,
                          const std::string& data_json);

// The same for kind "low_balance", but at most once in an hour per tenant, however often
// its balance crosses the threshold. The account must be locked.
absl::Status AppendLowBalanceNotice(pg::Tx& tx, std::int64_t tenant_id,
                                    const std::string& data_json);

// Sends notices from a thread of its own. A notice that was claimed is left alone by
// others for five minutes; a failure is tried again later and later for a day, then given
// up. A crash may send one mail of it twice, never none.
class NoticeSender {
 public:
  // All must outlive this. `auth` tells the tenants' contacts.
  NoticeSender(pg::Database& db, rpc::Client& auth, mail::Mailer& mailer);

  // Looks for notices now. Thread-safe.
  void Wake() { ticker_.Wake(); }

 private:
  struct Claimed;
  std::chrono::milliseconds Step();
  absl::StatusOr<bool> SendNext();
  absl::Status Send(const Claimed& notice);

  pg::Database& db_;
  rpc::Client& auth_;
  mail::Mailer& mailer_;
  exec::Ticker ticker_;  // last: stops before the rest goes
};

}  // namespace gatehouse::billing
