#include "tests/fuzz/http_targets.h"

#include <string>

#include "libs/http/chunk_decoder.h"
#include "libs/http/message.h"
#include "libs/http/request_parser.h"
#include "libs/http/request_rules.h"
#include "libs/http/response_body.h"
#include "libs/http/response_parser.h"
#include "libs/http/response_rules.h"
#include "libs/http/router.h"
#include "libs/http/websocket_frames.h"
#include "tests/fuzz/targets.h"

namespace gatehouse::fuzz {

// A head is the same whether it comes whole or byte by byte, and what is accepted has
// one framing.
void RequestHead(std::string_view input) {
  const http::HeadLimits limits;
  std::size_t scanned = 0;
  const http::HeadScan whole = http::ScanHead(input, limits, &scanned);
  std::size_t stepwise = 0;
  for (std::size_t size = 1; size <= input.size(); ++size) {
    const http::HeadScan part = http::ScanHead(input.substr(0, size), limits, &stepwise);
    if (part.status == 0 && part.length == 0) continue;
    Require(part.length == whole.length, "the head ends elsewhere in pieces");
    Require((part.status == 0) == (whole.status == 0), "refused only whole, or only in pieces");
    break;
  }
  if (whole.status != 0 || whole.length == 0) return;
  http::RequestHead head;
  const std::string_view bytes = input.substr(0, whole.length);
  if (http::ParseHead(bytes, limits, &head) != 0 || http::CheckHead(&head) != 0) return;
  int hosts = 0;
  for (const http::RequestHead::Field& field : head.fields) {
    hosts += http::SameName(field.name, "Host") ? 1 : 0;
    Require(field.value.find_first_of(std::string_view("\r\n\0", 3)) == field.value.npos,
            "a line end or NUL within a value");
    Require(field.name.find_first_of(" \t:") == field.name.npos, "a blank within a name");
  }
  Require(hosts == 1 || (hosts == 0 && head.minor_version == 0), "not one host");
  Require(!head.target.empty() && (head.target[0] == '/' || head.target == "*"), "not a path");
}

// The same body, however it is cut; never longer than allowed.
void ChunkedBody(std::string_view input) {
  constexpr std::size_t kMost = 4096;
  http::ChunkDecoder whole;
  std::string body;
  const std::size_t used = whole.Feed(input, kMost, &body);
  Require(used <= input.size() && body.size() <= kMost, "too much");
  http::ChunkDecoder stepwise;
  std::string same;
  std::size_t taken = 0;
  for (; taken < input.size() && !stepwise.done() && stepwise.status() == 0; ++taken) {
    if (stepwise.Feed(input.substr(taken, 1), kMost, &same) == 0) break;
  }
  Require(whole.status() == stepwise.status(), "another status in pieces");
  Require(whole.done() == stepwise.done(), "another end in pieces");
  if (whole.done()) Require(body == same && used == taken, "another body in pieces");
}

void TargetText(std::string_view input) {
  if (const auto path = http::DecodePath(input)) {
    Require(http::IsValidUtf8(*path), "a decoded path that is not UTF-8");
    Require(path->find('\0') == path->npos || input.find('\0') != input.npos, "a decoded NUL");
  }
  if (const auto query = http::ParseQuery(input)) {
    for (const auto& [name, value] : *query) {
      Require(http::IsValidUtf8(name) && http::IsValidUtf8(value), "a query that is not UTF-8");
    }
  }
  for (const auto& [name, value] : http::ParseCookies(input)) Require(!name.empty(), "no name");
  static const http::Router* const kRouter = [] {
    auto* router = new http::Router();
    router->Add("GET", "/a/{id}/b", 0);
    router->Add("GET", "/a/c/b/", 1);
    router->Add("POST", "/{any}", 2);
    return router;
  }();
  const http::Match match = kRouter->Find("GET", input);
  Require(match.route >= -1 && match.route <= 1, "a route of another method");
}

// A response ends at the same byte and has the same body whether it comes whole or byte
// by byte.
void ResponseHead(std::string_view input) {
  std::size_t scanned = 0;
  const http::ResponseScan whole = http::ScanResponseHead(input, &scanned);
  std::size_t stepwise = 0;
  for (std::size_t size = 1; size <= input.size(); ++size) {
    const http::ResponseScan part = http::ScanResponseHead(input.substr(0, size), &stepwise);
    if (!part.is_bad && part.length == 0) continue;
    Require(part.length == whole.length && part.is_bad == whole.is_bad, "another end in pieces");
    break;
  }
  if (whole.is_bad || whole.length == 0) return;
  http::ResponseHead head;
  if (!http::ParseResponseHead(input.substr(0, whole.length), &head)) return;
  if (!http::CheckResponse(false, &head)) return;
  for (const http::ResponseHead::Field& field : head.fields) {
    Require(!http::IsHopByHop(field.name), "a hop-by-hop field is left");
    Require(field.value.find_first_of(std::string_view("\r\n\0", 3)) == field.value.npos,
            "a line end or NUL within a value");
  }
  const std::string_view rest = input.substr(whole.length);
  http::ResponseBody at_once, pieces;
  at_once.Begin(head);
  pieces.Begin(head);
  std::string body, same;
  const std::size_t used = at_once.Feed(rest, &body);
  std::size_t taken = 0;
  while (taken < rest.size() && !pieces.done() && !pieces.is_bad()) {
    const std::size_t step = pieces.Feed(rest.substr(taken, 1), &same);
    if (step == 0) break;
    taken += step;
  }
  Require(at_once.done() == pieces.done(), "done only whole, or only in pieces");
  Require(at_once.is_bad() == pieces.is_bad(), "bad only whole, or only in pieces");
  if (at_once.done()) Require(body == same && used == taken, "another body in pieces");
}

namespace {

// Writes down what a reader reports.
class Notes final : public http::FrameReader::Sink {
 public:
  void OnMessage(std::string_view message, bool is_text) override {
    if (is_text) Require(http::IsValidUtf8(message), "a text that is not UTF-8");
    Require(message.size() <= kMost, "a message that is too long");
    text += is_text ? "t" : "b";
    text += message;
  }
  void OnPing(std::string_view payload) override {
    Require(payload.size() <= 125, "a ping that is too long");
    text += "p";
    text += payload;
  }
  void OnPong() override { text += "o"; }
  void OnClose(int code) override {
    text += "c" + std::to_string(code);
    ++closes;
  }

  static constexpr std::size_t kMost = 1024;
  std::string text;
  int closes = 0;
};

}  // namespace

void WebSocketFrames(std::string_view input) {
  Notes whole, pieces;
  http::FrameReader at_once(Notes::kMost), stepwise(Notes::kMost);
  const int code = at_once.Feed(input, &whole);
  int same = 0;
  for (std::size_t at = 0; at < input.size() && same == 0; ++at) {
    same = stepwise.Feed(input.substr(at, 1), &pieces);
  }
  Require(code == same, "another close code in pieces");
  Require(whole.text == pieces.text, "other messages in pieces");
  Require(whole.closes <= 1, "closed twice");
}

}  // namespace gatehouse::fuzz
