// The metadata keys that every call carries beside its passport. Not a public
// header.
#pragma once

#include <string>

namespace gatehouse::rpc {

inline constexpr char kRequestIdKey[] = "x-request-id";
inline constexpr char kTraceParentKey[] = "traceparent";

// Room for a passport with many scopes, and for an error with many violations.
inline constexpr int kMetadataBytesMax = 32 << 10;

// [A-Za-z0-9._-]{1,128}. gRPC aborts the process that sends a value with bytes
// which HTTP/2 forbids, so both ends check.
bool IsRequestId(const std::string& text);

}  // namespace gatehouse::rpc
