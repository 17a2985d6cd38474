// Names of RPC methods with their message types. Generated constants of these
// types (see proto/plugin) are what clients call and servers register; this is
// not a stub and holds no connection.
#pragma once

namespace gatehouse::rpc {

// One request, one response.
template <typename Request, typename Response>
struct Method {
  const char* path;  // "/package.Service/Method"
};

// One request, a stream of responses.
template <typename Request, typename Response>
struct StreamMethod {
  const char* path;
};

// A stream of requests beside a stream of responses.
template <typename Request, typename Response>
struct BidiMethod {
  const char* path;
};

}  // namespace gatehouse::rpc
