#include "services/invitations/commands.h"

#include <cstdio>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"
#include "services/invitations/audit_delivery.h"

namespace gatehouse::invitations {
namespace {

constexpr std::int64_t kDaySeconds = 24 * 60 * 60;
constexpr std::int64_t kExpiresDays = 7;
constexpr std::int64_t kExpiresDaysMax = 365;
constexpr std::int64_t kUsesMaxMax = 1000;

constexpr char kUsage[] = R"(Usage: invitations create-passkey [OPTION VALUE]...

Makes an invitation and prints its passkey, once, and when it expires. The audit log
is told by the running service.

  --expires-days N   Days until it expires, 1 to 365. Default: 7.
  --max-uses N       How many may sign up with it, 1 to 1000. Default: 1.
  --tenant ID        Who signs up joins this tenant. Default: each gets a tenant of
                     their own. Whether the tenant exists is not known here: if it
                     does not, the signup is refused as INVITATION_TENANT_NOT_FOUND
                     and the use is spent.
  --email ADDRESS    The only address that may sign up with it. Default: any.
  --notes TEXT       For administrators, at most 2,000 bytes.
)";

absl::Status WrongUsage(const std::string& problem) {
  return Error(absl::StatusCode::kInvalidArgument, "USAGE", problem);
}

absl::StatusOr<std::int64_t> Number(const std::string& option, const std::string& text,
                                    std::int64_t max) {
  std::int64_t number = 0;
  if (absl::SimpleAtoi(text, &number) && number >= 1 && number <= max) return number;
  return WrongUsage(option + " must be a whole number from 1 to " + std::to_string(max));
}

absl::Status SetOption(const std::string& option, const std::string& value, Draft* draft) {
  if (option == "--expires-days") {
    GH_ASSIGN_OR_RETURN(const std::int64_t days, Number(option, value, kExpiresDaysMax));
    draft->ttl_seconds = days * kDaySeconds;
  } else if (option == "--max-uses") {
    GH_ASSIGN_OR_RETURN(const std::int64_t uses, Number(option, value, kUsesMaxMax));
    draft->uses_max = static_cast<int>(uses);
  } else if (option == "--tenant") {
    GH_ASSIGN_OR_RETURN(draft->tenant_id, Number(option, value, INT64_MAX));
  } else if (option == "--email") {
    draft->email = value;
  } else if (option == "--notes") {
    draft->notes = value;
  } else {
    return WrongUsage("there is no option " + option);
  }
  return absl::OkStatus();
}

int RunCreatePasskey(service::Process& process) {
  const absl::StatusOr<Draft> draft = ParseCreatePasskey(process.arguments());
  if (!draft.ok()) {
    std::fprintf(stderr, "invitations create-passkey: %s; try --help\n",
                 std::string(draft.status().message()).c_str());
    return 2;
  }
  pg::Database db(process.DatabaseOptions());
  const absl::StatusOr<CreatedInvitation> created = CreatePasskey(db, *draft);
  if (!created.ok()) {
    std::fprintf(stderr, "invitations create-passkey: %s: %s\n", Reason(created.status()).c_str(),
                 std::string(created.status().message()).c_str());
    return 1;
  }
  std::printf("passkey: %s\nexpires: %s\n", created->token.c_str(),
              FormatTime(created->invitation.expire_time).c_str());
  return 0;
}

}  // namespace

absl::StatusOr<Draft> ParseCreatePasskey(const std::vector<std::string>& arguments) {
  Draft draft{.ttl_seconds = kExpiresDays * kDaySeconds, .creator_username = "shell"};
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    if (i + 1 == arguments.size()) return WrongUsage(arguments[i] + " needs a value");
    GH_RETURN_IF_ERROR(SetOption(arguments[i], arguments[i + 1], &draft));
  }
  if (const absl::Status refused = Check(draft); !refused.ok()) {
    std::string problem;
    for (const auto& [field, text] : FieldViolations(refused)) {
      absl::StrAppend(&problem, "--", field, " ", text);
    }
    return WrongUsage(problem);
  }
  return draft;
}

absl::StatusOr<CreatedInvitation> CreatePasskey(pg::Database& db, const Draft& draft) {
  return db.InTransaction([&](pg::Tx& tx) -> absl::StatusOr<CreatedInvitation> {
    CreatedInvitation created = CreateInvitation(tx, draft);
    GH_RETURN_IF_ERROR(AppendPasskeyCreated(tx, created.invitation));
    return created;
  });
}

std::vector<service::Command> Commands() {
  return {{.name = "create-passkey",
           .help = "Makes an invitation and prints its passkey, once; see --help of it.",
           .run = RunCreatePasskey,
           .usage = kUsage}};
}

}  // namespace gatehouse::invitations
