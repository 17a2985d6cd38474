// The text of a mail: RFC 5322 headers, a UTF-8 body in quoted-printable. Pure, but
// for the Message-ID. Does not send.
#pragma once

#include <optional>
#include <string>

#include "libs/base/clock.h"
#include "libs/mail/mail.h"

namespace gatehouse::mail {

// "Gatehouse <post@example.com>" or "post@example.com".
struct Mailbox {
  std::string name;
  std::string address;
};

// nullopt unless the address is one of printable ASCII without spaces and brackets,
// and the name has no control characters.
std::optional<Mailbox> ParseMailbox(const std::string& text);

// Headers and body with CRLF. INVALID_ARGUMENT / MAIL_REJECTED when an address or
// the subject holds what could start another header.
absl::StatusOr<std::string> Compose(const Mailbox& from, const Message& message, Time time);

}  // namespace gatehouse::mail
