// Between protobuf messages and gRPC's byte buffers: servers and clients of this
// library move bytes, so that one instantiation of gRPC's templates serves all
// methods. Not a public header.
#pragma once

#include <string>

#include "google/protobuf/message.h"

namespace grpc {
class ByteBuffer;
}

namespace gatehouse::rpc {

// Takes the bytes over without copying them.
grpc::ByteBuffer ToBuffer(std::string bytes);

std::string ToText(const grpc::ByteBuffer& buffer);

// False when the bytes are not a message of `out`'s type.
bool ParseBuffer(const grpc::ByteBuffer& buffer, google::protobuf::MessageLite* out);

// Once per process: starts gRPC for good, and sends its complaints and those of
// protobuf through libs/log. Cheap when done before.
void PrepareLibraries();

}  // namespace gatehouse::rpc
