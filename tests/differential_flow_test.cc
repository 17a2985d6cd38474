// Bent requests, sent to the edge and to nginx, haproxy and Node, each before an
// upstream of the same kind: wherever the edge lets more through than another, or has
// its upstream see another request, the framing rules have a hole.
// DIFFERENTIAL_SAMPLES sets how many (10,000), DIFFERENTIAL_FIRST where to begin.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <thread>

#include "tests/differential/generator.h"
#include "tests/differential/peers.h"

namespace gatehouse::differential {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kThreads = 24;
// How long a proxy that says nothing more is waited for: it waits for the rest.
constexpr milliseconds kSilence{120};

long Setting(const char* name, long fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::atol(text);
}

// Sends one sample to all at once and waits until each has closed or fallen silent.
void Play(const Sample& sample, const std::vector<std::unique_ptr<Subject>>& subjects) {
  std::vector<pollfd> open;
  for (const auto& subject : subjects) {
    const int fd = subject->Connect();
    if (fd < 0) continue;
    if (::send(fd, sample.bytes.data(), sample.bytes.size(), MSG_NOSIGNAL) < 0) {
      ::close(fd);
      continue;
    }
    open.push_back({fd, POLLIN, 0});
  }
  auto end = steady_clock::now() + kSilence;
  char buffer[16384];
  while (!open.empty()) {
    const auto left = std::chrono::duration_cast<milliseconds>(end - steady_clock::now()).count();
    if (left <= 0 || ::poll(open.data(), open.size(), static_cast<int>(left)) <= 0) break;
    for (std::size_t i = open.size(); i-- > 0;) {
      if (open[i].revents == 0) continue;
      if (::recv(open[i].fd, buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
        end = steady_clock::now() + kSilence;
        continue;
      }
      ::close(open[i].fd);
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  for (const pollfd& one : open) ::close(one.fd);
}

// Where an RFC has the edge accept what another refuses.
bool IsAllowed(const Sample& sample, const std::string& peer) {
  const std::string line = sample.bytes.substr(0, sample.bytes.find('\n'));
  // RFC 9112 3.2.2: the authority of the absolute form counts, whatever Host says;
  // haproxy refuses where they differ.
  const bool is_elsewhere = line.find(" http://") != std::string::npos;
  // RFC 9112 3.2: HTTP/1.0 may go without Host; the others pass it on without one as well,
  // as HTTP/1.1, and their upstream refuses that.
  const bool is_hostless = line.find(" HTTP/1.0\r") != std::string::npos &&
                           sample.bytes.find("\r\nHost:") > sample.bytes.find("\r\n\r\n");
  return is_hostless || (peer == "haproxy" && is_elsewhere);
}

std::string Escape(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    char code[8];
    if (c == '\n') {
      text += "\\n\n    ";
    } else if (c == '\r') {
      text += "\\r";
    } else if (c < ' ' || c > '~') {
      std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned char>(c));
      text += code;
    } else {
      text += c;
    }
  }
  return text;
}

std::string ToText(const std::vector<Seen>& all) {
  std::string text;
  for (const Seen& seen : all) text += ToText(seen) + "; ";
  return text.empty() ? "nothing" : text;
}

// The request of `kind` ('d', the one that was bent; 'p', the probe behind it; 's', what
// hides in a body) among those that were seen, or nullptr.
const Seen* Find(const std::vector<Seen>& all, char kind) {
  const std::string marker = std::string("/") + kind + "/";
  for (const Seen& seen : all) {
    if (seen.target.find(marker) != std::string::npos) return &seen;
  }
  return nullptr;
}

// In what the edge has let through more than the peer, or something else; "" where it has
// let through the same or less. A peer that refuses the first request for another reason
// than its framing says nothing about what is behind it.
std::string Laxity(const std::vector<Seen>& ours, const std::vector<Seen>& theirs) {
  for (const char kind : {'d', 's', 'p'}) {
    const Seen* here = Find(ours, kind);
    const Seen* there = Find(theirs, kind);
    if (here == nullptr) continue;
    if (there == nullptr) {
      if (kind != 'd' && Find(theirs, 'd') == nullptr) continue;
      return std::string("lets /") + kind + "/ through";
    }
    if (here->method != there->method || here->body != there->body) {
      return std::string("reads another /") + kind + "/";
    }
  }
  return "";
}

TEST(DifferentialTest, TheEdgeIsNowhereTheLaxer) {
  std::string missing;
  const auto subjects = StartSubjects(&missing);
  ASSERT_EQ(missing, "") << "`make test` installs what is compared with";
  const long first = Setting("DIFFERENTIAL_FIRST", 0);
  const long count = Setting("DIFFERENTIAL_SAMPLES", 10000);
  std::atomic<long> next{first};
  std::vector<std::thread> players;
  for (int i = 0; i < kThreads; ++i) {
    players.emplace_back([&] {
      for (long n; (n = next++) < first + count;) {
        Play(Generate(static_cast<std::uint64_t>(n)), subjects);
      }
    });
  }
  for (std::thread& player : players) player.join();

  std::map<std::string, int> accepted, laxer;
  int shown = 0;
  for (long n = first; n < first + count; ++n) {
    const Sample sample = Generate(static_cast<std::uint64_t>(n));
    const std::vector<Seen> ours = subjects[0]->SeenOf(sample.id);
    for (const auto& subject : subjects) {
      const std::vector<Seen> seen = subject->SeenOf(sample.id);
      accepted[subject->name()] += seen.empty() ? 0 : 1;
      const std::string laxity = Laxity(ours, seen);
      if (laxity.empty() || IsAllowed(sample, subject->name())) continue;
      ++laxer[subject->name()];
      if (++shown > 20) continue;
      ADD_FAILURE() << "sample " << n << ": the edge " << laxity << " than " << subject->name()
                    << "\n  edge: " << ToText(ours) << "\n  " << subject->name() << ": "
                    << ToText(seen) << "\n    " << Escape(sample.bytes);
    }
  }
  for (const auto& [name, number] : accepted) {
    std::cout << name << ": let through " << number << " of " << count
              << ", stricter than the edge " << laxer[name] << " times\n";
  }
  EXPECT_GT(accepted["edge"], count / 20) << "too little is accepted to compare";
}

}  // namespace
}  // namespace gatehouse::differential
