#include "libs/http/response_parser.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <limits>

#include "libs/http/request_parser.h"

namespace gatehouse::http {
namespace {

namespace beast = boost::beast;

constexpr std::string_view kBegin = "HTTP/1.";

// Has Beast split a head and collects the views; refuses on top of that what Beast
// lets pass: folded values, statuses that are none, too many fields.
class HeadParser final : public beast::http::basic_parser<false> {
 public:
  explicit HeadParser(ResponseHead* head) : head_(head) {
    skip(true);
    header_limit(std::numeric_limits<std::uint32_t>::max());
  }

  bool Parse(std::string_view bytes) {
    beast::error_code error;
    put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
    return !error && is_header_done();
  }

 private:
  using Text = beast::string_view;
  using Code = beast::error_code;

  static std::string_view View(Text text) { return {text.data(), text.size()}; }
  static void Refuse(Code& error) { error = beast::http::error::bad_value; }

  void on_response_impl(int status, Text, int version, Code& error) override {
    head_->status = status;
    head_->minor_version = version - 10;
    if (status < 100 || status > 599) Refuse(error);
  }

  void on_field_impl(beast::http::field, Text name, Text value, Code& error) override {
    const char* at = name.data() + name.size() + 1;
    while (*at == ' ' || *at == '\t') ++at;
    // An unfolded value lies elsewhere, or behind a line end.
    const bool folded =
        value.empty() ? *at != '\r' || at[2] == ' ' || at[2] == '\t' : at != value.data();
    if (folded || head_->fields.size() == kResponseFieldsMax) return Refuse(error);
    head_->fields.push_back({View(name), View(value)});
  }

  void on_request_impl(beast::http::verb, Text, Text, int, Code&) override {}
  void on_header_impl(Code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Code&) override {}
  std::size_t on_body_impl(Text, Code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, Text, Code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text, Code&) override { return 0; }
  void on_finish_impl(Code&) override {}

  ResponseHead* const head_;
};

}  // namespace

ResponseScan ScanResponseHead(std::string_view input, std::size_t* scanned) {
  const std::size_t begun = std::min(input.size(), kBegin.size());
  if (input.substr(0, begun) != kBegin.substr(0, begun)) return {0, true};
  const HeadScan scan = ScanHead(input, {kResponseHeadBytesMax, 0}, scanned);
  return {scan.length, scan.status != 0};
}

bool ParseResponseHead(std::string_view bytes, ResponseHead* head) {
  head->Clear();
  return HeadParser(head).Parse(bytes);
}

}  // namespace gatehouse::http
