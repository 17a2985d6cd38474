#include "libs/http/chunk_decoder.h"

#include <gmock/gmock.h>

namespace gatehouse::http {
namespace {

constexpr std::string_view kBody =
    "4;ext=\"a\"\r\nWiki\r\n00A\r\n0123456789\r\n0\r\nX-Trailer: 1\r\nY:\r\n\r\n";

TEST(ChunkDecoderTest, DecodesWhereverTheBodyIsCut) {
  for (std::size_t cut = 0; cut <= kBody.size(); ++cut) {
    ChunkDecoder decoder;
    std::string body;
    const std::size_t used = decoder.Feed(kBody.substr(0, cut), 100, &body);
    ASSERT_EQ(used, cut);
    EXPECT_EQ(decoder.Feed(kBody.substr(cut), 100, &body), kBody.size() - cut);
    EXPECT_TRUE(decoder.done()) << cut;
    EXPECT_EQ(decoder.status(), 0) << cut;
    EXPECT_EQ(body, "Wiki0123456789");
  }
}

TEST(ChunkDecoderTest, StopsBehindTheBody) {
  ChunkDecoder decoder;
  std::string body;
  EXPECT_EQ(decoder.Feed("1\r\na\r\n0\r\n\r\nGET / HTTP", 100, &body), 11u);
  EXPECT_TRUE(decoder.done());
}

TEST(ChunkDecoderTest, TheLimitHoldsBeforeTheBytesCome) {
  ChunkDecoder decoder;
  std::string body;
  decoder.Feed("5\r\nabcde\r\n6\r\n", 10, &body);
  EXPECT_EQ(decoder.status(), 413);
  ChunkDecoder exact;
  body.clear();
  exact.Feed("5\r\nabcde\r\n5\r\nabcde\r\n0\r\n\r\n", 10, &body);
  EXPECT_TRUE(exact.done());
}

TEST(ChunkDecoderTest, ExtensionsAndTrailersAreBounded) {
  std::string body;
  ChunkDecoder extension;
  extension.Feed("1;" + std::string(5000, 'x'), 10, &body);
  EXPECT_EQ(extension.status(), 400);

  std::string many;
  for (int i = 0; i < 500; ++i) many += "1;xxxxxxxx\r\na\r\n";
  ChunkDecoder together;
  together.Feed(many, 1000, &body);
  EXPECT_EQ(together.status(), 400) << "all extensions of a body count together";

  ChunkDecoder trailer;
  body.clear();
  trailer.Feed("0\r\nA: " + std::string(5000, 'x'), 10, &body);
  EXPECT_EQ(trailer.status(), 431);
}

}  // namespace
}  // namespace gatehouse::http
