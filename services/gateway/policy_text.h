// What a tenant may do with a low reserve, in the words of the HTTP surface. Not the rules
// (billing decides).
#pragma once

#include <string>

#include "gatehouse/billing/v1/account.pb.h"

namespace gatehouse::gateway {

// "block", "warn" or "limited".
const char* PolicyText(billing::v1::Account::Policy policy);

// Any case; POLICY_UNSPECIFIED for what is none.
billing::v1::Account::Policy ParsePolicy(const std::string& text);

}  // namespace gatehouse::gateway
