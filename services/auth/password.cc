#include "services/auth/password.h"

#include <sodium.h>
#include <zxcvbn.h>

#include <algorithm>
#include <cstdlib>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "libs/base/secret.h"
#include "libs/metrics/metrics.h"
#include "services/auth/hash_memory.h"
#include "services/auth/password_hash.h"
#include "services/auth/user.h"

namespace gatehouse::auth {
namespace {

constexpr std::size_t kCharactersMin = 8;
constexpr std::size_t kBytesMax = 1024;
// A name shorter than this is in many good passwords by chance.
constexpr std::size_t kNameBytesMin = 4;
// A password must hold this much beside a name that it contains.
constexpr std::size_t kBesideNameMin = 5;
// log2 of a million guesses: what a throttled attacker cannot try.
constexpr double kGuessBitsMin = 20;

constexpr std::size_t kMemoryBytes = 19 * 1024 * 1024;
constexpr unsigned long long kPasses = 2;
constexpr int kNice = 10;

std::size_t CountCharacters(const std::string& utf8) {
  return std::count_if(utf8.begin(), utf8.end(),
                       [](unsigned char c) { return (c & 0xC0) != 0x80; });
}

absl::Status TooWeak(const std::string& message) {
  return FieldError("PASSWORD_TOO_WEAK", "password", message);
}

// Both in lower case.
bool IsLike(const std::string& password, const std::string& name) {
  if (password == name) return true;
  if (name.size() < kNameBytesMin) return false;
  if (password.find(name) != std::string::npos) {
    return password.size() - name.size() < kBesideNameMin;
  }
  return name.find(password) != std::string::npos;
}

bool IsGuessable(const std::string& password, const std::vector<std::string>& names) {
  std::vector<const char*> words;
  words.reserve(names.size() + 1);
  for (const std::string& name : names) words.push_back(name.c_str());
  words.push_back(nullptr);
  return ZxcvbnMatch(password.c_str(), words.data(), nullptr) < kGuessBitsMin;
}

// Empty when memory is short.
std::string ComputeHash(const std::string& password) {
  const HashMemory memory;
  std::string hash(crypto_pwhash_STRBYTES, '\0');
  if (crypto_pwhash_str_alg(hash.data(), password.data(), password.size(), kPasses, kMemoryBytes,
                            crypto_pwhash_ALG_ARGON2ID13) != 0) {
    return "";
  }
  hash.resize(hash.find('\0'));
  return hash;
}

Fit FitOfArgon2id(const std::string& password, const std::string& hash) {
  const HashMemory memory;
  if (crypto_pwhash_str_verify(hash.c_str(), password.data(), password.size()) != 0) {
    return Fit::kNo;
  }
  const bool is_present = crypto_pwhash_str_needs_rehash(hash.c_str(), kPasses, kMemoryBytes) == 0;
  return is_present ? Fit::kYes : Fit::kOutdated;
}

// For no hash and for one that cannot be read the work is done on `decoy`.
Fit FitOf(const std::string& password, const std::string& hash, const std::string& decoy) {
  switch (FormOf(hash)) {
    case HashForm::kArgon2id:
      return FitOfArgon2id(password, hash);
    case HashForm::kBcrypt:
      return FitsBcrypt(password, hash) ? Fit::kOutdated : Fit::kNo;
    case HashForm::kDjango:
      return FitsDjango(password, hash) ? Fit::kOutdated : Fit::kNo;
    case HashForm::kMalformed:
      FitOfArgon2id(password, decoy);
      return Fit::kNo;
  }
  return Fit::kNo;
}

exec::Pool::Options PoolOptions(const PasswordHasher::Options& options) {
  const int half = static_cast<int>(std::thread::hardware_concurrency() / 2);
  return {.name = "password",
          .threads = options.threads > 0 ? options.threads : std::max(1, half),
          .queue_max = options.queue_max,
          .nice = kNice};
}

}  // namespace

absl::Status CheckPassword(const std::string& password, const std::string& username,
                           const std::string& email) {
  if (CountCharacters(password) < kCharactersMin) return TooWeak("must have at least 8 characters");
  if (password.size() > kBytesMax) return TooWeak("must have at most 1,024 bytes");
  if (std::all_of(password.begin(), password.end(), absl::ascii_isdigit)) {
    return TooWeak("must not consist of digits only");
  }
  const std::string lower = absl::AsciiStrToLower(password);
  const std::string lower_email = absl::AsciiStrToLower(email);
  const std::vector<std::string> names = {absl::AsciiStrToLower(username), lower_email,
                                          lower_email.substr(0, lower_email.find('@'))};
  for (const std::string& name : names) {
    if (IsLike(lower, name)) return TooWeak("must not resemble the username or the email");
  }
  if (IsGuessable(password, names)) return TooWeak("is too easy to guess");
  return absl::OkStatus();
}

PasswordHasher::PasswordHasher(Options options) : pool_(PoolOptions(options)) {
  // sodium_init also picks the fastest code for this processor.
  if (sodium_init() < 0) std::abort();
  decoy_hash_ = ComputeHash(RandomBytes(16));
}

absl::Status PasswordHasher::RunOnPool(const std::function<void()>& work) {
  static metrics::Counter& refused = metrics::GetCounter(
      "gatehouse_auth_password_refused_total", "Passwords not checked because of overload.");
  // Shared: the pool's thread may still be inside set_value when the wait ends.
  auto done = std::make_shared<std::promise<void>>();
  std::future<void> finished = done->get_future();
  if (!pool_.TryPost([done, &work] {
        work();
        done->set_value();
      })) {
    refused.Increment();
    return Error(absl::StatusCode::kResourceExhausted, "OVERLOADED",
                 "too many passwords are being checked; try again soon");
  }
  finished.wait();
  ++hash_count_;
  return absl::OkStatus();
}

absl::StatusOr<std::string> PasswordHasher::Hash(const std::string& password) {
  std::string hash;
  GH_RETURN_IF_ERROR(RunOnPool([&] { hash = ComputeHash(password); }));
  if (hash.empty()) {
    return Error(absl::StatusCode::kResourceExhausted, "OVERLOADED", "out of memory; try again");
  }
  return hash;
}

absl::StatusOr<Fit> PasswordHasher::Verify(const std::string& password, const std::string& hash) {
  Fit fit = Fit::kNo;
  GH_RETURN_IF_ERROR(RunOnPool([&] { fit = FitOf(password, hash, decoy_hash_); }));
  return fit;
}

}  // namespace gatehouse::auth
