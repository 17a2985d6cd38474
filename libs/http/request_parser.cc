#include "libs/http/request_parser.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <cstring>
#include <limits>

#include "libs/http/chars.h"

namespace gatehouse::http {
namespace {

namespace beast = boost::beast;

constexpr int kBadRequest = 400;
constexpr int kTargetTooLong = 414;
constexpr int kHeadTooLarge = 431;
constexpr int kVersionNotSupported = 505;

// Which limit a head breaks that does not fit: that of the target or of the whole.
int TooLong(std::string_view input) {
  const std::string_view line = input.substr(0, input.find('\n'));
  const std::size_t begin = line.find(' ');
  if (begin == line.npos) return kHeadTooLarge;
  const std::size_t end = line.find(' ', begin + 1);
  const std::size_t length = (end == line.npos ? line.size() : end) - begin - 1;
  return length > kTargetBytesMax ? kTargetTooLong : kHeadTooLarge;
}

// Beast takes 1.0 and 1.1, and reports nothing of a line with another version.
int RefuseVersion(std::string_view bytes, RequestHead* head) {
  const std::string_view line = bytes.substr(0, bytes.find("\r\n"));
  const std::size_t target = line.find(' ') + 1;
  const std::size_t at = line.find(' ', target) + 1;
  head->method = line.substr(0, target - 1);
  head->target = line.substr(target, at - 1 - target);
  const std::string_view version = line.substr(at);
  const bool well_formed = version.size() == 8 && version.substr(0, 5) == "HTTP/" &&
                           IsDigit(version[5]) && version[6] == '.' && IsDigit(version[7]);
  return well_formed ? kVersionNotSupported : kBadRequest;
}

// Has Beast split a head and collects the views; refuses on top of that what Beast
// lets pass: folded values, targets that are not plain ASCII, too many fields.
class HeadParser final : public beast::http::basic_parser<true> {
 public:
  HeadParser(const HeadLimits& limits, RequestHead* head)
      : count_max_(static_cast<std::size_t>(limits.header_count_max)), head_(head) {
    skip(true);
    header_limit(std::numeric_limits<std::uint32_t>::max());
  }

  int Parse(std::string_view bytes) {
    beast::error_code error;
    put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
    if (status_ != 0) return status_;
    if (error == beast::http::error::bad_version) return RefuseVersion(bytes, head_);
    return error || !is_header_done() ? kBadRequest : 0;
  }

 private:
  using Text = beast::string_view;
  using Code = beast::error_code;

  static std::string_view View(Text text) { return {text.data(), text.size()}; }
  void Refuse(int status, Code& error) {
    status_ = status;
    error = beast::http::error::bad_value;
  }

  void on_request_impl(beast::http::verb, Text method, Text target, int version,
                       Code& error) override {
    head_->method = View(method);
    head_->target = View(target);
    head_->minor_version = version - 10;
    if (target.size() > kTargetBytesMax) return Refuse(kTargetTooLong, error);
    for (char c : head_->target) {
      if (!In(kTargetChars, c)) return Refuse(kBadRequest, error);
    }
  }

  void on_field_impl(beast::http::field, Text name, Text value, Code& error) override {
    const char* at = name.data() + name.size() + 1;
    while (*at == ' ' || *at == '\t') ++at;
    // An unfolded value lies elsewhere, or behind a line end.
    const bool folded =
        value.empty() ? *at != '\r' || at[2] == ' ' || at[2] == '\t' : at != value.data();
    if (folded) return Refuse(kBadRequest, error);
    if (head_->fields.size() == count_max_) return Refuse(kHeadTooLarge, error);
    head_->fields.push_back({View(name), View(value)});
  }

  void on_response_impl(int, Text, int, Code&) override {}
  void on_header_impl(Code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Code&) override {}
  std::size_t on_body_impl(Text, Code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, Text, Code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text, Code&) override { return 0; }
  void on_finish_impl(Code&) override {}

  const std::size_t count_max_;
  RequestHead* const head_;
  int status_ = 0;
};

}  // namespace

HeadScan ScanHead(std::string_view input, const HeadLimits& limits, std::size_t* scanned) {
  if (input.empty()) return {};
  if (!In(kTokenChars, input[0])) return {0, kBadRequest};
  while (*scanned < input.size()) {
    const void* found = std::memchr(input.data() + *scanned, '\n', input.size() - *scanned);
    if (found == nullptr) break;
    const std::size_t at = static_cast<std::size_t>(static_cast<const char*>(found) - input.data());
    if (input[at - 1] != '\r') return {0, kBadRequest};
    *scanned = at + 1;
    if (input[at - 2] != '\n') continue;
    if (at + 1 > limits.head_bytes_max) return {0, TooLong(input)};
    return {at + 1, 0};
  }
  *scanned = input.size();
  if (input.size() >= limits.head_bytes_max) return {0, TooLong(input)};
  return {};
}

int ParseHead(std::string_view bytes, const HeadLimits& limits, RequestHead* head) {
  head->Clear();
  return HeadParser(limits, head).Parse(bytes);
}

}  // namespace gatehouse::http
