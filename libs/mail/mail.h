// Sends plain-text mail: by SMTP (libcurl), or, where no mail host is set, into the
// log as a development sink. Not a queue: the caller retries.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "libs/config/settings.h"
#include "libs/status/status.h"

namespace gatehouse::mail {

struct Message {
  std::string to;  // One address.
  std::string subject;
  std::string text;
};

// Thread-safe.
class Mailer {
 public:
  virtual ~Mailer() = default;

  // Blocks. INVALID_ARGUMENT / MAIL_REJECTED when the message or its address is
  // refused for good; UNAVAILABLE / MAIL_UNAVAILABLE when another attempt may work.
  virtual absl::Status Send(const Message& message) = 0;
};

struct SmtpOptions {
  std::string host;
  int port = 587;
  bool use_tls = true;  // STARTTLS, required; port 465 is TLS from the first byte.
  std::string user;
  std::string password;  // secret
  std::string from;
  std::string ca_file = "";  // Empty: the system's.
  std::chrono::milliseconds timeout{15000};
};

std::unique_ptr<Mailer> NewSmtpMailer(SmtpOptions options);

// Writes the message into the log, marked as not sent; without its text when
// `is_production`, since it may hold a secret.
std::unique_ptr<Mailer> NewLogMailer(bool is_production);

// EMAIL_HOST, EMAIL_PORT, EMAIL_USE_TLS, EMAIL_HOST_USER, EMAIL_HOST_PASSWORD
// (secret), DEFAULT_FROM_EMAIL.
std::vector<config::Setting> MailSettings();

// What the settings ask for: SMTP, or the log when EMAIL_HOST is empty.
std::unique_ptr<Mailer> MakeMailer(const config::Settings& settings);

}  // namespace gatehouse::mail
