// An SMTP server of one's own for tests: on a free port of 127.0.0.1, with TLS if
// wanted under a certificate that it has just made, and with faults on demand. Not
// for use in a service.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "libs/base/unique_fd.h"

typedef struct ssl_ctx_st SSL_CTX;

namespace gatehouse::mail::testing {

class FakeSmtp {
 public:
  struct Options {
    bool offers_starttls = false;
    // What it answers instead of success, by verb ("GREETING", "EHLO", "STARTTLS",
    // "AUTH", "MAIL", "RCPT", "DATA", "TEXT"). kDrop closes the connection there, and
    // kHang says nothing more until the end.
    std::map<std::string, std::string> replies = {};
  };
  static constexpr char kDrop[] = "drop";
  static constexpr char kHang[] = "hang";

  explicit FakeSmtp(Options options);
  ~FakeSmtp();

  struct Mail {
    std::string from;
    std::string to;
    std::string text;  // With CRLF, without the stuffed dots.
    bool is_encrypted = false;
  };
  std::vector<Mail> mails() const;
  // Every line that a client sent as a command; "tls" where TLS began.
  std::vector<std::string> commands() const;

  int port() const { return port_; }
  // The certificate, for those who are to trust it.
  const std::string& ca_file() const { return ca_file_; }

 private:
  class Connection;

  void Accept();
  void Serve(Connection& connection);
  // Answers one command; false at the end of the connection.
  bool Answer(Connection& connection, const std::string& line, Mail* mail);
  bool TakeText(Connection& connection, Mail* mail);
  bool BeginTls(Connection& connection);
  bool Reply(Connection& connection, const std::string& verb, const std::string& success);
  void Note(const std::string& command);

  const Options options_;
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> tls_;
  std::string ca_file_;
  UniqueFd listener_;
  UniqueFd stop_read_, stop_write_;  // A pipe; its end ends every wait.
  int port_ = 0;
  mutable std::mutex mutex_;
  std::vector<Mail> mails_;            // guarded by mutex_
  std::vector<std::string> commands_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace gatehouse::mail::testing
