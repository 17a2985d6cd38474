#include "libs/service/readiness.h"

#include <utility>

#include "libs/log/log.h"

namespace gatehouse::service {
namespace {

constexpr std::chrono::milliseconds kPause{1000};
constexpr std::chrono::milliseconds kPauseAtStart{50};
constexpr std::chrono::seconds kStartMax{2};

}  // namespace

Readiness::Readiness(rpc::Server& server, pg::Database* db, std::function<absl::Status()> ready)
    : server_(server),
      db_(db),
      ready_(std::move(ready)),
      gauge_(metrics::GetGauge("gatehouse_ready", "1 while the process can serve, else 0.")),
      start_(std::chrono::steady_clock::now()) {
  gauge_.Set(0);
}

void Readiness::Check() {
  const absl::Status status = Ask();
  was_ready_ = was_ready_ || status.ok();
  settled_ = was_ready_ || std::chrono::steady_clock::now() - start_ >= kStartMax;
  if (asked_ && status == last_) return;

  if (!asked_ || status.ok() != serving_) Tell(status.ok());
  asked_ = true;
  last_ = status;
  if (serving_) {
    log::Info("ready");
  } else {
    log::Warning("not ready",
                 {{"reason", Reason(status)}, {"error", std::string(status.message())}});
  }
}

void Readiness::End() { Tell(false); }

void Readiness::Tell(bool serving) {
  serving_ = serving;
  server_.SetServing(serving);
  gauge_.Set(serving ? 1 : 0);
}

std::chrono::milliseconds Readiness::pause() const { return settled_ ? kPause : kPauseAtStart; }

absl::Status Readiness::Ask() {
  if (db_ != nullptr) GH_RETURN_IF_ERROR(db_->Ping());
  return ready_ ? ready_() : absl::OkStatus();
}

}  // namespace gatehouse::service
