// Frames responses: status line, Date, Content-Length, Connection. What a handler
// says about these is left out. Internal to libs/http.
#pragma once

#include <ctime>
#include <string>
#include <string_view>

#include "libs/http/channel.h"
#include "libs/http/message.h"
#include "libs/http/stream.h"

namespace gatehouse::http {

// The Date of now (RFC 9110 section 5.6.7), formatted once a second. Not
// thread-safe: each worker has its own.
class DateLine {
 public:
  const std::string& Get();

 private:
  std::time_t second_ = 0;
  std::string line_;
};

// What the request decides about its response.
struct ReplyForm {
  bool without_body = false;  // HEAD
  bool http_1_0 = false;
  bool keep_alive = true;
};

// Whether `response` can be put on the wire without changing its framing: a final
// status, tokens as header names, no control characters in values.
bool IsSendable(const Response& response);

// Queues a sendable response.
void QueueResponse(Response response, const ReplyForm& form, const std::string& date_line,
                   OutputQueue* output);

// Whether `lines` are header lines, each with its CRLF, and nothing else.
bool AreWholeLines(std::string_view lines);

// The head of a streamed reply with its empty line, and room for a small body behind
// it; "" where `head` would break the framing.
std::string FormatHead(ReplyHead head, bool chunked, const ReplyForm& form,
                       const std::string& date_line);

// Queues `bytes`, which are not empty, as one chunk.
void AppendChunk(std::string bytes, OutputQueue* output);

}  // namespace gatehouse::http
