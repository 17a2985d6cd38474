// What the head of a request costs to parse: as libs/http does it, with Boost.Beast's
// basic_parser and our checks on top, against a parser written by hand. Both find the
// end of the head, fill the same views and pass the same rules. Prints nanoseconds
// per request and, for a few malformed heads, what each accepts.
#include <time.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "libs/http/chars.h"
#include "libs/http/request_parser.h"
#include "libs/http/request_rules.h"

namespace gatehouse::http {
namespace {

namespace beast = boost::beast;

constexpr int kRounds = 15;
constexpr int kRequestsPerRound = 100000;

constexpr int kBadRequest = 400;
constexpr int kTargetTooLong = 414;
constexpr int kHeadTooLarge = 431;
constexpr int kVersionNotSupported = 505;

// The contender: the lines of a head split by hand, as strictly as ParseHead.
int ParseVersionByHand(std::string_view version, int* minor) {
  if (version == "HTTP/1.1") {
    *minor = 1;
    return 0;
  }
  if (version == "HTTP/1.0") {
    *minor = 0;
    return 0;
  }
  const bool well_formed = version.size() == 8 && version.substr(0, 5) == "HTTP/" &&
                           IsDigit(version[5]) && version[6] == '.' && IsDigit(version[7]);
  return well_formed ? kVersionNotSupported : kBadRequest;
}

int ParseRequestLineByHand(std::string_view line, RequestHead* head) {
  std::size_t at = 0;
  while (at < line.size() && In(kTokenChars, line[at])) ++at;
  if (at == 0 || at == line.size() || line[at] != ' ') return kBadRequest;
  const std::size_t target = at + 1;
  at = target;
  while (at < line.size() && In(kTargetChars, line[at])) ++at;
  if (at == target || at == line.size() || line[at] != ' ') return kBadRequest;
  head->method = line.substr(0, target - 1);
  head->target = line.substr(target, at - target);
  if (const int status = ParseVersionByHand(line.substr(at + 1), &head->minor_version))
    return status;
  return head->target.size() > kTargetBytesMax ? kTargetTooLong : 0;
}

// `at` points to the first field line; `end` behind the final CRLF. A CR ends
// every inner loop, so that only line ends are compared with `end`.
int ParseFieldsByHand(const char* at, const char* end, int count_max, RequestHead* head) {
  const char* const last = end - 2;
  while (at < last) {
    const char* const name = at;
    while (In(kTokenChars, *at)) ++at;
    // Also refuses what begins with a space (obs-fold) and a space before ":".
    if (at == name || *at != ':') return kBadRequest;
    const std::string_view name_text(name, static_cast<std::size_t>(at - name));
    ++at;
    while (*at == ' ' || *at == '\t') ++at;
    const char* const value = at;
    while (In(kFieldChars, *at)) ++at;
    if (at[0] != '\r' || at[1] != '\n') return kBadRequest;
    const char* value_end = at;
    while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t')) --value_end;
    if (static_cast<int>(head->fields.size()) == count_max) return kHeadTooLarge;
    head->fields.push_back({name_text, {value, static_cast<std::size_t>(value_end - value)}});
    at += 2;
  }
  return at == last ? 0 : kBadRequest;
}

int ParseHeadByHand(std::string_view bytes, const HeadLimits& limits, RequestHead* head) {
  head->Clear();
  const std::size_t line_end = bytes.find('\r');
  if (bytes[line_end + 1] != '\n') return kBadRequest;
  if (const int status = ParseRequestLineByHand(bytes.substr(0, line_end), head)) return status;
  return ParseFieldsByHand(bytes.data() + line_end + 2, bytes.data() + bytes.size(),
                           limits.header_count_max, head);
}

// All that is done with a head, whoever splits it.
template <typename Split>
int Parse(std::string_view bytes, RequestHead* head, Split split) {
  const HeadLimits limits;
  std::size_t scanned = 0;
  const HeadScan scan = ScanHead(bytes, limits, &scanned);
  if (scan.status != 0 || scan.length == 0) return scan.status == 0 ? kBadRequest : scan.status;
  if (const int status = split(bytes.substr(0, scan.length), limits, head)) return status;
  return CheckHead(head);
}

int ParseByHand(std::string_view bytes, RequestHead* head) {
  return Parse(bytes, head, ParseHeadByHand);
}

int ParseWithBeast(std::string_view bytes, RequestHead* head) {
  return Parse(bytes, head, ParseHead);
}

// Beast without a rule of ours, to see what it lets pass.
class BeastAlone final : public beast::http::basic_parser<true> {
 public:
  bool Accepts(std::string_view bytes) {
    beast::error_code error;
    skip(true);
    put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
    return !error && is_header_done();
  }

 private:
  using Text = beast::string_view;
  using Code = beast::error_code;

  void on_request_impl(beast::http::verb, Text, Text, int, Code&) override {}
  void on_field_impl(beast::http::field, Text, Text, Code&) override {}
  void on_response_impl(int, Text, int, Code&) override {}
  void on_header_impl(Code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Code&) override {}
  std::size_t on_body_impl(Text, Code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, Text, Code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text, Code&) override { return 0; }
  void on_finish_impl(Code&) override {}
};

struct Sample {
  const char* name;
  std::string bytes;
};

const Sample kSamples[] = {
    {"GET by curl",
     "GET /api/me/ HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n"
     "Authorization: Bearer gh_0123456789abcdef0123456789abcdef0123456789abcdef\r\n\r\n"},
    {"GET by a browser, 12 headers and cookies",
     "GET /api/billing/reserve/ledger/?page_size=50&page_token=eyJ0IjoxNzY3fQ HTTP/1.1\r\n"
     "Host: gatehouse.example.org\r\nConnection: keep-alive\r\n"
     "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/131.0.0.0 Safari/537.36\r\n"
     "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n"
     "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
     "Cache-Control: max-age=0\r\nUpgrade-Insecure-Requests: 1\r\nSec-Fetch-Site: same-origin\r\n"
     "Sec-Fetch-Mode: navigate\r\nReferer: https://gatehouse.example.org/console/\r\n"
     "Cookie: access_token_cookie=0123456789abcdef0123456789abcdef0123456789abcdef; "
     "csrf_token=fedcba9876543210fedcba9876543210; theme=dark; consent=1\r\n\r\n"},
    {"POST of JSON",
     "POST /api/jobs/ HTTP/1.1\r\nHost: gatehouse.example.org\r\n"
     "User-Agent: python-requests/2.31.0\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\n"
     "Connection: keep-alive\r\nContent-Type: application/json\r\n"
     "Authorization: Token 0123456789abcdef0123456789abcdef01234567\r\nContent-Length: 126\r\n"
     "X-Request-ID: 0194a6b0-7c1e-7d3a-9f00-0123456789ab\r\n\r\n"},
};

const Sample kMalformed[] = {
    {"obs-fold", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n"},
    {"obs-fold of an empty value", "GET / HTTP/1.1\r\nHost: a\r\nX:\r\n 2\r\n\r\n"},
    {"obs-fold into nothing", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n \r\n\r\n"},
    {"two equal Content-Length",
     "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"},
    {"list in Content-Length", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n"},
    {"gzip, chunked", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
    {"identity", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"},
    {"chunked in HTTP/1.0", "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {"no Host", "GET / HTTP/1.1\r\n\r\n"},
    {"two Host", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
    {"fragment", "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"not ASCII in the target", "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"no slash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"bare LF", "GET / HTTP/1.1\nHost: a\n\n"},
    {"bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r2\r\n\r\n"},
    {"NUL in a value", std::string("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 32)},
    {"space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
    {"CL and TE",
     "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
};

using Parser = int (*)(std::string_view, RequestHead*);

std::int64_t CpuNanos() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * std::int64_t{1000000000} + now.tv_nsec;
}

// Nanoseconds for each round.
std::int64_t RunRound(Parser parse, const std::string& bytes, RequestHead* head) {
  const std::int64_t begin = CpuNanos();
  for (int i = 0; i < kRequestsPerRound; ++i) {
    if (parse(bytes, head) != 0) std::abort();
    asm volatile("" : : "r"(head->fields.data()) : "memory");
  }
  return CpuNanos() - begin;
}

std::int64_t Median(std::vector<std::int64_t> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int Run() {
  RequestHead head;
  std::printf("%-42s %6s %6s %9s %6s\n", "ns per request", "bytes", "hand", "Beast", "ratio");
  for (const Sample& sample : kSamples) {
    std::vector<std::int64_t> by_hand, beasts;
    for (int round = 0; round < kRounds; ++round) {
      by_hand.push_back(RunRound(ParseByHand, sample.bytes, &head));
      beasts.push_back(RunRound(ParseWithBeast, sample.bytes, &head));
    }
    const std::int64_t hand_tenths = Median(by_hand) * 10 / kRequestsPerRound;
    const std::int64_t beast_tenths = Median(beasts) * 10 / kRequestsPerRound;
    const std::int64_t percent = beast_tenths * 100 / hand_tenths;
    std::printf("%-42s %6zu %4ld.%ld %7ld.%ld %3ld.%02ld\n", sample.name, sample.bytes.size(),
                hand_tenths / 10, hand_tenths % 10, beast_tenths / 10, beast_tenths % 10,
                percent / 100, percent % 100);
  }
  std::printf("\n%-42s %6s %9s %12s\n", "malformed: accepted (+) or refused (-)", "hand", "Beast",
              "Beast alone");
  int wrong = 0;
  for (const Sample& sample : kMalformed) {
    const bool by_hand = ParseByHand(sample.bytes, &head) == 0;
    const bool with_rules = ParseWithBeast(sample.bytes, &head) == 0;
    const bool alone = BeastAlone().Accepts(sample.bytes);
    std::printf("%-42s %6c %9c %12c\n", sample.name, by_hand ? '+' : '-', with_rules ? '+' : '-',
                alone ? '+' : '-');
    wrong += by_hand + with_rules;
  }
  return wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace gatehouse::http

int main() { return gatehouse::http::Run(); }
