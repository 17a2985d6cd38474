// Request lines, targets, header fields and hosts as raw bytes on real sockets.
// Each case names the clause that it is about.
#include "libs/http/framing_case.h"

namespace gatehouse::http {
namespace {

using std::string_literals::operator""s;

// "GET /case" with the given header lines instead of "Host: a".
std::string WithLines(const std::string& lines) {
  return "GET /case HTTP/1.1\r\n" + lines + "\r\n";
}

std::string WithLine(const std::string& line) { return WithLines("Host: a\r\n" + line + "\r\n"); }

std::string WithStart(const std::string& line) { return line + "\r\nHost: a\r\n\r\n"; }

std::string WithTarget(const std::string& target) {
  return WithStart("GET " + target + " HTTP/1.1");
}

std::string WithHeaders(int count) {
  std::string lines = "Host: a\r\n";
  for (int i = 1; i < count; ++i) lines += "X-" + std::to_string(i) + ": 1\r\n";
  return WithLines(lines);
}

const FramingCase kRequestLines[] = {
    // RFC 9112 3.1: method = token.
    {"MethodIsAToken", WithStart("G@T /case HTTP/1.1"), 400},
    // RFC 9110 9.1: the method is case-sensitive; "get" is another method.
    {"LowerCaseMethodIsAnotherMethod", WithStart("get /case HTTP/1.1"), 200},
    // RFC 9110 9.1: unknown methods are the handler's to answer.
    {"UnknownMethodReachesTheHandler", WithStart("BREW /case HTTP/1.1"), 200},
    // RFC 9112 3: request-line = method SP request-target SP HTTP-version.
    {"MethodIsMissing", WithStart(" /case HTTP/1.1"), 400},
    {"TwoSpacesBeforeTheTarget", WithStart("GET  /case HTTP/1.1"), 400},
    {"TwoSpacesBehindTheTarget", WithStart("GET /case  HTTP/1.1"), 400},
    {"TabInsteadOfASpace", WithStart("GET\t/case HTTP/1.1"), 400},
    {"SpaceInTheTarget", WithStart("GET /case x HTTP/1.1"), 400},
    {"SpaceBehindTheVersion", WithStart("GET /case HTTP/1.1 "), 400},
    {"TargetIsMissing", WithStart("GET HTTP/1.1"), 400},
    // RFC 9112 2.3: HTTP-version = "HTTP/" DIGIT "." DIGIT, case-sensitive.
    {"VersionIsMissing", WithStart("GET /case"), 400},
    {"VersionInLowerCase", WithStart("GET /case http/1.1"), 400},
    {"VersionWithTwoMinorDigits", WithStart("GET /case HTTP/1.10"), 400},
    {"VersionWithoutMinor", WithStart("GET /case HTTP/1"), 400},
    {"VersionOfAnotherProtocol", WithStart("GET /case HTCP/1.1"), 400},
    // RFC 9110 15.6.6: other versions are not supported.
    {"VersionZeroNine", WithStart("GET /case HTTP/0.9"), 505},
    {"VersionOneTwo", WithStart("GET /case HTTP/1.2"), 505},
    {"VersionTwo", WithStart("GET /case HTTP/2.0"), 505},
    // RFC 9113 3.4: the preface of HTTP/2 is not a request here.
    {"PrefaceOfHttp2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    // RFC 9112 2.2: at least one empty line before the request-line is ignored.
    {"OneEmptyLineBefore", "\r\n" + Get("/case"), 200},
    {"TwoEmptyLinesBefore", "\r\n\r\n" + Get("/case"), 400},
    {"BareLfBefore", "\n" + Get("/case"), 400},
    {"BareCrBefore", "\r" + Get("/case"), 400},
    {"SpaceBeforeTheMethod", " " + Get("/case"), 400},
    // RFC 9112 2.2: a bare CR is no line end and must not be taken for one.
    {"BareCrInTheRequestLine", WithStart("GET /case\rHTTP/1.1"), 400},
    {"BareCrEndsTheRequestLine", "GET /case HTTP/1.1\rHost: a\r\n\r\n", 400},
    // RFC 9112 2.2: a recipient MAY take a bare LF for a line end; we do not.
    {"BareLfEndsTheRequestLine", "GET /case HTTP/1.1\nHost: a\r\n\r\n", 400},
    {"BareLfEndsTheHead", "GET /case HTTP/1.1\r\nHost: a\r\n\n", 400},
    {"OnlyBareLf", "GET /case HTTP/1.1\nHost: a\n\n", 400},
    // RFC 9112 2.2: no whitespace between the start-line and the first field.
    {"SpaceBeforeTheFirstField", WithLines(" X: 1\r\nHost: a\r\n"), 400},
    // Not HTTP at all: the first bytes of a TLS handshake.
    {"TlsHandshake", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s, 400},
};
INSTANTIATE_TEST_SUITE_P(RequestLine, FramingTest, ::testing::ValuesIn(kRequestLines), NameOf);

const FramingCase kTargets[] = {
    // RFC 9112 3.2: no whitespace, control or non-ASCII bytes (RFC 3986 2).
    {"RawNonAscii", WithTarget("/caf\xc3\xa9"), 400},
    {"ControlByte", WithTarget("/case\x01"), 400},
    {"Nul", WithTarget("/ca\0se"s), 400},
    {"Delete", WithTarget("/case\x7f"), 400},
    // RFC 9112 3.2.1: a fragment is never sent.
    {"Fragment", WithTarget("/case#top"), 400},
    // RFC 9112 3.2.1: origin-form = absolute-path [ "?" query ].
    {"NoSlash", WithTarget("case"), 400},
    {"OnlyAQuery", WithTarget("?a=b"), 400},
    {"EmptyQuery", WithTarget("/case?"), 200},
    // RFC 9112 3.2.2: a server must accept the absolute-form.
    {"AbsoluteForm", WithTarget("http://b.example:81/case?x=1"), 200},
    {"AbsoluteFormWithoutAPath", WithTarget("http://b.example"), 200},
    {"AbsoluteFormOfAnotherScheme", WithTarget("ftp://b.example/case"), 400},
    {"AbsoluteFormWithoutAHost", WithTarget("http:///case"), 400},
    // RFC 9110 4.2.4: user information in an http URI is refused.
    {"AbsoluteFormWithAUser", WithTarget("http://user@b.example/case"), 400},
    {"AbsoluteFormWithABadPort", WithTarget("http://b.example:x/case"), 400},
    // RFC 9112 3.2.2: Host must be sent with it all the same.
    {"AbsoluteFormWithoutTheField", "GET http://b.example/case HTTP/1.1\r\n\r\n", 400},
    // RFC 9112 3.2.3: authority-form is for CONNECT, which we do not implement.
    {"Connect", WithStart("CONNECT b.example:443 HTTP/1.1"), 501},
    {"AuthorityFormWithGet", WithTarget("b.example:443"), 400},
    // RFC 9112 3.2.4: asterisk-form is only for OPTIONS.
    {"AsteriskWithOptions", WithStart("OPTIONS * HTTP/1.1"), 200},
    {"AsteriskWithGet", WithTarget("*"), 400},
    // RFC 3986 2.1: pct-encoded = "%" HEXDIG HEXDIG.
    {"GoodEscape", WithTarget("/caf%C3%A9/%2F"), 200},
    {"BrokenEscape", WithTarget("/case%4"), 400},
    {"EscapeOfNoHexDigits", WithTarget("/case%zz"), 400},
    {"PercentAlone", WithTarget("/%"), 400},
    {"EscapedNul", WithTarget("/case%00"), 400},
    // RFC 3629 3: what is decoded must be UTF-8.
    {"EscapedInvalidUtf8", WithTarget("/case%ff"), 400},
    {"EscapedOverlongUtf8", WithTarget("/case%c0%af"), 400},
    {"EscapedSurrogate", WithTarget("/case%ed%a0%80"), 400},
    // RFC 3986 3.4: the query is kept raw; what it means is the handler's to say.
    {"BrokenEscapeInTheQuery", WithTarget("/case?a=%zz"), 200},
    // RFC 9110 15.5.15: longer than we take.
    {"TargetOf8192Bytes", WithTarget("/" + std::string(8191, 'a')), 200},
    {"TargetOf8193Bytes", WithTarget("/" + std::string(8192, 'a')), 414},
    {"TargetThatFillsTheHead", WithTarget("/" + std::string(20000, 'a')), 414},
    // 8,000 segments are only a path that nobody knows.
    {"ManySlashes", WithTarget(std::string(8000, '/')), 200},
};
INSTANTIATE_TEST_SUITE_P(Target, FramingTest, ::testing::ValuesIn(kTargets), NameOf);

const FramingCase kFields[] = {
    // RFC 9112 5.1: no whitespace between the name and the colon.
    {"SpaceBeforeTheColon", WithLine("X : 1"), 400},
    {"TabBeforeTheColon", WithLine("X\t: 1"), 400},
    // RFC 9110 5.1: field-name = token.
    {"EmptyName", WithLine(": 1"), 400},
    {"NameIsNoToken", WithLine("X(y): 1"), 400},
    {"NameIsNotAscii", WithLine("X\xc3\xa9: 1"), 400},
    {"NameWithANul", WithLine("X\0Y: 1"s), 400},
    {"NoColon", WithLine("X"), 400},
    // A name that holds a line end would hide a Content-Length.
    {"NameWithALineEnd", WithLine("Foo\r\nContent-Length: 5"), 400},
    // RFC 9112 5.2: obs-fold is refused.
    {"FoldedWithASpace", WithLine("X: 1\r\n 2"), 400},
    {"FoldedWithATab", WithLine("X: 1\r\n\t2"), 400},
    {"FoldedEmptyValue", WithLine("X:\r\n 2"), 400},
    {"FoldedHost", WithLines("Host:\r\n a\r\n"), 400},
    {"FoldedEmptyIntoNothing", WithLine("X:\r\n "), 400},
    {"FoldedIntoNothing", WithLine("X: 1\r\n "), 400},
    // RFC 9110 5.5: no CR, LF, NUL or other control characters in values.
    {"BareLfInAValue", WithLine("X: 1\nY: 2"), 400},
    {"BareCrInAValue", WithLine("X: 1\rY: 2"), 400},
    {"BareCrEndsAValue", WithLine("X: 1\r"), 400},
    {"NulInAValue", WithLine("X: a\0b"s), 400},
    {"ControlInAValue",
     WithLine("X: a\x01"
              "b"),
     400},
    {"VerticalTabInAValue", WithLine("X: a\vb"), 400},
    {"DeleteInAValue", WithLine("X: a\x7f"), 400},
    // RFC 9110 5.5: obs-text is allowed, tabs and spaces around a value are not its.
    {"NonAsciiInAValue", WithLine("X: caf\xc3\xa9 \xff"), 200},
    {"TabsAroundAValue", WithLine("X:\t 1 \t"), 200},
    {"NoSpaceBeforeAValue", WithLine("X:1"), 200},
    {"EmptyValue", WithLine("X:"), 200},
    {"ColonsInAValue", WithLine("X: a:b: c"), 200},
    // RFC 9110 5.2: repeated fields are legal.
    {"RepeatedField", WithLine("X: 1\r\nX: 2"), 200},
    // RFC 6585 5: 431 for too many and for too large fields.
    {"HundredFields", WithHeaders(100), 200},
    {"HundredAndOneFields", WithHeaders(101), 431},
    {"OneHugeField", WithLine("X: " + std::string(17000, 'x')), 431},
    {"ManyLargeFields",
     WithLine("X: " + std::string(9000, 'x') + "\r\nY: " + std::string(9000, 'y')), 431},
};
INSTANTIATE_TEST_SUITE_P(Field, FramingTest, ::testing::ValuesIn(kFields), NameOf);

const FramingCase kHosts[] = {
    // RFC 9112 3.2: exactly one Host in HTTP/1.1, and a valid one.
    {"None", WithLines("X: 1\r\n"), 400},
    {"Two", WithLines("Host: a\r\nHost: b\r\n"), 400},
    {"TwoEqual", WithLines("Host: a\r\nhost: a\r\n"), 400},
    // RFC 9110 4.2.1: an http URI with an empty host is invalid.
    {"Empty", WithLines("Host:\r\n"), 400},
    {"OnlyAPort", WithLines("Host: :80\r\n"), 400},
    {"TwoNames", WithLines("Host: a b\r\n"), 400},
    {"List", WithLines("Host: a,b\r\n"), 400},
    {"WithAUser", WithLines("Host: user@a\r\n"), 400},
    {"WithAPath", WithLines("Host: a/b\r\n"), 400},
    {"WithABadPort", WithLines("Host: a:8x\r\n"), 400},
    {"WithATooLargePort", WithLines("Host: a:99999\r\n"), 400},
    {"WithAPort", WithLines("Host: a.example:8000\r\n"), 200},
    {"Ipv6", WithLines("Host: [::1]:8000\r\n"), 200},
    {"OpenBracket", WithLines("Host: [::1\r\n"), 400},
    // RFC 9112 3.2: HTTP/1.0 may go without; still never two.
    {"NoneInHttp10", "GET /case HTTP/1.0\r\n\r\n", 200, Then::kCloses},
    {"TwoInHttp10", "GET /case HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400},
};
INSTANTIATE_TEST_SUITE_P(Host, FramingTest, ::testing::ValuesIn(kHosts), NameOf);

const FramingCase kConnections[] = {
    // RFC 9112 9.3: HTTP/1.1 persists unless it is closed; HTTP/1.0 the other way.
    {"Persists", Get("/case"), 200},
    {"Close", Get("/case", "Connection: close\r\n"), 200, Then::kCloses},
    {"CloseInAList", Get("/case", "Connection: foo, CLOSE\r\n"), 200, Then::kCloses},
    {"CloseInASecondField", Get("/case", "Connection: a\r\nConnection: close\r\n"), 200,
     Then::kCloses},
    {"UnknownOption", Get("/case", "Connection: foo\r\n"), 200},
    {"KeepAlive", Get("/case", "Connection: keep-alive\r\n"), 200},
    // RFC 9110 7.6.1: Connection = [ connection-option *( OWS "," OWS option ) ].
    {"EmptyOption", Get("/case", "Connection:\r\n"), 200},
    {"EmptyOptionInAList", Get("/case", "Connection: keep-alive, , foo\r\n"), 200},
    {"OptionIsNoToken", Get("/case", "Connection: keep alive\r\n"), 400},
    {"Http10Closes", "GET /case HTTP/1.0\r\nHost: a\r\n\r\n", 200, Then::kCloses},
    {"Http10KeepsAlive", "GET /case HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", 200},
    // RFC 9110 10.1.1: an expectation that we do not know.
    {"UnknownExpectation", Get("/case", "Expect: wonders\r\n"), 417},
    {"ExpectationWithoutABody", Get("/case", "Expect: 100-continue\r\n"), 200},
};
INSTANTIATE_TEST_SUITE_P(Connection, FramingTest, ::testing::ValuesIn(kConnections), NameOf);

}  // namespace
}  // namespace gatehouse::http
