#include "services/auth/key_commands.h"

#include <cstdio>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"
#include "services/auth/admin_commands.h"
#include "services/auth/audit_store.h"
#include "services/auth/key_store.h"

namespace gatehouse::auth {
namespace {

using Lines = std::vector<std::string>;

std::string RetireText(const KeyRow& key) {
  return key.retire_time ? "retires " + FormatTime(*key.retire_time) : "does not retire yet";
}

// What a key does now; `has_signer`: a newer key signs already.
std::string StateOf(const KeyRow& key, bool has_signer) {
  if (!key.is_active) return "waits";
  return has_signer ? "verifies" : "signs";
}

int Fail(const std::string& command, const absl::Status& status) {
  std::fprintf(stderr, "auth %s: %s: %s\n", command.c_str(), Reason(status).c_str(),
               std::string(status.message()).c_str());
  return Reason(status) == "ARGUMENTS_INVALID" ? 2 : 1;
}

int Print(const std::string& command, const absl::StatusOr<Lines>& lines) {
  if (!lines.ok()) return Fail(command, lines.status());
  for (const std::string& line : *lines) std::printf("%s\n", line.c_str());
  return 0;
}

int RunRotateKeys(service::Process& process) {
  const auto wait = RotationWait(process.arguments());
  if (!wait.ok()) return Fail("rotate-keys", wait.status());
  pg::Database db(process.DatabaseOptions());
  KeyRing keys(process.settings().Text("SECRET_KEY"));
  return Print("rotate-keys", RotateKeys(db, keys, *wait));
}

int RunListKeys(service::Process& process) {
  pg::Database db(process.DatabaseOptions());
  return Print("list-keys", DescribeKeys(db));
}

}  // namespace

absl::StatusOr<Lines> RotateKeys(pg::Database& db, KeyRing& keys, std::chrono::seconds wait) {
  // Also proves that this SECRET_KEY is the one of the present keys.
  GH_RETURN_IF_ERROR(keys.Ensure(db));
  return db.InTransaction([&](pg::Tx& tx) -> absl::StatusOr<Lines> {
    GH_ASSIGN_OR_RETURN(const std::string kid, keys.Rotate(tx, wait));
    AppendEvent(tx, ShellAction("key/" + kid, "rotate-keys"));
    Lines lines;
    for (const KeyRow& key : ListKeys(tx)) {
      lines.push_back(key.kid == kid ? absl::StrCat("key ", kid, " is published and signs from ",
                                                    FormatTime(key.activate_time))
                                     : absl::StrCat("key ", key.kid, " ", RetireText(key)));
    }
    return lines;
  });
}

absl::StatusOr<Lines> DescribeKeys(pg::Database& db) {
  return db.Read([](pg::Tx& tx) -> absl::StatusOr<Lines> {
    Lines lines;
    bool has_signer = false;
    for (const KeyRow& key : ListKeys(tx)) {
      lines.push_back(absl::StrCat("key ", key.kid, " ", StateOf(key, has_signer), ", active from ",
                                   FormatTime(key.activate_time), ", ", RetireText(key)));
      has_signer = has_signer || key.is_active;
    }
    return lines;
  });
}

absl::StatusOr<std::chrono::seconds> RotationWait(const Lines& arguments) {
  if (arguments.empty()) return kRotationWait;
  std::int64_t seconds = -1;
  if (arguments.size() == 2 && arguments[0] == "--wait-seconds" &&
      absl::SimpleAtoi(arguments[1], &seconds) && seconds >= 0 &&
      seconds <= kRotationWaitMax.count()) {
    return std::chrono::seconds(seconds);
  }
  return Error(
      absl::StatusCode::kInvalidArgument, "ARGUMENTS_INVALID",
      absl::StrCat("give nothing or --wait-seconds N, N from 0 to ", kRotationWaitMax.count()));
}

std::vector<service::Command> KeyCommands() {
  return {
      {.name = "rotate-keys",
       .help = "[--wait-seconds N]: publishes a new key that signs after N seconds, 600 if not "
               "given.",
       .run = RunRotateKeys},
      {.name = "list-keys",
       .help = "Shows the keys of access tokens, and when each begins and ends.",
       .run = RunListKeys},
  };
}

}  // namespace gatehouse::auth
