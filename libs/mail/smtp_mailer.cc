#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/clock.h"
#include "libs/mail/compose.h"
#include "libs/mail/mail.h"

namespace gatehouse::mail {
namespace {

constexpr int kTlsPort = 465;

using Handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using List = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

// What curl has taken of a mail so far.
struct Upload {
  std::string text;
  std::size_t taken = 0;
};

std::size_t Read(char* buffer, std::size_t size, std::size_t count, void* argument) {
  auto* const upload = static_cast<Upload*>(argument);
  const std::size_t length = std::min(size * count, upload->text.size() - upload->taken);
  std::copy_n(upload->text.data() + upload->taken, length, buffer);
  upload->taken += length;
  return length;
}

class SmtpMailer final : public Mailer {
 public:
  explicit SmtpMailer(SmtpOptions options) : options_(std::move(options)) {}

  absl::Status Send(const Message& message) override;

 private:
  std::string Url() const;
  void SetServer(CURL* curl) const;

  const SmtpOptions options_;
};

std::string SmtpMailer::Url() const {
  const bool is_ipv6 = options_.host.find(':') != std::string::npos;
  return absl::StrCat(options_.port == kTlsPort ? "smtps://" : "smtp://", is_ipv6 ? "[" : "",
                      options_.host, is_ipv6 ? "]" : "", ":", options_.port);
}

void SmtpMailer::SetServer(CURL* curl) const {
  curl_easy_setopt(curl, CURLOPT_URL, Url().c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  // The environment has no say in where mail goes.
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_USE_SSL,
                   static_cast<long>(options_.use_tls ? CURLUSESSL_ALL : CURLUSESSL_NONE));
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options_.ca_file.empty()) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, options_.ca_file.c_str());
  }
  if (!options_.user.empty()) {
    curl_easy_setopt(curl, CURLOPT_USERNAME, options_.user.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, options_.password.c_str());
  }
  // Signals would end a look-up of the name in whichever thread gets them.
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.timeout.count()));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(options_.timeout.count()));
  // After all that curl still says QUIT, and would wait two minutes for the answer.
  curl_easy_setopt(
      curl, CURLOPT_SERVER_RESPONSE_TIMEOUT,
      static_cast<long>(std::chrono::ceil<std::chrono::seconds>(options_.timeout).count()));
}

// A refusal for good is a 5xx to the recipient, to DATA or to the whole mail. That of
// the greeting, of the login or of the sender means that the settings are wrong: the
// mail is still good.
absl::Status Outcome(CURLcode result, long reply, const std::string& text, bool is_uploaded) {
  if (result == CURLE_OK) return absl::OkStatus();
  const bool is_of_mail =
      is_uploaded || (result == CURLE_SEND_ERROR && (absl::StartsWith(text, "RCPT failed") ||
                                                     absl::StartsWith(text, "DATA failed")));
  if (reply >= 500 && reply < 600 && is_of_mail) {
    return Error(absl::StatusCode::kInvalidArgument, "MAIL_REJECTED",
                 absl::StrCat("the mail server refused the mail with ", reply));
  }
  return Error(absl::StatusCode::kUnavailable, "MAIL_UNAVAILABLE",
               absl::StrCat("the mail was not taken: ", curl_easy_strerror(result),
                            reply > 0 ? absl::StrCat(", last reply ", reply) : ""));
}

absl::Status SmtpMailer::Send(const Message& message) {
  const std::optional<Mailbox> from = ParseMailbox(options_.from);
  if (!from) {
    return Error(absl::StatusCode::kInvalidArgument, "MAIL_REJECTED",
                 "the sender's address is malformed");
  }
  Upload upload;
  GH_ASSIGN_OR_RETURN(upload.text, Compose(*from, message, SystemClock().Now()));
  const Handle curl(curl_easy_init(), &curl_easy_cleanup);
  const List to(curl_slist_append(nullptr, absl::StrCat("<", message.to, ">").c_str()),
                &curl_slist_free_all);
  if (curl == nullptr || to == nullptr) {
    return Error(absl::StatusCode::kUnavailable, "MAIL_UNAVAILABLE", "out of memory");
  }
  std::array<char, CURL_ERROR_SIZE> text{};
  SetServer(curl.get());
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, text.data());
  curl_easy_setopt(curl.get(), CURLOPT_MAIL_FROM, absl::StrCat("<", from->address, ">").c_str());
  curl_easy_setopt(curl.get(), CURLOPT_MAIL_RCPT, to.get());
  curl_easy_setopt(curl.get(), CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_READFUNCTION, &Read);
  curl_easy_setopt(curl.get(), CURLOPT_READDATA, &upload);
  const CURLcode result = curl_easy_perform(curl.get());
  long reply = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &reply);
  return Outcome(result, reply, text.data(), upload.taken == upload.text.size());
}

}  // namespace

std::unique_ptr<Mailer> NewSmtpMailer(SmtpOptions options) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  return std::make_unique<SmtpMailer>(std::move(options));
}

}  // namespace gatehouse::mail
