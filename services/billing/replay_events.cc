#include "services/billing/replay_events.h"

#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "libs/base/time_text.h"
#include "services/billing/event_inbox.h"
#include "services/billing/event_store.h"
#include "services/billing/money.h"

namespace gatehouse::billing {
namespace {

constexpr char kUsage[] =
    "Usage: billing replay-events [--event ID] [--since TIME] [--dry-run]\n"
    "       billing replay-events --dismiss ID\n"
    "\n"
    "Handles the events from Stripe again whose handling failed, the oldest first, and\n"
    "prints what became of each; exit code 1 when one still fails. Safe to run again, and\n"
    "beside the service: an event that was handled meanwhile is skipped.\n"
    "\n"
    "  --event ID    this event only\n"
    "  --since TIME  only what came at TIME (RFC 3339) or later\n"
    "  --dry-run     prints which events there are, and changes nothing\n"
    "  --dismiss ID  gives up this event, whose handling can never succeed: it is kept as\n"
    "                ignored, and Stripe is told so when it sends it again\n";

struct Arguments {
  std::string event_id;
  std::optional<Time> since;
  bool is_dry_run = false;
  std::string dismissed_id;
};

// nullopt, with the problem on standard error.
std::optional<Arguments> ReadArguments(const std::vector<std::string>& words) {
  Arguments arguments;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool has_value = i + 1 < words.size();
    if (words[i] == "--dry-run") {
      arguments.is_dry_run = true;
    } else if (words[i] == "--event" && has_value && IsStripeId(words[i + 1])) {
      arguments.event_id = words[++i];
    } else if (words[i] == "--dismiss" && has_value && words.size() == 2 &&
               IsStripeId(words[i + 1])) {
      arguments.dismissed_id = words[++i];
    } else if (words[i] == "--since" && has_value && ParseTime(words[i + 1])) {
      arguments.since = ParseTime(words[++i]);
    } else {
      std::cerr << "billing replay-events: what does " << words[i] << " mean?\n\n" << kUsage;
      return std::nullopt;
    }
  }
  return arguments;
}

// Whether it is done.
bool Replay(EventInbox& inbox, const FailedEvent& event) {
  const absl::StatusOr<v1::ReceiveEventResponse> response = inbox.HandleKept(event.id);
  std::cout << event.id << " " << event.type << ": ";
  if (!response.ok()) {
    std::cout << "still fails: " << response.status().message() << "\n";
    return false;
  }
  std::cout << response->status();
  if (!response->reason().empty()) std::cout << ", " << response->reason();
  if (response->tenant_id() != 0) std::cout << ", tenant " << response->tenant_id();
  if (response->has_amount()) {
    std::cout << ", " << FormatDollars(response->amount().amount_nanos());
  }
  std::cout << "\n";
  return true;
}

int Dismiss(pg::Database& db, const std::string& event_id) {
  // In doubt, the next run finds that it was done.
  const absl::StatusOr<bool> dismissed = db.InTransaction(
      [&](pg::Tx& tx) -> absl::StatusOr<bool> { return DismissEvent(tx, event_id); });
  if (!dismissed.ok()) {
    std::cerr << "billing replay-events: " << dismissed.status().message() << "\n";
    return 1;
  }
  std::cout << event_id << (*dismissed ? ": dismissed\n" : ": there is no such failed event\n");
  return *dismissed ? 0 : 1;
}

int RunReplayEvents(service::Process& process) {
  const std::optional<Arguments> arguments = ReadArguments(process.arguments());
  if (!arguments) return 2;
  pg::Database db(process.DatabaseOptions());
  if (!arguments->dismissed_id.empty()) return Dismiss(db, arguments->dismissed_id);
  using Events = std::vector<FailedEvent>;
  const absl::StatusOr<Events> events = db.Read([&](pg::Tx& tx) -> absl::StatusOr<Events> {
    return ListFailedEvents(tx, arguments->since, arguments->event_id);
  });
  if (!events.ok()) {
    std::cerr << "billing replay-events: " << events.status().message() << "\n";
    return 1;
  }
  EventInbox inbox(db, {}, process.clock());
  std::size_t done = 0;
  for (const FailedEvent& event : *events) {
    if (arguments->is_dry_run) {
      std::cout << event.id << " " << event.type << ": came at " << FormatTime(event.receive_time)
                << ", attempts " << event.attempts << ", " << event.error << "\n";
    } else if (Replay(inbox, event)) {
      ++done;
    }
  }
  std::cout << events->size() << " failed events";
  if (!arguments->is_dry_run) std::cout << ", " << done << " handled now";
  std::cout << "\n";
  return arguments->is_dry_run || done == events->size() ? 0 : 1;
}

}  // namespace

service::Command ReplayEventsCommand() {
  return {.name = "replay-events",
          .help = "Handles the events from Stripe again whose handling failed.",
          .run = RunReplayEvents,
          .usage = kUsage};
}

}  // namespace gatehouse::billing
