// Signs any number of access tokens for a session that stands, as auth would: what a
// benchmark needs to show a gateway a token that it has never seen, each time.
// Usage: mint_tokens COUNT, with the claims of a token as JSON on standard input, and
// DATABASE_URL and SECRET_KEY of auth in the environment. Not for use outside bench/.
#include <boost/json/parse.hpp>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <iterator>

#include "libs/base/uuid.h"
#include "libs/pg/database.h"
#include "libs/token/jwt.h"
#include "services/auth/key_ring.h"

namespace gatehouse {
namespace {

token::Claims ReadClaims() {
  const std::string text(std::istreambuf_iterator<char>(std::cin), {});
  const boost::json::value value = boost::json::parse(text);
  const auto text_of = [&](const char* name) {
    return std::string(value.at(name).as_string().c_str());
  };
  token::Claims claims;
  claims.issuer = text_of("iss");
  claims.audience = text_of("aud");
  claims.subject = text_of("sub");
  claims.session_id = text_of("sid");
  claims.role = text_of("role");
  claims.tenant_id = value.at("tenant_id").to_number<std::int64_t>();
  claims.epoch = value.at("epoch").to_number<std::int64_t>();
  claims.issue_time = Time(std::chrono::seconds(value.at("iat").to_number<std::int64_t>()));
  claims.expire_time = Time(std::chrono::seconds(value.at("exp").to_number<std::int64_t>()));
  return claims;
}

int Mint(int count) {
  token::Claims claims = ReadClaims();
  auth::KeyRing keys(std::getenv("SECRET_KEY"));
  pg::Options options;
  options.url = std::getenv("DATABASE_URL");
  pg::Database db(options);
  const absl::Status done = db.InTransaction([&](pg::Tx& tx) -> absl::Status {
    for (int i = 0; i < count; ++i) {
      claims.id = UuidV7();
      GH_ASSIGN_OR_RETURN(const std::string token, keys.Sign(tx, claims));
      std::printf("%s\n", token.c_str());
    }
    return absl::OkStatus();
  });
  if (!done.ok()) std::cerr << done << "\n";
  return done.ok() ? 0 : 1;
}

}  // namespace
}  // namespace gatehouse

int main(int argc, char** argv) {
  if (argc != 2 || !std::getenv("DATABASE_URL") || !std::getenv("SECRET_KEY")) {
    std::fputs("usage: DATABASE_URL=… SECRET_KEY=… mint_tokens COUNT < claims.json\n", stderr);
    return 2;
  }
  return gatehouse::Mint(std::atoi(argv[1]));
}
