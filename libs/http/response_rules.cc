#include "libs/http/response_rules.h"

#include <algorithm>

#include "libs/http/chars.h"

namespace gatehouse::http {
namespace {

// What the fields say, before it is judged.
struct Facts {
  int lengths = 0;
  int encodings = 0;
  bool chunked = false;  // The only transfer coding is exactly "chunked".
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;
  bool websocket = false;
  bool names_others = false;  // Connection lists more than close, keep-alive, upgrade.
};

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The next member of a comma-separated list, which is taken off `*list`.
std::string_view NextMember(std::string_view* list) {
  const std::size_t end = std::min(list->find(','), list->size());
  const std::string_view member = Trim(list->substr(0, end));
  list->remove_prefix(std::min(end + 1, list->size()));
  return member;
}

void ReadConnection(std::string_view options, Facts* facts) {
  while (!options.empty()) {
    const std::string_view option = NextMember(&options);
    if (SameName(option, "close")) {
      facts->close = true;
    } else if (SameName(option, "keep-alive")) {
      facts->keep_alive = true;
    } else if (SameName(option, "upgrade")) {
      facts->upgrade = true;
    } else if (!option.empty()) {
      facts->names_others = true;
    }
  }
}

// Digits only, and few enough not to overflow: no sign, list, hex or blank.
bool ReadLength(std::string_view text, std::uint64_t* length) {
  if (text.empty() || text.size() > 18) return false;
  *length = 0;
  for (char c : text) {
    if (!IsDigit(c)) return false;
    *length = *length * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return true;
}

bool IsEventStream(std::string_view type) {
  return SameName(Trim(type.substr(0, type.find(';'))), "text/event-stream");
}

bool ReadField(const ResponseHead::Field& field, ResponseHead* head, Facts* facts) {
  const auto is = [&](std::string_view name) { return SameName(field.name, name); };
  switch (field.name.size()) {
    case 7:
      if (is("upgrade")) facts->websocket = SameName(field.value, "websocket");
      return true;
    case 10:
      if (is("connection")) ReadConnection(field.value, facts);
      return true;
    case 12:
      if (is("content-type")) head->is_event_stream = IsEventStream(field.value);
      return true;
    case 14:
      if (!is("content-length")) return true;
      head->has_length = true;
      return ++facts->lengths == 1 && ReadLength(field.value, &head->content_length);
    case 17:
      if (!is("transfer-encoding")) return true;
      facts->chunked = ++facts->encodings == 1 && SameName(field.value, "chunked");
      return facts->chunked;
    default:
      return true;
  }
}

bool CheckFraming(const Facts& facts, bool answers_head, ResponseHead* head) {
  // RFC 9112 section 6.1: either is an attempt to have two readers disagree.
  if (facts.encodings > 0 && (facts.lengths > 0 || head->minor_version == 0)) return false;
  if (answers_head || head->status < 200 || head->status == 204 || head->status == 304) {
    head->framing = ResponseHead::Framing::kNone;
  } else if (facts.encodings > 0) {
    head->framing = ResponseHead::Framing::kChunked;
  } else if (facts.lengths > 0) {
    head->framing = ResponseHead::Framing::kLength;
  } else {
    head->framing = ResponseHead::Framing::kUntilEnd;
  }
  return true;
}

// Whether a Connection of this head names the field.
bool IsNamed(std::string_view name, const std::vector<ResponseHead::Field>& fields) {
  for (const ResponseHead::Field& field : fields) {
    if (!SameName(field.name, "connection")) continue;
    std::string_view options = field.value;
    while (!options.empty()) {
      if (SameName(NextMember(&options), name)) return true;
    }
  }
  return false;
}

void RemoveHopByHop(const Facts& facts, std::vector<ResponseHead::Field>* fields) {
  if (facts.names_others) {
    // The Connection fields stay until all have been compared with them.
    std::erase_if(*fields, [&](const ResponseHead::Field& field) {
      return !SameName(field.name, "connection") && IsNamed(field.name, *fields);
    });
  }
  std::erase_if(*fields, [](const ResponseHead::Field& field) {
    return IsHopByHop(field.name) || SameName(field.name, "content-length");
  });
}

}  // namespace

bool IsHopByHop(std::string_view name) {
  switch (name.size()) {
    case 2:
      return SameName(name, "te");
    case 7:
      return SameName(name, "upgrade") || SameName(name, "trailer");
    case 10:
      return SameName(name, "connection") || SameName(name, "keep-alive");
    case 16:
      return SameName(name, "proxy-connection");
    case 17:
      return SameName(name, "transfer-encoding");
    case 18:
      return SameName(name, "proxy-authenticate");
    case 19:
      return SameName(name, "proxy-authorization");
    default:
      return false;
  }
}

bool ForwardedHead::Has(std::string_view name) const {
  return std::any_of(fields.begin(), fields.end(),
                     [&](const Field& field) { return SameName(field.name, name); });
}

bool CheckResponse(bool answers_head, ResponseHead* head) {
  Facts facts;
  for (const ResponseHead::Field& field : head->fields) {
    if (!ReadField(field, head, &facts)) return false;
  }
  if (!CheckFraming(facts, answers_head, head)) return false;
  head->keep_alive = head->minor_version == 1 ? !facts.close : facts.keep_alive && !facts.close;
  head->is_websocket = facts.upgrade && facts.websocket;
  RemoveHopByHop(facts, &head->fields);
  return true;
}

}  // namespace gatehouse::http
