#include "libs/http/response_writer.h"

#include <charconv>

#include "libs/http/chars.h"

namespace gatehouse::http {
namespace {

// Bodies from here on are sent from where they are; smaller ones are copied
// behind the head, which saves a segment.
constexpr std::size_t kCopiedBodyMax = 16384;
constexpr std::size_t kLinesWithoutHeaders = 160;

bool AllIn(const CharTable& table, const std::string& text) {
  for (char c : text) {
    if (!In(table, c)) return false;
  }
  return true;
}

bool IsOurs(const std::string& name) {
  switch (name.size()) {
    case 4:
      return SameName(name, "date");
    case 10:
      return SameName(name, "connection");
    case 14:
      return SameName(name, "content-length");
    case 17:
      return SameName(name, "transfer-encoding");
    default:
      return false;
  }
}

void AppendNumber(std::uint64_t number, std::string* text, int base = 10) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number, base).ptr;
  text->append(digits, static_cast<std::size_t>(end - digits));
}

void AppendStatusLine(int status, std::string* text) {
  *text += "HTTP/1.1 ";
  AppendNumber(static_cast<std::uint64_t>(status), text);
  *text += ' ';
  *text += ReasonPhrase(status);
  *text += "\r\n";
}

void AppendConnection(const ReplyForm& form, std::string* text) {
  if (!form.keep_alive) {
    *text += "Connection: close\r\n";
  } else if (form.http_1_0) {
    *text += "Connection: keep-alive\r\n";
  }
}

bool IsDate(std::string_view line) {
  return line.size() > 5 && line[4] == ':' && SameName(line.substr(0, 4), "date");
}

// Also sees whether one of the lines is a Date.
bool ScanLines(std::string_view lines, bool* has_date) {
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    if (end == lines.npos || end < 2 || lines[end - 1] != '\r') return false;
    if (lines.find('\r') != end - 1) return false;
    if (IsDate(lines.substr(0, end))) *has_date = true;
    lines.remove_prefix(end + 1);
  }
  return true;
}

}  // namespace

const std::string& DateLine::Get() {
  const std::time_t now = std::time(nullptr);
  if (now != second_) {
    second_ = now;
    std::tm utc{};
    gmtime_r(&now, &utc);
    char text[64];
    // The C locale is in force: nothing here calls setlocale.
    line_.assign(text,
                 std::strftime(text, sizeof text, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc));
  }
  return line_;
}

bool IsSendable(const Response& response) {
  if (response.status < 200 || response.status > 999) return false;
  for (const Header& header : response.headers) {
    if (header.name.empty() || !AllIn(kTokenChars, header.name)) return false;
    if (!AllIn(kFieldChars, header.value)) return false;
  }
  return true;
}

void QueueResponse(Response response, const ReplyForm& form, const std::string& date_line,
                   OutputQueue* output) {
  const bool has_body = response.status != 204 && response.status != 304;
  const bool sends_body = has_body && !form.without_body;
  const bool copies_body = sends_body && response.body.size() <= kCopiedBodyMax;

  std::size_t size = kLinesWithoutHeaders + (copies_body ? response.body.size() : 0);
  for (const Header& header : response.headers)
    size += header.name.size() + header.value.size() + 4;
  std::string bytes;
  bytes.reserve(size);
  AppendStatusLine(response.status, &bytes);
  bytes += date_line;
  for (const Header& header : response.headers) {
    if (IsOurs(header.name)) continue;
    bytes += header.name;
    bytes += ": ";
    bytes += header.value;
    bytes += "\r\n";
  }
  if (has_body) {
    bytes += "Content-Length: ";
    AppendNumber(response.body.size(), &bytes);
    bytes += "\r\n";
  }
  AppendConnection(form, &bytes);
  bytes += "\r\n";
  if (copies_body) bytes += response.body;
  output->Add(std::move(bytes));
  if (sends_body && !copies_body) output->Add(std::move(response.body));
}

bool AreWholeLines(std::string_view lines) {
  bool has_date = false;
  return ScanLines(lines, &has_date);
}

std::string FormatHead(ReplyHead head, bool chunked, const ReplyForm& form,
                       const std::string& date_line) {
  bool has_date = false;
  if (head.status < 200 || head.status > 999 || !ScanLines(head.lines, &has_date)) return "";
  const bool announces = head.length.has_value() && head.status != 204;
  // Into the memory of the lines: a head is made for every reply.
  std::string bytes = std::move(head.lines);
  std::string front;
  AppendStatusLine(head.status, &front);
  if (!has_date) front += date_line;
  bytes.insert(0, front);
  if (announces) {
    bytes += "Content-Length: ";
    AppendNumber(*head.length, &bytes);
    bytes += "\r\n";
  } else if (chunked) {
    bytes += "Transfer-Encoding: chunked\r\n";
  }
  AppendConnection(form, &bytes);
  bytes += "\r\n";
  return bytes;
}

void AppendChunk(std::string bytes, OutputQueue* output) {
  std::string size_line;
  AppendNumber(bytes.size(), &size_line, 16);
  size_line += "\r\n";
  output->Append(std::move(size_line));
  output->Append(std::move(bytes));
  output->Append("\r\n");
}

}  // namespace gatehouse::http
