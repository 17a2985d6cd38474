#include "libs/redis/reply.h"

#include <hiredis/hiredis.h>
#include <hiredis/read.h>

namespace gatehouse::redis {
namespace {

absl::Status Broken(const std::string& cause) {
  return Error(absl::StatusCode::kDataLoss, "REDIS_PROTOCOL_BROKEN", cause);
}

Reply Convert(const redisReply& raw) {
  Reply reply;
  switch (raw.type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      reply.kind = Reply::Kind::kText;
      reply.text.assign(raw.str, raw.len);
      break;
    case REDIS_REPLY_ERROR:
      reply.kind = Reply::Kind::kError;
      reply.text.assign(raw.str, raw.len);
      break;
    case REDIS_REPLY_INTEGER:
      reply.kind = Reply::Kind::kInteger;
      reply.integer = raw.integer;
      break;
    case REDIS_REPLY_ARRAY:
      reply.kind = Reply::Kind::kList;
      for (std::size_t i = 0; i < raw.elements; ++i)
        reply.items.push_back(Convert(*raw.element[i]));
      break;
    default:
      break;
  }
  return reply;
}

}  // namespace

struct ReplyReader::Impl {
  Impl() : reader(redisReaderCreate(), &redisReaderFree) {}

  std::unique_ptr<redisReader, decltype(&redisReaderFree)> reader;
  std::size_t pending = 0;  // Bytes since the last whole reply.
};

ReplyReader::ReplyReader() : impl_(std::make_unique<Impl>()) {}
ReplyReader::~ReplyReader() = default;

void ReplyReader::Feed(std::string_view bytes) {
  impl_->pending += bytes.size();
  redisReaderFeed(impl_->reader.get(), bytes.data(), bytes.size());
}

absl::StatusOr<std::optional<Reply>> ReplyReader::Next() {
  void* found = nullptr;
  if (redisReaderGetReply(impl_->reader.get(), &found) != REDIS_OK) {
    return Broken(impl_->reader->errstr);
  }
  if (found == nullptr) {
    if (impl_->pending > kBytesMax) return Broken("the reply is too long");
    return std::nullopt;
  }
  impl_->pending = 0;
  const std::unique_ptr<redisReply, decltype(&freeReplyObject)> raw(static_cast<redisReply*>(found),
                                                                    &freeReplyObject);
  return Convert(*raw);
}

void AppendCommand(const std::vector<std::string>& words, std::string* wire) {
  *wire += "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    *wire += "$" + std::to_string(word.size()) + "\r\n";
    wire->append(word).append("\r\n");
  }
}

}  // namespace gatehouse::redis
