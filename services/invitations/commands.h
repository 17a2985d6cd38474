// What `invitations` does beside serving, for an operator at a shell: a passkey
// without the HTTP surface. Not the rules of an invitation (invitation.h).
#pragma once

#include <string>
#include <vector>

#include "libs/service/process.h"
#include "services/invitations/invitation_service.h"

namespace gatehouse::invitations {

// What the arguments of create-passkey ask for: INVALID_ARGUMENT with a message for
// the shell, or what Check refuses.
absl::StatusOr<Draft> ParseCreatePasskey(const std::vector<std::string>& arguments);

// Stores the invitation and, in the same transaction, what the audit log is to be told:
// that it was made, never its token. `draft` has passed Check.
absl::StatusOr<CreatedInvitation> CreatePasskey(pg::Database& db, const Draft& draft);

std::vector<service::Command> Commands();

}  // namespace gatehouse::invitations
