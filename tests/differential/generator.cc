#include "tests/differential/generator.h"

#include <cstddef>
#include <cstdio>
#include <iterator>
#include <random>

namespace gatehouse::differential {
namespace {

using std::string_literals::operator""s;

// What can stand for a good part. The first of each list is the good one.
const std::string kMethods[] = {"POST", "GET", "PUT", "HEAD", "DELETE", "PATCH", "post", "P\tOST"};
const std::string kVersions[] = {"HTTP/1.1", "HTTP/1.0",  "HTTP/1.2",  "HTTP/0.9",
                                 "http/1.1", "HTTP/1.1 ", "HTTP/01.1", "HTTP/2.0"};
const std::string kLineEnds[] = {"\r\n", "\n", "\r", "\r\r\n", "\n\r"};
const std::string kHosts[] = {"Host: a\r\n",
                              "host:a\r\n",
                              "",
                              "Host: a\r\nHost: b\r\n",
                              "Host: a\r\nHost: a\r\n",
                              "Host : a\r\n",
                              "Host: a, b\r\n",
                              "Host:\r\n",
                              "Host: a/b\r\n",
                              "Host: a\r\n b\r\n"};
// "#" stands for the number, of bytes or of one more.
const std::string kLengthNames[] = {"Content-Length: ",
                                    "content-length:",
                                    "Content-Length :",
                                    "Content-Length\t:",
                                    " Content-Length: ",
                                    "Content_Length: ",
                                    "Content-Length:\t",
                                    "Content-Length\0: "s,
                                    "\x0b"
                                    "Content-Length: ",
                                    "Content-Length\r\n: "};
const std::string kLengthValues[] = {"#",
                                     "#",
                                     "#",
                                     "#",
                                     "#",
                                     "+#",
                                     "-#",
                                     "0#",
                                     "00#",
                                     "#, #",
                                     "#,#",
                                     "# #",
                                     "0x#",
                                     "#.0",
                                     "\"#\"",
                                     "#\t",
                                     "# ",
                                     "\x0b#",
                                     "#;a=b",
                                     "#\0"s,
                                     "",
                                     "1e1",
                                     "#\r\n ",
                                     "4294967296",
                                     "18446744073709551616",
                                     "99999999999999999999999"};
const std::string kCodings[] = {"chunked",
                                "chunked",
                                "chunked",
                                "Chunked",
                                "chunked ",
                                "chunked\t",
                                "\tchunked",
                                "chunked, chunked",
                                "identity",
                                "gzip, chunked",
                                "chunked, identity",
                                "chunked;q=1",
                                "\"chunked\"",
                                "xchunked",
                                "chunkedx",
                                "\x0b"
                                "chunked",
                                "chunked\x0b",
                                "chunked\0"s,
                                ", chunked",
                                "chunked,",
                                "chunk\r\n ed",
                                "\r\n chunked",
                                "",
                                "identity, chunked"};
const std::string kCodingNames[] = {
    "Transfer-Encoding: ",   "transfer-encoding:",        "Transfer-Encoding : ",
    "Transfer_Encoding: ",   " Transfer-Encoding: ",      "X: 1\nTransfer-Encoding: ",
    "Transfer-Encoding\t: ", "X: 1\rTransfer-Encoding: ", "Transfer-Encoding\0: "s};
const std::string kSizes[] = {"#",
                              "#",
                              "#",
                              "#",
                              "0#",
                              "000000#",
                              "0x#",
                              "#;a=b",
                              "# ",
                              " #",
                              "+#",
                              "-#",
                              "#\t",
                              "#;",
                              "#;a=\"b\r\n\"",
                              "#\0"s,
                              "",
                              "g",
                              "#;a\nb",
                              "#,",
                              "00000000000000000#",
                              "10000000000000000#"};
const std::string kExtra[] = {"",
                              "Connection: close\r\n",
                              "Connection: keep-alive\r\n",
                              "Connection: Content-Length\r\n",
                              "Connection: Transfer-Encoding\r\n",
                              "Expect: 100-continue\r\n",
                              "Expect: x\r\n",
                              "X: a\r\n b\r\n",
                              "X: a\r\n\tb\r\n",
                              "X: \x01\r\n",
                              "X\r\n",
                              ": x\r\n",
                              "X: a\rb\r\n",
                              "X: a\nY: b\r\n",
                              "Upgrade: h2c\r\n",
                              "TE: trailers\r\n",
                              "\r\n",
                              "X(: a\r\n"};

class Maker {
 public:
  Maker(std::uint64_t number, const std::string& id) : id_(id), random_(number * 2 + 1) {
    // Most samples bend one or two things; a quarter none, so that much is accepted.
    const std::size_t draws[] = {0, 1, 1, 1, 2, 2, 3, 1};
    for (std::size_t left = draws[Upto(std::size(draws))]; left > 0; --left) {
      bent_ |= 1u << Upto(10);
    }
  }

  std::string Make() {
    const std::string body = MakePayload();
    const bool chunked = Upto(2) == 0;
    std::string head = Pick(kMethods, 0, 4) + " " + Target() + " " + Pick(kVersions, 1) + End();
    head += Pick(kHosts, 2);
    head += "X-Id: " + id_ + "\r\n";
    std::string framed = body;
    if (chunked) {
      head += Pick(kCodingNames, 3) + Pick(kCodings, 4) + "\r\n";
      framed = Chunk(body);
    }
    if (!chunked || Bends(5)) head += LengthLine(body.size(), framed.size());
    if (Bends(6)) head += kExtra[Upto(std::size(kExtra))];
    if (!chunked && Bends(7)) head += Pick(kCodingNames, 3) + Pick(kCodings, 4) + "\r\n";
    std::string bytes = head + End() + framed;
    if (Bends(9) && Upto(3) == 0) Damage(&bytes);
    return bytes + "GET /p/" + id_ + " HTTP/1.1\r\nHost: a\r\nX-Id: " + id_ +
           "\r\nConnection: close\r\n\r\n";
  }

 private:
  std::size_t Upto(std::size_t limit) { return random_() % limit; }
  bool Bends(int thing) const { return (bent_ & (1u << thing)) != 0; }

  // The good one, or, where this thing is bent, any. `good`: how many are good.
  template <std::size_t kSize>
  std::string Pick(const std::string (&list)[kSize], int thing, std::size_t good = 1) {
    return list[Upto(Bends(thing) ? kSize : good)];
  }

  std::string End() { return Bends(8) && Upto(2) == 0 ? kLineEnds[Upto(5)] : "\r\n"; }

  std::string Target() {
    const std::string path = "/d/" + id_;
    if (!Bends(9)) return path;
    const std::string forms[] = {path,        path + "?a=b", "http://a" + path, path + "#x",
                                 path + " x", path + "\t",   "/%2e%2e" + path,  "http://b:1" + path,
                                 path + "/",  "//" + path,   path + "?\xff",    path + "%00"};
    return forms[Upto(std::size(forms))];
  }

  // A body that looks like a request itself, a third of the time.
  std::string MakePayload() {
    if (Upto(3) == 0) {
      return "GET /s/" + id_ + " HTTP/1.1\r\nHost: a\r\nX-Id: " + id_ + "\r\n\r\n";
    }
    return std::string(Upto(40), 'b');
  }

  static std::string Fill(std::string pattern, const std::string& number) {
    for (std::size_t at; (at = pattern.find('#')) != pattern.npos;) {
      pattern.replace(at, 1, number);
    }
    return pattern;
  }

  std::string LengthLine(std::size_t body, std::size_t framed) {
    std::size_t length = framed;
    if (Bends(5)) {
      const std::size_t others[] = {framed, body, framed + 1, 0, body / 2, framed + 7};
      length = others[Upto(std::size(others))];
    }
    std::string line =
        Pick(kLengthNames, 5) + Fill(Pick(kLengthValues, 5, 5), std::to_string(length)) + "\r\n";
    if (Bends(5) && Upto(4) == 0) {
      line += "Content-Length: " + std::to_string(Upto(2) == 0 ? length : body) + "\r\n";
    }
    return line;
  }

  std::string Chunk(const std::string& body) {
    std::string chunks;
    for (std::size_t at = 0; at < body.size();) {
      const std::size_t size = std::min(body.size() - at, 1 + Upto(body.size()));
      char digits[24];
      std::snprintf(digits, sizeof digits, Upto(2) == 0 ? "%zx" : "%zX", size);
      chunks += Fill(Pick(kSizes, 7, 4), digits) + End();
      chunks += body.substr(at, size) + (Bends(8) && Upto(4) == 0 ? "" : End());
      at += size;
    }
    const std::string lasts[] = {"0\r\n\r\n",
                                 "0\r\n\r\n",
                                 "0\r\nT: 1\r\n\r\n",
                                 "00\r\n\r\n",
                                 "0;a\r\n\r\n",
                                 "0\n\n",
                                 "0\r\n",
                                 "0 \r\n\r\n",
                                 "0\r\nHost: b\r\n\r\n",
                                 "0\r\nContent-Length: 9\r\n\r\n",
                                 "0\r\nT : 1\r\n\r\n",
                                 "0\r\n T\r\n\r\n",
                                 "-0\r\n\r\n",
                                 "0x0\r\n\r\n"};
    return chunks + lasts[Upto(Bends(7) ? std::size(lasts) : 2)];
  }

  void Damage(std::string* bytes) {
    const std::size_t at = Upto(bytes->size());
    switch (Upto(3)) {
      case 0:
        (*bytes)[at] = static_cast<char>(Upto(256));
        break;
      case 1:
        bytes->erase(at, 1 + Upto(3));
        break;
      default:
        bytes->insert(at, 1, "\r\n\t :,;\0"[Upto(8)]);
    }
  }

  const std::string id_;
  std::mt19937_64 random_;
  unsigned bent_ = 0;
};

}  // namespace

Sample Generate(std::uint64_t number) {
  char id[40];
  std::snprintf(id, sizeof id, "%llu-%04llx", static_cast<unsigned long long>(number),
                static_cast<unsigned long long>(number * 2654435761u >> 7 & 0xffff));
  return {id, Maker(number, id).Make()};
}

}  // namespace gatehouse::differential
