// Lengths, transfer codings and chunks as raw bytes on real sockets. Each case
// names the clause that it is about.
#include "libs/http/framing_case.h"

namespace gatehouse::http {
namespace {

using std::string_literals::operator""s;

std::string Post(const std::string& lines, const std::string& body = "") {
  return "POST /case HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n" + body;
}

std::string Length(const std::string& value, const std::string& body = "") {
  return Post("Content-Length: " + value + "\r\n", body);
}

std::string Coding(const std::string& value) {
  return Post("Transfer-Encoding: " + value + "\r\n", "0\r\n\r\n");
}

std::string Chunked(const std::string& body) {
  return Post("Transfer-Encoding: chunked\r\n", body);
}

const FramingCase kLengths[] = {
    // RFC 9112 6.3: a valid Content-Length is the length of the body.
    {"Exact", Length("3", "abc"), 200},
    {"Zero", Length("0"), 200},
    {"LeadingZeros", Length("0003", "abc"), 200},
    {"OnGet", "GET /case HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 200},
    // RFC 9112 6.3: without either field a request has no body.
    {"NoneMeansNoBody", Post(""), 200},
    // RFC 9110 8.6: Content-Length = 1*DIGIT, and nothing else.
    {"Plus", Length("+3", "abc"), 400},
    {"Minus", Length("-3", "abc"), 400},
    {"Hexadecimal", Length("0x3", "abc"), 400},
    {"TrailingLetters", Length("3abc", "abc"), 400},
    {"Fraction", Length("3.0", "abc"), 400},
    {"Exponent", Length("3e0", "abc"), 400},
    {"InnerSpace", Length("3 3", "abc"), 400},
    {"Empty", Length("", "abc"), 400},
    {"Overflow", Length("99999999999999999999", "abc"), 400},
    {"OverflowToThree", Length("18446744073709551619", "abc"), 400},
    {"FullwidthDigit", Length("\xef\xbc\x93", "abc"), 400},
    // RFC 9112 6.3 item 5: differing values are an attack; equal ones we refuse too.
    {"ListOfEqual", Length("3, 3", "abc"), 400},
    {"ListOfDifferent", Length("3,5", "abc"), 400},
    {"TwoEqual", Post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"), 400},
    {"TwoDifferent", Post("Content-Length: 3\r\nContent-Length: 5\r\n", "abc"), 400},
    {"TwoInOtherCase", Post("Content-Length: 3\r\ncontent-length: 5\r\n", "abc"), 400},
    // RFC 9112 5.1: a space before the colon must not make the field disappear.
    {"SpaceBeforeTheColon", Post("Content-Length : 3\r\n", "abc"), 400},
    // RFC 9110 5.6.3: a tab is a blank as well, but other readers refuse it here.
    {"TabBefore", Post("Content-Length:\t3\r\n", "abc"), 400},
    {"TabBehind", Length("3\t", "abc"), 400},
    // RFC 1945 8: servers of HTTP/1.0 look for no body behind these.
    {"OnGetOfHttp10", "GET /case HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", 400},
    {"OnPostOfHttp10", "POST /case HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", 200, Then::kCloses},
    // RFC 9110 15.5.14: refused before the body is read.
    {"AboveTheLimit", Length("1048577"), 413},
    {"FarAboveTheLimit", Length("20000000000"), 413},
};
INSTANTIATE_TEST_SUITE_P(ContentLength, FramingTest, ::testing::ValuesIn(kLengths), NameOf);

const FramingCase kCodings[] = {
    // RFC 9112 6.1 and 7: chunked is the one coding; its name has no case.
    {"Chunked", Coding("chunked"), 200},
    {"ChunkedInUpperCase", Coding("CHUNKED"), 200},
    // RFC 9112 6.1: a coding that we do not understand gets 501.
    {"Gzip", Coding("gzip"), 501},
    {"Identity", Coding("identity"), 501},
    {"GzipThenChunked", Coding("gzip, chunked"), 501},
    {"ChunkedThenGzip", Coding("chunked, gzip"), 501},
    {"ChunkedTwice", Coding("chunked, chunked"), 501},
    {"ChunkedWithAParameter", Coding("chunked;q=1"), 501},
    {"ChunkedInQuotes", Coding("\"chunked\""), 501},
    {"AlmostChunked", Coding("xchunked"), 501},
    {"LeadingComma", Coding(", chunked"), 501},
    {"TabBefore", Coding("\tchunked"), 400},
    {"TabBehind", Coding("chunked\t"), 400},
    {"Empty", Coding(""), 501},
    // RFC 9112 6.1: chunked is not applied more than once.
    {"TwoFields", Post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
     400},
    {"TwoFieldsWithIdentity",
     Post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 501},
    {"VerticalTabBefore", Coding("\vchunked"), 400},
    // RFC 9112 6.1: both fields are an attempt at smuggling.
    {"WithContentLength", Post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
     400},
    {"BeforeContentLength",
     Post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), 400},
    {"GzipWithContentLength", Post("Transfer-Encoding: gzip\r\nContent-Length: 3\r\n", "abc"), 400},
    // RFC 9112 6.1: faulty in HTTP/1.0.
    {"InHttp10", "POST /case HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     400},
    // RFC 9112 5.1 and 5.2: hidden by a space or a fold.
    {"SpaceBeforeTheColon", Post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), 400},
    {"Folded", Post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), 400},
};
INSTANTIATE_TEST_SUITE_P(TransferEncoding, FramingTest, ::testing::ValuesIn(kCodings), NameOf);

const FramingCase kChunks[] = {
    // RFC 9112 7.1: chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF.
    {"One", Chunked("3\r\nabc\r\n0\r\n\r\n"), 200},
    {"Several", Chunked("1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"), 200},
    {"HexDigitsOfBothCases", Chunked("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"), 200},
    {"LeadingZeros", Chunked("003\r\nabc\r\n000\r\n\r\n"), 200},
    {"DataThatLooksLikeAChunk", Chunked("7\r\n0\r\n\r\n0\r\r\n0\r\n\r\n"), 200},
    {"NoLastChunkInSight", Chunked("3\r\nabc\r\nGET / HTTP/1.1\r\n"), 400},
    // RFC 9112 7.1: chunk-size = 1*HEXDIG.
    {"SizeWithAPrefix", Chunked("0x3\r\nabc\r\n0\r\n\r\n"), 400},
    {"SizeWithAPlus", Chunked("+3\r\nabc\r\n0\r\n\r\n"), 400},
    {"SizeWithAMinus", Chunked("-3\r\nabc\r\n0\r\n\r\n"), 400},
    {"SpaceBeforeTheSize", Chunked(" 3\r\nabc\r\n0\r\n\r\n"), 400},
    {"SpaceBehindTheSize", Chunked("3 \r\nabc\r\n0\r\n\r\n"), 400},
    {"TabBehindTheSize", Chunked("3\t\r\nabc\r\n0\r\n\r\n"), 400},
    {"EmptySize", Chunked("\r\nabc\r\n0\r\n\r\n"), 400},
    {"SizeOfNoHexDigits", Chunked("g\r\nabc\r\n0\r\n\r\n"), 400},
    {"Underscore", Chunked("1_0\r\nabc\r\n0\r\n\r\n"), 400},
    // RFC 9112 7.1: recipients must anticipate sizes that overflow.
    {"SizeOfSixteenDigits", Chunked("ffffffffffffffff\r\nabc\r\n0\r\n\r\n"), 400},
    {"SizeThatWrapsToThree", Chunked("10000000000000003\r\nabc\r\n0\r\n\r\n"), 400},
    {"SizeAboveTheLimit", Chunked("100001\r\nabc"), 413},
    // RFC 9112 7.1: CRLF exactly, behind the size and behind the data.
    {"BareLfBehindTheSize", Chunked("3\nabc\r\n0\r\n\r\n"), 400},
    {"BareCrBehindTheSize", Chunked("3\rabc\r\n0\r\n\r\n"), 400},
    {"BareLfBehindTheData", Chunked("3\r\nabc\n0\r\n\r\n"), 400},
    {"NoLineEndBehindTheData", Chunked("3\r\nabc0\r\n\r\n"), 400},
    {"DataLongerThanItsSize", Chunked("3\r\nabcd\r\n0\r\n\r\n"), 400},
    {"TwoCrBehindTheData", Chunked("3\r\nabc\r\r\n0\r\n\r\n"), 400},
    {"BareLfAtTheEnd", Chunked("0\r\n\n"), 400},
    {"BareLfBehindTheLastChunk", Chunked("0\n\r\n"), 400},
    // RFC 9112 7.1.1: unknown extensions are ignored, within a bound.
    {"Extension", Chunked("3;a=b;c=\"d e\"\r\nabc\r\n0;x\r\n\r\n"), 200},
    // RFC 9110 6.5.1: what frames a message must not come behind it.
    {"LengthInTheTrailer", Chunked("0\r\nContent-Length: 9\r\n\r\n"), 400},
    {"CodingInTheTrailer", Chunked("0\r\ntransfer-encoding: chunked\r\n\r\n"), 400},
    {"HostInTheTrailer", Chunked("0\r\nHost: b\r\n\r\n"), 400},
    {"LongNameInTheTrailer", Chunked("0\r\nTransfer-Encodings-Known: 1\r\n\r\n"), 200},
    {"ExtensionWithoutAName", Chunked("3;\r\nabc\r\n0\r\n\r\n"), 400},
    {"SecondExtensionWithoutAName", Chunked("3;a;\r\nabc\r\n0\r\n\r\n"), 400},
    {"BlankBeforeAnExtension", Chunked("3; a\r\nabc\r\n0\r\n\r\n"), 400},
    {"ControlInAnExtension", Chunked("3;a\x01\r\nabc\r\n0\r\n\r\n"), 400},
    {"BareLfInAnExtension", Chunked("3;a\nb\r\nabc\r\n0\r\n\r\n"), 400},
    {"BareCrInAnExtension", Chunked("3;a\rb\r\nabc\r\n0\r\n\r\n"), 400},
    {"ExtensionWithoutEnd", Chunked("3;" + std::string(5000, 'a') + "\r\nabc\r\n0\r\n\r\n"), 400},
    // RFC 9112 7.1.2: trailers may be discarded, but must be fields.
    {"Trailers", Chunked("3\r\nabc\r\n0\r\nX: 1\r\nY: 2\r\n\r\n"), 200},
    {"TrailerWithoutAColon", Chunked("0\r\nX\r\n\r\n"), 400},
    {"TrailerWithoutAName", Chunked("0\r\n: 1\r\n\r\n"), 400},
    {"TrailerWithASpaceBeforeTheColon", Chunked("0\r\nX : 1\r\n\r\n"), 400},
    {"FoldedTrailer", Chunked("0\r\nX: 1\r\n 2\r\n\r\n"), 400},
    {"BareLfInATrailer", Chunked("0\r\nX: 1\nY: 2\r\n\r\n"), 400},
    {"NulInATrailer", Chunked("0\r\nX: \0\r\n\r\n"s), 400},
    {"TrailersWithoutEnd", Chunked("0\r\nX: " + std::string(5000, 'a') + "\r\n\r\n"), 431},
};
INSTANTIATE_TEST_SUITE_P(Chunk, FramingTest, ::testing::ValuesIn(kChunks), NameOf);

TEST(BodyTest, ArrivesAsItWasSent) {
  TestServer server;
  RawClient client(server.address());
  client.Send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\na\0\r\n\xff"s);
  EXPECT_EQ(client.Read().body, "a\0\r\n\xff"s);
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;x\r\nabc\r\n2\r\n\r\n\r\n0\r\nX: 1\r\n\r\n");
  EXPECT_EQ(client.Read().body, "abc\r\n");
}

TEST(BodyTest, OfExactlyTheLimitIsTaken) {
  ServerOptions options;
  options.body_bytes_max = 1000;
  TestServer server(options);
  const std::string body(1000, 'b');
  RawClient client(server.address());
  client.Send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" + body);
  EXPECT_EQ(client.Read().body, body);
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3e8\r\n" +
      body + "\r\n0\r\n\r\n");
  EXPECT_EQ(client.Read().body, body);
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3e8\r\n" +
      body + "\r\n1\r\nb\r\n0\r\n\r\n");
  EXPECT_EQ(client.Read().status, 413);
  EXPECT_TRUE(client.AwaitEnd());
}

// RFC 9110 10.1.1: the client waits for 100 before it sends the body.
TEST(BodyTest, ContinueIsSentWhenAClientWaitsForIt) {
  TestServer server;
  RawClient client(server.address());
  const std::string head =
      "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: ";
  client.Send(head + "3\r\n\r\n");
  EXPECT_EQ(client.Read().status, 100);
  client.Send("abc");
  EXPECT_EQ(client.Read().body, "abc");
  client.Send(head + "3\r\n\r\nabc");
  EXPECT_EQ(client.Read().status, 200) << "no 100 when the body is there already";
  client.Send(head + "9999999\r\n\r\n");
  EXPECT_EQ(client.Read().status, 413) << "no 100 for a body that is refused";
  EXPECT_TRUE(client.AwaitEnd());
}

TEST(BodyTest, ContinueIsNotSentToHttp10) {
  TestServer server;
  RawClient client(server.address());
  client.Send("POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  client.Send("abc");
  EXPECT_EQ(client.Read().status, 200);
}

// RFC 9112 9.6: what is sent behind a refused request must not reset the answer.
TEST(BodyTest, TheAnswerSurvivesABodyThatNobodyReads) {
  TestServer server;
  RawClient client(server.address());
  client.Send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n");
  client.Send(std::string(3 << 20, 'x'));
  EXPECT_EQ(client.Read().status, 413);
  EXPECT_TRUE(client.AwaitEnd());
}

}  // namespace
}  // namespace gatehouse::http
