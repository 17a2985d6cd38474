#include "libs/mail/fake_smtp.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

namespace gatehouse::mail::testing {
namespace {

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "fake_smtp: %s failed\n", what);
  std::abort();
}

void AddExtension(X509* certificate, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  Require(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1, "extension");
  X509_EXTENSION_free(extension);
}

// A key and a certificate of its own signature for 127.0.0.1, good for an hour; the
// certificate also goes to `path`.
SSL_CTX* NewTls(const std::string& path) {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = X509_new();
  Require(key != nullptr && certificate != nullptr, "key");
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* const name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("fake smtp"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  AddExtension(certificate, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate, NID_subject_alt_name, "IP:127.0.0.1");
  Require(X509_sign(certificate, key, EVP_sha256()) > 0, "X509_sign");
  SSL_CTX* const tls = SSL_CTX_new(TLS_server_method());
  Require(SSL_CTX_use_certificate(tls, certificate) == 1, "SSL_CTX_use_certificate");
  Require(SSL_CTX_use_PrivateKey(tls, key) == 1, "SSL_CTX_use_PrivateKey");
  std::FILE* const file = std::fopen(path.c_str(), "w");
  Require(file != nullptr && PEM_write_X509(file, certificate) == 1, "PEM_write_X509");
  std::fclose(file);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return tls;
}

std::string TemporaryFile() {
  std::string path = std::filesystem::temp_directory_path() / "mail_test.XXXXXX";
  const UniqueFd file(::mkstemp(path.data()));
  Require(file.valid(), "mkstemp");
  return path;
}

// What stands in angle brackets.
std::string Path(const std::string& line) {
  const std::size_t open = line.find('<');
  const std::size_t close = line.find('>', open);
  return close == std::string::npos ? "" : line.substr(open + 1, close - open - 1);
}

}  // namespace

// Lines over a socket, with TLS from some point on.
class FakeSmtp::Connection {
 public:
  Connection(UniqueFd socket, int stop) : socket_(std::move(socket)), stop_(stop) {}
  ~Connection() { SSL_free(ssl_); }

  bool BeginTls(SSL_CTX* tls) {
    ssl_ = SSL_new(tls);
    return SSL_set_fd(ssl_, socket_.get()) == 1 && SSL_accept(ssl_) == 1;
  }
  bool is_encrypted() const { return ssl_ != nullptr; }

  // A line without its CRLF; false at the end.
  bool ReadLine(std::string* line) {
    std::size_t end;
    while ((end = input_.find("\r\n")) == std::string::npos) {
      std::array<char, 4096> buffer;
      const int count = ReadSome(buffer.data(), static_cast<int>(buffer.size()));
      if (count <= 0) return false;
      input_.append(buffer.data(), static_cast<std::size_t>(count));
    }
    *line = input_.substr(0, end);
    input_.erase(0, end + 2);
    return true;
  }

  bool Write(const std::string& text) {
    const int size = static_cast<int>(text.size());
    return ssl_ != nullptr ? SSL_write(ssl_, text.data(), size) == size
                           : ::write(socket_.get(), text.data(), text.size()) == size;
  }

  // Until the server ends.
  void Hang() const {
    pollfd end{.fd = stop_, .events = POLLIN, .revents = 0};
    ::poll(&end, 1, -1);
  }

 private:
  int ReadSome(char* buffer, int size) {
    if (ssl_ != nullptr && SSL_pending(ssl_) > 0) return SSL_read(ssl_, buffer, size);
    pollfd ends[] = {{.fd = socket_.get(), .events = POLLIN, .revents = 0},
                     {.fd = stop_, .events = POLLIN, .revents = 0}};
    if (::poll(ends, 2, -1) <= 0 || ends[1].revents != 0) return -1;
    return ssl_ != nullptr
               ? SSL_read(ssl_, buffer, size)
               : static_cast<int>(::read(socket_.get(), buffer, static_cast<std::size_t>(size)));
  }

  const UniqueFd socket_;
  const int stop_;
  SSL* ssl_ = nullptr;
  std::string input_;
};

FakeSmtp::FakeSmtp(Options options)
    : options_(std::move(options)), tls_(nullptr, &SSL_CTX_free), ca_file_(TemporaryFile()) {
  // As every process of the suite.
  ::signal(SIGPIPE, SIG_IGN);
  tls_.reset(NewTls(ca_file_));
  int ends[2];
  Require(::pipe2(ends, O_CLOEXEC) == 0, "pipe2");
  stop_read_ = UniqueFd(ends[0]);
  stop_write_ = UniqueFd(ends[1]);
  listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  Require(::bind(listener_.get(), generic, length) == 0, "bind");
  Require(::listen(listener_.get(), 16) == 0, "listen");
  Require(::getsockname(listener_.get(), generic, &length) == 0, "getsockname");
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Accept(); });
}

FakeSmtp::~FakeSmtp() {
  stop_write_ = UniqueFd();
  thread_.join();
  std::filesystem::remove(ca_file_);
}

std::vector<FakeSmtp::Mail> FakeSmtp::mails() const {
  std::lock_guard lock(mutex_);
  return mails_;
}

std::vector<std::string> FakeSmtp::commands() const {
  std::lock_guard lock(mutex_);
  return commands_;
}

void FakeSmtp::Note(const std::string& command) {
  std::lock_guard lock(mutex_);
  commands_.push_back(command);
}

void FakeSmtp::Accept() {
  while (true) {
    pollfd ends[] = {{.fd = listener_.get(), .events = POLLIN, .revents = 0},
                     {.fd = stop_read_.get(), .events = POLLIN, .revents = 0}};
    if (::poll(ends, 2, -1) <= 0 || ends[1].revents != 0) return;
    Connection connection(UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)),
                          stop_read_.get());
    Serve(connection);
  }
}

void FakeSmtp::Serve(Connection& connection) {
  if (!Reply(connection, "GREETING", "220 fake.example.com ESMTP")) return;
  Mail mail;
  std::string line;
  while (connection.ReadLine(&line)) {
    Note(line);
    if (!Answer(connection, line, &mail)) return;
  }
}

bool FakeSmtp::Answer(Connection& connection, const std::string& line, Mail* mail) {
  const std::string verb = line.substr(0, line.find(' '));
  if (verb == "EHLO") {
    const bool may_start = options_.offers_starttls && !connection.is_encrypted();
    return Reply(connection, verb,
                 std::string("250-fake.example.com\r\n") + (may_start ? "250-STARTTLS\r\n" : "") +
                     "250 AUTH PLAIN");
  }
  if (verb == "STARTTLS") {
    return Reply(connection, verb, "220 go ahead") && BeginTls(connection);
  }
  if (verb == "AUTH") {
    std::string proof;
    if (!connection.Write("334 \r\n") || !connection.ReadLine(&proof)) return false;
    Note(proof);
    return Reply(connection, verb, "235 welcome");
  }
  if (verb == "MAIL") {
    *mail = {.from = Path(line), .to = "", .text = "", .is_encrypted = connection.is_encrypted()};
    return Reply(connection, verb, "250 ok");
  }
  if (verb == "RCPT") {
    mail->to = Path(line);
    return Reply(connection, verb, "250 ok");
  }
  if (verb == "DATA") {
    if (options_.replies.count(verb) > 0) return Reply(connection, verb, "");
    return Reply(connection, verb, "354 go on") && TakeText(connection, mail);
  }
  if (verb == "QUIT") connection.Write("221 bye\r\n");
  return verb != "QUIT" && connection.Write("500 what?\r\n");
}

bool FakeSmtp::TakeText(Connection& connection, Mail* mail) {
  std::string line;
  while (connection.ReadLine(&line)) {
    if (line == ".") {
      if (options_.replies.count("TEXT") == 0) {
        std::lock_guard lock(mutex_);
        mails_.push_back(*mail);
      }
      return Reply(connection, "TEXT", "250 taken");
    }
    mail->text += (line.compare(0, 1, ".") == 0 ? line.substr(1) : line) + "\r\n";
  }
  return false;
}

bool FakeSmtp::BeginTls(Connection& connection) {
  if (!connection.BeginTls(tls_.get())) return false;
  Note("tls");
  return true;
}

bool FakeSmtp::Reply(Connection& connection, const std::string& verb, const std::string& success) {
  const auto scripted = options_.replies.find(verb);
  const std::string& reply = scripted == options_.replies.end() ? success : scripted->second;
  if (reply == kDrop) return false;
  if (reply == kHang) connection.Hang();
  return reply != kHang && connection.Write(reply + "\r\n");
}

}  // namespace gatehouse::mail::testing
