// The one place that builds error answers: every error of the edge, its parser's
// included, becomes a Problem and then one JSON object, with the further
// spellings that a surface's clients read. Decides nothing about causes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/http/message.h"
#include "libs/status/status.h"

namespace gatehouse::gateway {

// An error on its way to the client.
struct Problem {
  int status = 500;
  std::string code;     // UPPER_SNAKE_CASE
  std::string message;  // For people; never a detail of the inside.
  std::string service;  // The process that is the cause; empty: the request is.
  std::vector<std::pair<std::string, std::string>> details;        // field, what is wrong
  std::vector<std::pair<std::string, std::int64_t>> numbers = {};  // further members
  std::vector<http::Header> headers = {};
};

// The problem that is nothing but an HTTP status.
Problem ProblemOf(int status);

// An error of the edge itself (`service` empty), in its own words, or of a call
// to `service`. What an inner service says about requests is passed on with its
// reason; what it says about its own trouble is not.
Problem ProblemOf(const absl::Status& status, const std::string& service = "");

// {"error","message","status_code","request_id"} and, where they are known,
// "service" and "details"; the surface's own spellings by the request's path;
// RFC 9457 when Accept asks for it. 401 carries both challenges.
http::Response ErrorResponse(const Problem& problem, const http::Request& request,
                             const std::string& request_id);

// What the surface of `path` makes of the same problems: 422 of a request that is
// not valid, or of a name that is taken; its own words.
void AdaptToSurface(std::string_view path, Problem* problem);

// Whether `path` is `folder` or below it.
bool IsUnder(std::string_view path, std::string_view folder);

}  // namespace gatehouse::gateway
