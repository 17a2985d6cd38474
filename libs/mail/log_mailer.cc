#include "libs/log/log.h"
#include "libs/mail/mail.h"

namespace gatehouse::mail {
namespace {

class LogMailer final : public Mailer {
 public:
  explicit LogMailer(bool is_production) : is_production_(is_production) {}

  absl::Status Send(const Message& message) override {
    if (is_production_) {
      log::Warning("a mail was not sent, since EMAIL_HOST is not set");
      return absl::OkStatus();
    }
    log::Warning("DEVELOPMENT: a mail was not sent but written here, since EMAIL_HOST is not set",
                 {{"to", message.to}, {"subject", message.subject}, {"text", message.text}});
    return absl::OkStatus();
  }

 private:
  const bool is_production_;
};

}  // namespace

std::unique_ptr<Mailer> NewLogMailer(bool is_production) {
  return std::make_unique<LogMailer>(is_production);
}

}  // namespace gatehouse::mail
