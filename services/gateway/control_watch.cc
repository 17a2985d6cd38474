#include "services/gateway/control_watch.h"

#include <algorithm>
#include <mutex>

#include "gatehouse/auth/v1/control.methods.h"
#include "libs/log/log.h"

namespace gatehouse::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kStep{50};
constexpr milliseconds kBackOffMin{100};
constexpr milliseconds kBackOffMax{2000};
constexpr std::int64_t kNothingHeard = -1;

}  // namespace

// Who is told of flushes, over all streams.
struct ControlWatch::Flushes {
  void Take(const auth::v1::ControlUpdate& update) {
    if (update.has_snapshot() || update.has_flush()) clear_caches();
    if (update.has_snapshot()) Note(update.snapshot().flush_sequence(), update.sequence());
    // Without a user auth itself asks for what was cached to be looked up again.
    if (update.has_flush() && !update.flush().user_id().empty()) {
      Note(update.sequence(), update.sequence());
    }
  }

  // The latest flush that auth knows of (0: none lately) while it counts up to `head`.
  void Note(std::int64_t flush, std::int64_t head) {
    std::lock_guard lock(mutex);
    // One that was long ago is forgotten there; a database that was restored or made anew
    // counts from lower on.
    const bool is_old = flush == 0 && last <= head && last != kNothingHeard;
    if (flush == last || is_old) return;
    last = flush;
    if (reset_limits) reset_limits(flush, head);
  }

  const std::function<void()> clear_caches;
  const ResetLimits reset_limits;
  std::mutex mutex;
  std::int64_t last = kNothingHeard;  // guarded by mutex
};

// One stream's life. Its callbacks may come after the watch has gone on to
// another stream, or has ended; `is_closed` then makes them do nothing.
struct ControlWatch::Stream {
  Stream(ControlState& the_control, std::shared_ptr<Flushes> the_flushes)
      : control(the_control), flushes(std::move(the_flushes)) {}

  void Receive(const auth::v1::ControlUpdate& update) {
    std::lock_guard lock(mutex);
    // What comes before a snapshot says nothing of what was missed.
    if (is_closed || (!got_snapshot && !update.has_snapshot())) return;
    heard = steady_clock::now();
    got_snapshot = true;
    control.Apply(update, heard);
    flushes->Take(update);
  }

  void End(const absl::Status& status) {
    std::lock_guard lock(mutex);
    has_ended = true;
    if (is_closed || !got_snapshot) return;
    log::Warning("the control stream ended", {{"code", static_cast<int>(status.code())}});
  }

  bool IsOver(SteadyTime now) {
    std::lock_guard lock(mutex);
    return has_ended || now - heard > ControlState::kSilenceMax;
  }

  // Waits for a callback under way; none does anything afterwards.
  void Close() {
    {
      std::lock_guard lock(mutex);
      is_closed = true;
    }
    if (call) call->Cancel();
    call.reset();  // It holds the callbacks, which hold this.
  }

  ControlState& control;
  const std::shared_ptr<Flushes> flushes;
  std::mutex mutex;
  SteadyTime heard = steady_clock::now();  // guarded by mutex
  bool got_snapshot = false;               // guarded by mutex
  bool has_ended = false;                  // guarded by mutex
  bool is_closed = false;                  // guarded by mutex
  std::shared_ptr<rpc::CancelHandle> call;
};

ControlWatch::ControlWatch(std::string gateway_id, rpc::Client& auth, ControlState& control,
                           std::function<void()> clear_caches, ResetLimits reset_limits)
    : gateway_id_(std::move(gateway_id)),
      auth_(auth),
      control_(control),
      flushes_(new Flushes{std::move(clear_caches), std::move(reset_limits), {}, kNothingHeard}) {
  ticker_ = std::make_unique<exec::Ticker>("control", [this] { return Step(); });
}

ControlWatch::~ControlWatch() {
  ticker_.reset();
  if (stream_) stream_->Close();
}

milliseconds ControlWatch::Step() {
  const SteadyTime now = steady_clock::now();
  if (stream_ && stream_->IsOver(now)) {
    stream_->Close();
    if (std::lock_guard lock(stream_->mutex); stream_->got_snapshot) back_off_ = milliseconds(0);
    back_off_ = std::clamp(back_off_ * 2, kBackOffMin, kBackOffMax);
    open_after_ = now + back_off_;
    stream_.reset();
  }
  if (!stream_ && now >= open_after_) Open();
  return kStep;
}

void ControlWatch::Open() {
  auth::v1::WatchControlRequest request;
  request.set_gateway_id(gateway_id_);
  stream_ = std::make_shared<Stream>(control_, flushes_);
  stream_->call = auth_.Watch(
      auth::v1::ControlService::kWatchControl, request, rpc::CallOptions(),
      [stream = stream_](const auth::v1::ControlUpdate& update) { stream->Receive(update); },
      [stream = stream_](const absl::Status& status) { stream->End(status); });
}

}  // namespace gatehouse::gateway
