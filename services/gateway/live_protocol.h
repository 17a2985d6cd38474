// The words of the live protocol on /api/v1/ws and /api/v1/events: commands read,
// patterns matched, frames written. Text in, text out; knows no socket.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gatehouse/type/v1/passport.pb.h"
#include "libs/base/clock.h"
#include "services/gateway/event_hub.h"

namespace gatehouse::gateway {

// Whether `pattern` names events of `type`: the same text, a beginning of it before
// ".*", or "*" for all.
bool MatchesPattern(std::string_view pattern, std::string_view type);

// The patterns that a session listens to, in the order in which they came.
class Subscriptions {
 public:
  static constexpr std::size_t kPatternsMax = 100;
  static constexpr std::size_t kPatternBytesMax = 128;

  // "" or what is wrong; then nothing is changed. Known ones are passed over.
  std::string Add(const std::vector<std::string>& patterns);
  // Unknown ones are passed over.
  void Remove(const std::vector<std::string>& patterns);

  bool Wants(std::string_view type) const;
  const std::vector<std::string>& patterns() const { return patterns_; }

 private:
  std::vector<std::string> patterns_;
};

// Whether the event is for whoever `principal` is: administrators see everything,
// others what is everybody's or their tenant's, and there what is theirs or nobody's in
// particular.
bool MaySee(const type::v1::Principal& principal, const LiveEvent& event);

// A frame from a client.
struct LiveCommand {
  std::string name;                 // "subscribe"; "" when there is none.
  std::string id_json;              // As JSON text; "" when there is none.
  std::vector<std::string> events;  // Of its data.
  std::string problem;              // What is wrong with it; "": nothing.
  bool is_frame = true;             // False: it is not even that.
};
LiveCommand ParseCommand(std::string_view text);

// What a session says of itself.
struct LiveStatus {
  Time connected_since;
  std::size_t queued_bytes = 0;
  std::uint64_t dropped = 0;
};

// {"type","event","data","id","timestamp"}, without what there is not.
std::string SubscribedFrame(const LiveCommand& command, const Subscriptions& subscriptions,
                            Time now);
std::string PongFrame(const LiveCommand& command, Time now);
std::string StatusFrame(const LiveCommand& command, const Subscriptions& subscriptions,
                        const LiveStatus& status, Time now);
std::string EventFrame(const LiveEvent& event);
// Events are missing: so many, or nobody knows how many.
std::string GapFrame(std::optional<std::uint64_t> dropped, Time now);
// {"type":"error","error","data":{"details","command"},"id","timestamp"}
std::string ErrorFrame(const std::string& error, const std::string& details,
                       const LiveCommand& command, Time now);

}  // namespace gatehouse::gateway
