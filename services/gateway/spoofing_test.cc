// Every way that is known to smuggle a context header to the upstream, each against
// each of the six, by HTTP and by WebSocket.
#include "services/gateway/context_headers.h"
#include "services/gateway/proxy_fixture.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kNames[] = {"X-User-ID",   "X-Client-ID",  "X-User-Role",
                                  "X-User-Tier", "X-User-Email", "X-User-Permissions"};
constexpr char kForged[] = "forged-7f3a";

std::string With(std::string text, char from, char to) {
  for (char& c : text) c = c == from ? to : c;
  return text;
}

// The header lines of one attempt.
struct Attempt {
  const char* name;
  std::string lines;
};

std::vector<Attempt> AttemptsWith(const std::string& name) {
  const std::string value = std::string(": ") + kForged + "\r\n";
  std::string upper = name;
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  const std::string lower = AsciiLower(name);
  std::string one = name;
  one[one.find('-')] = '_';
  return {
      {"as it is", name + value},
      {"upper case", upper + value},
      {"lower case", lower + value},
      {"underscores", With(name, '-', '_') + value},
      {"one underscore", one + value},
      {"underscores in upper case", With(upper, '-', '_') + value},
      {"dots", With(name, '-', '.') + value},
      {"dots in lower case", With(lower, '-', '.') + value},
      {"tildes", With(name, '-', '~') + value},
      {"twice", name + value + name + value},
      {"twice in two spellings", lower + value + With(name, '-', '_') + value},
      {"listed by Connection", "Connection: " + name + "\r\n" + name + value},
      {"only listed by Connection", "Connection: close, " + lower + "\r\n"},
      {"listed with underscores",
       "Connection: " + With(name, '-', '_') + "\r\n" + With(name, '-', '_') + value},
      {"without a space", name + ":" + kForged + "\r\n"},
      {"with tabs around", name + ":\t" + kForged + "\t\r\n"},
      {"with commas", name + ": a," + kForged + "\r\n"},
  };
}

class SpoofingTest : public ProxyTest {
 protected:
  SpoofingTest() {
    services_.EditToken(user_, [](auth::v1::LookupTokenResponse& answer) {
      type::v1::Principal& principal = *answer.mutable_principal();
      principal.set_client_id("acme");
      principal.set_tier("pro");
      principal.set_email("ada@example.com");
      principal.add_permissions("read_things");
    });
  }

  // The one request that came, with what the gateway says of the user and nothing else.
  void ExpectTruth(const std::string& what) {
    const std::vector<SeenRequest> requests = upstream_.Take();
    ASSERT_EQ(requests.size(), 1u) << what;
    const SeenRequest& seen = requests.front();
    EXPECT_EQ(seen.head.find(kForged), std::string::npos) << what << "\n" << seen.head;
    EXPECT_EQ(seen.body.find(kForged), std::string::npos) << what << "\n" << seen.body;
    EXPECT_THAT(seen.All("X-User-ID"), ElementsAre(services_.UserId(user_))) << what;
    EXPECT_THAT(seen.All("X-Client-ID"), ElementsAre("acme")) << what;
    EXPECT_THAT(seen.All("X-User-Role"), ElementsAre("user")) << what;
    EXPECT_THAT(seen.All("X-User-Tier"), ElementsAre("pro")) << what;
    EXPECT_THAT(seen.All("X-User-Email"), ElementsAre("ada@example.com")) << what;
    EXPECT_THAT(seen.All("X-User-Permissions"), ElementsAre("read_things")) << what;
    int context_headers = 0;
    for (const std::string& name : seen.Names()) context_headers += IsContextHeader(name);
    EXPECT_EQ(context_headers, 6) << what << "\n" << seen.head;
  }

  std::string Head(const std::string& request_line, const std::string& lines) const {
    return request_line + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + user_ + "\r\n" + lines;
  }

  static constexpr char kUpgrade[] =
      "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
};

TEST_F(SpoofingTest, NoHeaderOfARequestPasses) {
  for (const char* name : kNames) {
    for (const auto& [how, lines] : AttemptsWith(name)) {
      const Answer answer = FetchRaw(
          gateway_.address(),
          Head("GET /api/v1/personas/instances", lines + "Connection: close\r\n") + "\r\n");
      EXPECT_EQ(answer.status, 200) << name << " " << how;
      ExpectTruth(std::string(name) + " " + how);
    }
  }
}

TEST_F(SpoofingTest, NoHeaderOfAHandshakePasses) {
  upstream_.Do(
      [](const SeenRequest&) { return RawAnswer("403 Forbidden", "Connection: close\r\n"); });
  for (const char* path : {"/api/v1/ws", "/ws"}) {
    for (const char* name : kNames) {
      for (const auto& [how, lines] : AttemptsWith(name)) {
        const Answer answer = FetchRaw(
            gateway_.address(),
            Head("GET " + std::string(path), lines + "Connection: Upgrade, close\r\n" + kUpgrade) +
                "\r\n");
        EXPECT_EQ(answer.status, 403) << name << " " << how;
        ExpectTruth(std::string(path) + " " + name + " " + how);
      }
    }
  }
}

TEST_F(SpoofingTest, NoTrailerPasses) {
  for (const char* name : kNames) {
    for (const auto& [how, lines] : AttemptsWith(name)) {
      const Answer answer = Chunked("2\r\n{}\r\n0\r\n" + lines + "\r\n", "application/json",
                                    std::string("Trailer: ") + name + "\r\n");
      EXPECT_EQ(answer.status, 200) << name << " " << how;
      ExpectTruth(std::string(name) + " as a trailer " + how);
    }
  }
}

TEST_F(SpoofingTest, ARequestForATunnelHasNoTrailers) {
  for (const char* name : kNames) {
    const Answer answer =
        FetchRaw(gateway_.address(),
                 Head("GET /api/v1/ws",
                      "Connection: Upgrade, close\r\nTransfer-Encoding: chunked\r\nTrailer: " +
                          std::string(name) + "\r\n" + kUpgrade) +
                     "\r\n0\r\n" + name + ": " + kForged + "\r\n\r\n");
    EXPECT_GE(answer.status, 400) << name;
    for (const SeenRequest& seen : upstream_.Take()) {
      EXPECT_EQ((seen.head + seen.body).find(kForged), std::string::npos) << name;
    }
  }
}

TEST_F(SpoofingTest, NoFoldedOrNamelessLineCarriesOne) {
  for (const std::string& lines : std::vector<std::string>{
           "X-Other: a\r\n X-User-Role: forged-7f3a\r\n", "X-User-Role : forged-7f3a\r\n",
           " X-User-Role: forged-7f3a\r\n", "X-Other: a\rX-User-Role: forged-7f3a\r\n",
           "X-Other: a\nX-User-Role: forged-7f3a\r\n",
           std::string("X-User-Role\0: forged-7f3a\r\n", 27)}) {
    const Answer answer =
        FetchRaw(gateway_.address(),
                 Head("GET /api/v1/personas/instances", lines + "Connection: close\r\n") + "\r\n");
    for (const SeenRequest& seen : upstream_.Take()) {
      EXPECT_THAT(seen.All("X-User-Role"), ElementsAre("user")) << lines;
      EXPECT_EQ(seen.head.find("\nX-User-Role: forged"), std::string::npos) << lines;
      EXPECT_EQ(seen.head.find("\rX-User-Role: forged"), std::string::npos) << lines;
    }
    EXPECT_TRUE(answer.status == 200 || answer.status == 400) << answer.status;
  }
}

// A masked frame of a client; the mask is zero.
std::string Frame(char opcode, const std::string& payload) {
  return std::string() + static_cast<char>(0x80 | opcode) +
         static_cast<char>(0x80 | payload.size()) + std::string(4, '\0') + payload;
}

TEST_F(SpoofingTest, ATunnelIsOpenedInTheUsersNameAndPassesFrames) {
  upstream_.Do([](const SeenRequest&) {
    return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
  });
  const std::string frames = Frame(1, "hello") + Frame(8, std::string("\x03\xe8", 2));
  const Answer answer =
      FetchRaw(gateway_.address(),
               "GET /api/v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nX-User-Role: " +
                   std::string(kForged) + "\r\nSec-WebSocket-Protocol: bearer, " + user_ + "\r\n" +
                   kUpgrade + "\r\n" + frames);
  EXPECT_EQ(answer.status, 101);
  EXPECT_EQ(answer.Get("Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(answer.Get("Sec-WebSocket-Protocol"), "bearer");
  EXPECT_EQ(answer.body, std::string("\x81\x05hello\x88\x02\x03\xe8", 11));
  const std::vector<SeenRequest> requests = upstream_.Take();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_THAT(requests[0].All("X-User-ID"), ElementsAre(services_.UserId(user_)));
  EXPECT_THAT(requests[0].All("X-User-Role"), ElementsAre("user"));
  EXPECT_THAT(requests[0].All("Upgrade"), ElementsAre("websocket"));
  EXPECT_THAT(requests[0].All("Sec-WebSocket-Protocol"), IsEmpty()) << "a token never goes on";
  EXPECT_EQ(requests[0].head.find(user_), std::string::npos);
}

TEST_F(SpoofingTest, ATokenWithinASubprotocolStaysHereAndIsChosen) {
  upstream_.Do([](const SeenRequest&) {
    return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
  });
  const std::string offered = "authorization.bearer." + user_;
  const Answer answer =
      FetchRaw(gateway_.address(),
               Head("GET /api/v1/ws", "Connection: Upgrade\r\nSec-WebSocket-Protocol: " + offered +
                                          "\r\n" + kUpgrade) +
                   "\r\n" + Frame(8, std::string("\x03\xe8", 2)));
  EXPECT_EQ(answer.status, 101);
  EXPECT_EQ(answer.Get("Sec-WebSocket-Protocol"), offered);
  const std::vector<SeenRequest> requests = upstream_.Take();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_THAT(requests[0].All("Sec-WebSocket-Protocol"), IsEmpty());
  EXPECT_EQ(requests[0].head.find(user_), std::string::npos);
}

TEST_F(SpoofingTest, ATunnelIsNotForForeignPagesNorForPlainRequests) {
  const auto ask = [&](const std::string& lines) {
    return FetchRaw(gateway_.address(), Head("GET /api/v1/ws", lines) + "\r\n");
  };
  const Answer foreign =
      ask("Connection: Upgrade, close\r\nOrigin: https://evil.example\r\n" + std::string(kUpgrade));
  EXPECT_EQ(foreign.status, 403);
  EXPECT_THAT(foreign.body, HasSubstr("ORIGIN_NOT_ALLOWED"));
  const Answer plain = ask("Connection: close\r\n");
  EXPECT_EQ(plain.status, 426);
  EXPECT_EQ(plain.Get("Upgrade"), "websocket");
  EXPECT_EQ(FetchRaw(gateway_.address(),
                     "GET /api/v1/ws HTTP/1.1\r\nHost: x\r\nConnection: "
                     "Upgrade, close\r\n" +
                         std::string(kUpgrade) + "\r\n")
                .status,
            401);
  EXPECT_THAT(upstream_.Take(), IsEmpty());
}

}  // namespace
}  // namespace gatehouse::gateway
