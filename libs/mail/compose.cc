#include "libs/mail/compose.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/secret.h"
#include "libs/base/utf8.h"
#include "libs/base/uuid.h"

namespace gatehouse::mail {
namespace {

constexpr std::size_t kAddressBytesMax = 254;
constexpr std::size_t kBodyLineMax = 76;
// Of an encoded word: "=?UTF-8?Q?" and "?=" leave this much of its 75.
constexpr std::size_t kWordPayloadMax = 63;

bool IsControl(unsigned char c) { return c < 0x20 || c == 0x7F; }

bool HasControl(const std::string& text) {
  return std::any_of(text.begin(), text.end(), IsControl);
}

bool IsPlain(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return c < 0x80 && !IsControl(c); });
}

bool IsAddress(const std::string& text) {
  const std::size_t at = text.find('@');
  if (at == 0 || at == std::string::npos || at + 1 == text.size()) return false;
  return text.size() <= kAddressBytesMax && std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isgraph(c) && c != '<' && c != '>' && c != ',' && c != ';';
         });
}

std::string Hex(unsigned char byte) {
  return absl::StrCat("=", absl::AsciiStrToUpper(HexEncode(std::string(1, byte))));
}

// RFC 2047, as many encoded words as it takes, none of which cuts a character.
std::string EncodeWords(const std::string& given) {
  const std::string text = ReplaceInvalidUtf8(given);
  std::string words = "=?UTF-8?Q?";
  std::size_t filled = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = Utf8Length(text, at);
    std::string piece;
    for (const char c : text.substr(at, length)) {
      piece += absl::ascii_isalnum(c) ? std::string(1, c) : Hex(c);
    }
    if (filled + piece.size() > kWordPayloadMax) {
      words += "?=\r\n =?UTF-8?Q?";
      filled = 0;
    }
    words += piece;
    filled += piece.size();
    at += length;
  }
  return words + "?=";
}

// Plain text of a header stays as it is while it fits a line.
std::string HeaderText(const std::string& text) {
  return IsPlain(text) && text.size() <= kBodyLineMax && text.find("=?") == std::string::npos
             ? text
             : EncodeWords(text);
}

std::string Quoted(const std::string& name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

std::string FromText(const Mailbox& from) {
  if (from.name.empty()) return from.address;
  const std::string name = IsPlain(from.name) ? Quoted(from.name) : EncodeWords(from.name);
  return absl::StrCat(name, " <", from.address, ">");
}

// RFC 5322, in UTC and in English whatever the locale.
std::string DateText(Time time) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = std::chrono::system_clock::to_time_t(
      std::chrono::time_point_cast<std::chrono::system_clock::duration>(time));
  std::tm utc;
  ::gmtime_r(&seconds, &utc);
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d +0000",
                kDays[utc.tm_wday], utc.tm_mday, kMonths[utc.tm_mon], utc.tm_year + 1900,
                utc.tm_hour, utc.tm_min, utc.tm_sec);
  return text.data();
}

// One line of the body; the breaks that are put in vanish when it is decoded.
std::string QuotedPrintable(const std::string& line) {
  std::string encoded;
  std::size_t column = 0;
  for (std::size_t at = 0; at < line.size(); ++at) {
    const char c = line[at];
    // A blank at the end of a line may get lost on the way.
    const bool is_plain =
        (absl::ascii_isgraph(c) && c != '=') || (c == ' ' && at + 1 < line.size());
    const std::string piece = is_plain ? std::string(1, c) : Hex(c);
    if (column + piece.size() >= kBodyLineMax) {
      encoded += "=\r\n";
      column = 0;
    }
    encoded += piece;
    column += piece.size();
  }
  return encoded;
}

std::string Body(const std::string& given) {
  const std::string text = ReplaceInvalidUtf8(given);
  std::string body;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    body += QuotedPrintable(std::string(absl::StripSuffix(line, "\r"))) + "\r\n";
    begin = end + 1;
  }
  return body;
}

absl::Status Rejected(const std::string& message) {
  return Error(absl::StatusCode::kInvalidArgument, "MAIL_REJECTED", message);
}

}  // namespace

std::optional<Mailbox> ParseMailbox(const std::string& text) {
  if (HasControl(text)) return std::nullopt;
  Mailbox mailbox{.name = "", .address = text};
  if (!text.empty() && text.back() == '>') {
    const std::size_t open = text.rfind('<');
    if (open == std::string::npos) return std::nullopt;
    mailbox.address = text.substr(open + 1, text.size() - open - 2);
    mailbox.name = std::string(absl::StripAsciiWhitespace(text.substr(0, open)));
    // Somebody may have quoted it already.
    if (mailbox.name.size() >= 2 && mailbox.name.front() == '"' && mailbox.name.back() == '"') {
      mailbox.name = mailbox.name.substr(1, mailbox.name.size() - 2);
    }
  }
  if (!IsAddress(mailbox.address)) return std::nullopt;
  return mailbox;
}

absl::StatusOr<std::string> Compose(const Mailbox& from, const Message& message, Time time) {
  if (!IsAddress(message.to)) return Rejected("the recipient's address is malformed");
  if (HasControl(message.subject)) return Rejected("the subject has a control character");
  const std::string domain = from.address.substr(from.address.find('@') + 1);
  return absl::StrCat("From: ", FromText(from), "\r\nTo: ", message.to,
                      "\r\nSubject: ", HeaderText(message.subject), "\r\nDate: ", DateText(time),
                      "\r\nMessage-ID: <", UuidV7(), "@", domain,
                      ">\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\n"
                      "Content-Transfer-Encoding: quoted-printable\r\n"
                      "Auto-Submitted: auto-generated\r\n\r\n",
                      Body(message.text));
}

}  // namespace gatehouse::mail
