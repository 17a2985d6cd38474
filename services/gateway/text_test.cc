// Rules about texts: JSON output, cents, addresses, hosts, query.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "services/gateway/cents.h"
#include "services/gateway/client_address.h"
#include "services/gateway/json_writer.h"
#include "services/gateway/options.h"
#include "services/gateway/query.h"
#include "services/gateway/text.h"

namespace gatehouse::gateway {
namespace {

TEST(JsonWriterTest, SeparatesMembersAndElements) {
  JsonWriter json;
  json.BeginObject().Field("a", 1).Field("b", "x,").Key("c").BeginArray();
  json.BeginObject().EndObject().Text("[").Null().EndArray();
  json.Field("d", true).NullField("e").EndObject();
  EXPECT_EQ(json.Take(), R"({"a":1,"b":"x,","c":[{},"[",null],"d":true,"e":null})");
}

TEST(JsonWriterTest, EscapesWhatJsonForbids) {
  JsonWriter json;
  json.Text(std::string_view("\"\\\n\r\t\x01\x1f\0é", 10));
  EXPECT_EQ(json.Take(), "\"\\\"\\\\\\n\\r\\t\\u0001\\u001f\\u0000é\"");
}

TEST(JsonWriterTest, WritesTheLeastAndGreatestIntegers) {
  JsonWriter json;
  json.BeginObject().Field("a", INT64_MIN).Field("b", INT64_MAX).EndObject();
  EXPECT_EQ(json.Take(), R"({"a":-9223372036854775808,"b":9223372036854775807})");
}

TEST(CentsTest, BalancesAreRoundedDownAndRequirementsUp) {
  EXPECT_EQ(FloorCents(19'999'999), 1);
  EXPECT_EQ(FloorCents(-1), -1);
  EXPECT_EQ(FloorCents(-10'000'000), -1);
  EXPECT_EQ(CeilCents(10'000'001), 2);
  EXPECT_EQ(CeilCents(-19'999'999), -1);
}

TEST(CentsTest, EntriesAddUpToTheBalanceThatIsShown) {
  std::int64_t balance = 12'345'678;
  std::int64_t shown = FloorCents(balance);
  for (const std::int64_t amount : {-4'000'000LL, -4'000'000LL, 9'999'999LL, -30'000'000LL}) {
    balance += amount;
    shown += EntryCents(amount, balance);
    EXPECT_EQ(shown, FloorCents(balance));
  }
}

TEST(CentsTest, DollarsAreExactDecimalText) {
  EXPECT_EQ(DollarsText(5000), "50.0");
  EXPECT_EQ(DollarsText(2), "0.02");
  EXPECT_EQ(DollarsText(10), "0.1");
  EXPECT_EQ(DollarsText(0), "0.0");
  EXPECT_EQ(DollarsText(-5), "-0.05");
  EXPECT_EQ(DollarsText(-150), "-1.5");
  EXPECT_EQ(DollarsText(INT64_MIN), "-92233720368547758.08");
}

TEST(DecimalTest, NumbersOfJsonAreReadExactly) {
  EXPECT_EQ(ParseDecimal("12.5", 2), 1250);
  EXPECT_EQ(ParseDecimal("0.1", 6), 100'000);
  EXPECT_EQ(ParseDecimal("1e-06", 6), 1);
  EXPECT_EQ(ParseDecimal("1.5E+2", 1), 1500);
  EXPECT_EQ(ParseDecimal("-7", 2), -700);
  EXPECT_EQ(ParseDecimal("1.500", 1), 15) << "zeros at the end are no decimals";
  EXPECT_EQ(ParseDecimal("0e99", 6), 0);
  EXPECT_EQ(ParseDecimal("92233720368547758.07", 2), INT64_MAX);
  for (const char* bad : {"0.0000001", "1e-7", "92233720368547758.08", "1e99", "1e100", "", "-",
                          ".", "1.2.3", "0x10", "1 ", "1e", "+1"}) {
    EXPECT_EQ(ParseDecimal(bad, 6), std::nullopt) << bad;
  }
}

TEST(DecimalTest, TextIsTheOtherWayRound) {
  EXPECT_EQ(DecimalText(1250, 2), "12.50");
  EXPECT_EQ(DecimalText(1, 6), "0.000001");
  EXPECT_EQ(DecimalText(0, 6), "0.000000");
  EXPECT_EQ(DecimalText(-1, 2), "-0.01");
  EXPECT_EQ(DecimalText(-123, 2), "-1.23");
  EXPECT_EQ(DecimalText(1'000'000, 6), "1.000000");
}

class ClientAddressTest : public ::testing::Test {
 protected:
  std::string Walk(const std::string& peer, const std::vector<std::string>& forwarded,
                   const std::string& trusted = "10.0.0.0/8, ::1, fd00::/8") {
    http::Request request;
    request.peer_address = peer;
    for (const auto& value : forwarded) request.headers.push_back({"x-forwarded-for", value});
    const auto proxies = TrustedProxies::Parse(trusted);
    EXPECT_TRUE(proxies.ok()) << proxies.status();
    return ClientAddress(request, *proxies);
  }
};

TEST_F(ClientAddressTest, AnUntrustedPeerIsTheClientWhateverItClaims) {
  EXPECT_EQ(Walk("192.0.2.1", {"198.51.100.7"}), "192.0.2.1");
  EXPECT_EQ(Walk("10.0.0.1", {"198.51.100.7"}, ""), "10.0.0.1");
}

TEST_F(ClientAddressTest, WalksPastTrustedProxiesFromTheRight) {
  EXPECT_EQ(Walk("10.0.0.1", {"203.0.113.9, 198.51.100.7, 10.1.1.1"}), "198.51.100.7");
  EXPECT_EQ(Walk("10.0.0.1", {"203.0.113.9", "198.51.100.7, fd00::2"}), "198.51.100.7");
  EXPECT_EQ(Walk("10.0.0.1", {"10.2.2.2, 10.1.1.1"}), "10.2.2.2");
  EXPECT_EQ(Walk("::1", {}), "::1");
}

TEST_F(ClientAddressTest, StopsAtAnEntryThatIsNoAddress) {
  EXPECT_EQ(Walk("10.0.0.1", {"198.51.100.7, unknown, 10.1.1.1"}), "10.1.1.1");
  EXPECT_EQ(Walk("10.0.0.1", {"198.51.100.7, [::"}), "10.0.0.1");
}

TEST_F(ClientAddressTest, AcceptsPortsAndMappedAddresses) {
  EXPECT_EQ(Walk("10.0.0.1", {"198.51.100.7:4711"}), "198.51.100.7");
  EXPECT_EQ(Walk("::ffff:10.0.0.1", {"[2001:db8::5]:80"}), "2001:db8::5");
}

TEST_F(ClientAddressTest, PrefixesCountBits) {
  EXPECT_EQ(Walk("10.15.0.1", {"192.0.2.9"}, "10.0.0.0/12"), "192.0.2.9");
  EXPECT_EQ(Walk("10.16.0.1", {"192.0.2.9"}, "10.0.0.0/12"), "10.16.0.1");
  EXPECT_EQ(Walk("203.0.113.9", {"192.0.2.9"}, "0.0.0.0/0"), "192.0.2.9")
      << "all of IPv4 is trusted, so the walk ends at its last entry";
}

TEST(TrustedProxiesTest, RefusesWhatIsNoNetwork) {
  for (const char* bad : {"10.0.0.0/33", "10.0.0.0/", "::1/129", "example.com", "10.0.0.0/-1"}) {
    EXPECT_FALSE(TrustedProxies::Parse(bad).ok()) << bad;
  }
}

TEST(AllowedHostsTest, MatchesNamesDomainsAndPorts) {
  const AllowedHosts hosts("api.example.com, .example.org");
  for (const char* good : {"api.example.com", "API.example.com:8000", "example.org",
                           "a.b.example.org", "api.example.com."}) {
    EXPECT_TRUE(hosts.Allows(good)) << good;
  }
  for (const char* bad : {"", "example.com", "xexample.org", "api.example.com.evil.net", "[::1]"}) {
    EXPECT_FALSE(hosts.Allows(bad)) << bad;
  }
}

TEST(AllowedHostsTest, NoListAndTheStarAllowAny) {
  EXPECT_TRUE(AllowedHosts("").Allows("anything"));
  EXPECT_TRUE(AllowedHosts("a.example, *").Allows("anything"));
  EXPECT_TRUE(AllowedHosts("[::1]").Allows("[::1]:8000"));
}

// The settings with these values in the environment, and nothing from a file.
absl::StatusOr<Options> OptionsFrom(const std::map<std::string, std::string>& values) {
  std::vector<config::Setting> declared = DeclaredSettings();
  declared.push_back({.name = "ENV", .help = "", .fallback = "development"});
  for (const auto& [name, value] : values) ::setenv(name.c_str(), value.c_str(), 1);
  const auto settings = config::Settings::Load(declared);
  for (const auto& [name, value] : values) ::unsetenv(name.c_str());
  if (!settings.ok()) return settings.status();
  return ReadOptions(*settings);
}

std::map<std::string, std::string> Addresses() {
  std::map<std::string, std::string> values;
  for (const char* name : {"AUTH", "INVITATIONS", "BILLING", "JOBS", "ORCHESTRATOR_MONITOR"}) {
    values[std::string(name) + "_ADDRESS"] = "unix:/x";
  }
  return values;
}

TEST(OptionsTest, DefaultsServeWithoutTls) {
  const auto options = OptionsFrom(Addresses());
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->http_address, "127.0.0.1:8000");
  EXPECT_FALSE(options->session_cookie_secure);
}

TEST(OptionsTest, HttpsOnlySecuresTheCookies) {
  auto values = Addresses();
  values["HTTPS_ONLY"] = "yes";
  const auto options = OptionsFrom(values);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_TRUE(options->session_cookie_secure);
  EXPECT_TRUE(options->csrf_cookie_secure);
}

TEST(OptionsTest, NamesEverythingThatIsMissing) {
  const std::string message(OptionsFrom({{"ENV", "production"}}).status().message());
  for (const char* name : {"AUTH_ADDRESS", "ORCHESTRATOR_MONITOR_ADDRESS", "ALLOWED_HOSTS"}) {
    EXPECT_THAT(message, testing::HasSubstr(name));
  }
}

TEST(OptionsTest, EitherNameOfTheHostsWillDo) {
  auto values = Addresses();
  values["ENV"] = "production";
  values["DJANGO_ALLOWED_HOSTS"] = "api.example.com";
  const auto options = OptionsFrom(values);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_FALSE(options->allowed_hosts.Allows("other.example"));
}

TEST(OptionsTest, RefusesOddProxiesAndDomains) {
  for (const auto& [name, value] :
       std::map<std::string, std::string>{{"TRUSTED_PROXIES", "10.0.0.0/99"},
                                          {"SESSION_COOKIE_DOMAIN", "a; Secure"},
                                          {"HTTP_ADDRESS", "8000"}}) {
    auto values = Addresses();
    values[name] = value;
    EXPECT_THAT(std::string(OptionsFrom(values).status().message()), testing::HasSubstr(name));
  }
}

TEST(OptionsTest, EitherNameOfTheAddressLimitAndOfTheCookiesWillDo) {
  auto values = Addresses();
  values["LOGIN_IP_RATE_LIMIT"] = "9";
  values["LOGIN_IP_RATE_WINDOW"] = "300";
  values["COOKIE_SECURE"] = "true";
  values["COOKIE_DOMAIN"] = ".Example.com";
  values["COOKIE_SAMESITE"] = "strict";
  auto options = OptionsFrom(values);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->auth_rate_limit, 9);
  EXPECT_EQ(options->auth_rate_window, std::chrono::seconds(300));
  EXPECT_TRUE(options->session_cookie_secure);
  EXPECT_EQ(options->cookie_domain, "example.com");
  EXPECT_EQ(options->cookie_same_site, "Strict");
  values["LOGIN_IP_RATE_DISABLED"] = "true";
  options = OptionsFrom(values);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->auth_rate_limit, 0);
}

TEST(OptionsTest, LoginsAreLimitedUnlessSomebodySaysOtherwise) {
  const auto options = OptionsFrom(Addresses());
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->auth_rate_limit, 5);
  EXPECT_EQ(options->auth_rate_window, std::chrono::seconds(60));
  EXPECT_EQ(options->cookie_same_site, "Lax");
  EXPECT_FALSE(options->strict_envelope);
}

TEST(OptionsTest, CookiesForOtherSitesMustBeSecure) {
  auto values = Addresses();
  values["COOKIE_SAMESITE"] = "None";
  values["SESSION_COOKIE_SECURE"] = "true";
  EXPECT_EQ(Reason(OptionsFrom(values).status()), "SETTINGS_INVALID") << "csrf_token is not";
  values["CSRF_COOKIE_SECURE"] = "true";
  EXPECT_TRUE(OptionsFrom(values).ok());
  values["COOKIE_SAMESITE"] = "sometimes";
  EXPECT_THAT(std::string(OptionsFrom(values).status().message()),
              testing::HasSubstr("COOKIE_SAMESITE"));
}

TEST(HostNameTest, IsInLowerCaseWithoutPortAndLastDot) {
  EXPECT_EQ(HostName("API.Example.com:8000"), "api.example.com");
  EXPECT_EQ(HostName("example.com."), "example.com");
  EXPECT_EQ(HostName("[::1]:80"), "[::1]");
  EXPECT_EQ(HostName(""), "");
}

TEST(NetworkTest, IsTheAddressOfIpv4AndTheSlash64OfIpv6) {
  EXPECT_EQ(NetworkOf("192.0.2.1"), NetworkOf("::ffff:192.0.2.1"));
  EXPECT_NE(NetworkOf("192.0.2.1"), NetworkOf("192.0.2.2"));
  EXPECT_EQ(NetworkOf("2001:db8::1"), NetworkOf("2001:db8::ffff:1"));
  EXPECT_NE(NetworkOf("2001:db8::1"), NetworkOf("2001:db8:0:1::1"));
  EXPECT_EQ(NetworkOf("nowhere"), "nowhere");
}

TEST(QueryTest, NumbersAreClampedAndWordsRefused) {
  auto query = Query::Parse("limit=9999&offset=-3&page=ten&flag=TRUE");
  ASSERT_TRUE(query.ok());
  EXPECT_EQ(query->Number("limit", 50, 1, 500), 500);
  EXPECT_EQ(query->Number("offset", 0, 0, 100), 0);
  EXPECT_EQ(query->Number("absent", 7, 1, 9), 7);
  EXPECT_TRUE(query->Flag("flag"));
  EXPECT_TRUE(query->Finish().ok());
  query->Number("page", 1, 1, 9);
  EXPECT_EQ(FieldViolations(query->Finish()).count("page"), 1u);
}

TEST(QueryTest, RefusesBrokenEscapes) {
  EXPECT_EQ(Reason(Query::Parse("a=%zz").status()), "QUERY_MALFORMED");
  EXPECT_EQ(Reason(Query::Parse("a=%ff").status()), "QUERY_MALFORMED");
}

TEST(TextTest, PrintableKeepsAsciiOnly) {
  EXPECT_EQ(Printable("curl/7\x01\xff", 512), "curl/7??");
  EXPECT_EQ(Printable("abcdef", 3), "abc");
}

}  // namespace
}  // namespace gatehouse::gateway
