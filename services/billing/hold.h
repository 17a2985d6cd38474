// Money set aside for one purpose, and the life of it: reserve, bind, capture,
// release, expire. Every step moves the hold and its account together, so that
// an account's held money is the sum over its holds. Pure: times come in. What is
// captured is booked by Book (ledger.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "libs/base/clock.h"
#include "libs/status/status.h"
#include "services/billing/account.h"

namespace gatehouse::billing {

enum class HoldState { kReserved, kBound, kCaptured, kReleased, kExpired };

// "reserved", "bound", …: as stored.
const char* HoldStateText(HoldState state);
HoldState ParseHoldState(const std::string& text);

struct Hold {
  std::string key;  // UUID of what it pays for.
  std::int64_t tenant_id = 0;
  std::string request_hash;  // Of the Reserve request; never changes.
  HoldState state = HoldState::kReserved;
  std::int64_t estimate_nanos = 0;
  std::int64_t held_nanos = 0;      // Set aside now; 0 unless reserved or bound.
  std::int64_t captured_nanos = 0;  // Booked so far.
  int capture_count = 0;
  Decision decision;
  int price_version = 0;         // Of the book that priced the estimate.
  Time expire_time;              // Of the reservation.
  bool was_bound = false;        // Ever.
  std::string tool;              // What the money is for.
  std::string outcome;           // How the work ended; empty while not told.
  std::optional<Time> end_time;  // Of the work.

  // Sets `estimate_nanos` aside, as decided. Only for a new hold or a
  // CanReserveAgain one.
  void Reserve(std::int64_t estimate, const Decision& decided, Account* account);

  // Whether the reservation has ended without being used, so that a repeated
  // Reserve must decide anew: what was set aside has been given back.
  bool CanReserveAgain() const;

  // Gives an unbound reservation back when its time is over at `now`; nothing
  // otherwise.
  void ExpireAt(Time now, Account* account);

  // Ends the time limit; sets the rest of the estimate aside again when it was
  // given back, whatever the policy says. Nothing when bound or captured.
  void Bind(Account* account);

  // Counts `amount_nanos` as captured and gives as much back, at most what is held;
  // `final` gives the rest back. FAILED_PRECONDITION / HOLD_CLOSED after a final
  // capture; legal in every other state.
  absl::Status Capture(std::int64_t amount_nanos, bool final, Account* account);

  // Gives back what is held. Nothing when captured or released.
  void Release(Account* account);

  // Takes down how the work ended, "" for not told, and when. What was taken down
  // first stays.
  void End(const std::string& how, Time now);

  // The hold as Reserve answered it.
  Hold AsReserved() const;

 private:
  void GiveBack(std::int64_t nanos, Account* account);
};

}  // namespace gatehouse::billing
