#include "libs/mail/mail.h"

#include "libs/mail/compose.h"

namespace gatehouse::mail {
namespace {

constexpr char kProduction[] = "production";

std::string CheckFrom(const std::string& value) {
  return ParseMailbox(value) ? "" : "must be an address, or a name and an address in brackets";
}

}  // namespace

std::vector<config::Setting> MailSettings() {
  return {
      {.name = "EMAIL_HOST",
       .help =
           "The SMTP server. Without it mail goes into the log, in production without its text."},
      {.name = "EMAIL_PORT",
       .help = "Its port; 465 is TLS from the first byte.",
       .fallback = "587",
       .kind = config::Kind::kInt,
       .min = 1,
       .max = 65535},
      {.name = "EMAIL_USE_TLS",
       .help = "Sends nothing unless the server offers STARTTLS.",
       .fallback = "true",
       .kind = config::Kind::kBool},
      {.name = "EMAIL_HOST_USER", .help = "The user at the SMTP server, if it wants one."},
      {.name = "EMAIL_HOST_PASSWORD", .help = "The password of that user.", .secret = true},
      {.name = "DEFAULT_FROM_EMAIL",
       .help = "The sender of mail.",
       .fallback = "gatehouse@localhost",
       .check = CheckFrom},
  };
}

std::unique_ptr<Mailer> MakeMailer(const config::Settings& settings) {
  if (settings.Text("EMAIL_HOST").empty()) {
    return NewLogMailer(settings.Text("ENV") == kProduction);
  }
  return NewSmtpMailer({.host = settings.Text("EMAIL_HOST"),
                        .port = static_cast<int>(settings.Int("EMAIL_PORT")),
                        .use_tls = settings.Bool("EMAIL_USE_TLS"),
                        .user = settings.Text("EMAIL_HOST_USER"),
                        .password = settings.Text("EMAIL_HOST_PASSWORD"),
                        .from = settings.Text("DEFAULT_FROM_EMAIL")});
}

}  // namespace gatehouse::mail
