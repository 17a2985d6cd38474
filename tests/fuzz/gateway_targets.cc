#include "tests/fuzz/gateway_targets.h"

#include <string>

#include "libs/token/api_token.h"
#include "libs/token/jwt.h"
#include "libs/trace/trace.h"
#include "services/gateway/config_sections.h"
#include "services/gateway/json_body.h"
#include "services/gateway/json_check.h"
#include "tests/fuzz/targets.h"

namespace gatehouse::fuzz {
namespace {

bool IsJson(std::string_view input, std::size_t step) {
  gateway::JsonCheck check;
  for (std::size_t at = 0; at < input.size(); at += step) {
    if (check.Feed(input.substr(at, step), at + step >= input.size()) != nullptr) return false;
  }
  return true;
}

}  // namespace

// Every accessor stands every member.
void JsonObject(std::string_view input) {
  absl::StatusOr<gateway::JsonBody> body = gateway::JsonBody::Parse(input);
  if (!body.ok()) return;
  for (const char* name : {"a", "b", "c", "d", "t", ""}) {
    body->Text(name, 8);
    body->Int(name, -5, 5);
    body->Bool(name);
    body->DateTimeOrMillis(name);
    body->TextList(name, 3, 8);
    body->Object(name);
    body->Characters(name, 1, 3);
  }
  (void)body->Finish().ok();
}

// One verdict, however the bytes are cut.
void JsonStream(std::string_view input) {
  if (input.empty()) return;
  const bool whole = IsJson(input, input.size());
  for (const std::size_t step : {1u, 3u, 7u}) {
    Require(IsJson(input, step) == whole, "another verdict in pieces");
  }
}

// Nothing that a stranger made is a token.
void SignedToken(std::string_view input) {
  static const token::SigningKey* const kKey =
      new token::SigningKey(token::SigningKey::Generate("a"));
  static const token::KeySet* const kKeys = [] {
    auto* keys = new token::KeySet();
    keys->Add("a", kKey->public_key());
    return keys;
  }();
  const std::string text(input);
  const Time now = Time(std::chrono::seconds(1'800'000'000));
  Require(!token::VerifyJwt(*kKeys, text, "gatehouse", "gatehouse", now).ok(), "a forged token");
  (void)token::LooksLikeApiToken(text);
  (void)token::KeySet::FromJson(text).ok();
  (void)trace::Parse(text);
}

// Whatever a file says, there is an answer: a tree and its sections, or problems.
void ConfigText(std::string_view input) {
  config::Problems problems;
  const auto tree = config::ParseYamlTree(input, "file", &problems);
  Require(tree.has_value() || !problems.empty(), "neither a tree nor a problem");
  if (!tree) return;
  const gateway::ConfigSections sections = gateway::ReadSections(*tree, "file", &problems);
  (void)gateway::ReadUpstreams(sections, {}, &problems);
}

}  // namespace gatehouse::fuzz
