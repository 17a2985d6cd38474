// Requests as an attacker would bend them: each a request with one body, framed well
// or in one of many wrong ways, with a second request behind it that a reader who
// takes the framing otherwise sees elsewhere. By number: the same number, the same bytes.
#pragma once

#include <cstdint>
#include <string>

namespace gatehouse::differential {

struct Sample {
  std::string id;     // Such that damage does not make another sample's of it.
  std::string bytes;  // The request "/d/<id>", then the probe "/p/<id>".
};

Sample Generate(std::uint64_t number);

}  // namespace gatehouse::differential
