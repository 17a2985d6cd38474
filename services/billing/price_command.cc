// The command line of price_file.h.
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/time_text.h"
#include "services/billing/price_file.h"
#include "services/billing/price_store.h"

namespace gatehouse::billing {
namespace {

constexpr char kUsage[] =
    R"(usage: billing load-prices FILE [--effective-time TIME] [--notes TEXT] [--dry-run]

Publishes the whole price book that the YAML file holds and prints what changes. Prices
that the file does not name are gone from then on. A book that applies already changes
nothing.

  --effective-time TIME  from when on, as in 2030-01-01T00:00:00Z; at once without it
  --notes TEXT           why, for people; else the notes in the file
  --dry-run              only print what would change
)";

struct Arguments {
  std::string file;
  std::optional<Time> effective_time;
  std::optional<std::string> notes;
  bool dry_run = false;
};

absl::Status Wrong(const std::string& text) {
  return Error(absl::StatusCode::kInvalidArgument, "ARGUMENTS_INVALID", text);
}

absl::StatusOr<Arguments> ParseArguments(const std::vector<std::string>& given) {
  Arguments arguments;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const std::string& word = given[i];
    const bool has_value = word == "--effective-time" || word == "--notes";
    if (has_value && i + 1 == given.size()) return Wrong(word + " needs a value");
    if (word == "--dry-run") {
      arguments.dry_run = true;
    } else if (word == "--notes") {
      arguments.notes = given[++i];
      if (arguments.notes->size() > kNotesBytesMax) return Wrong("the notes are too long");
    } else if (word == "--effective-time") {
      arguments.effective_time = ParseTime(given[++i]);
      if (!arguments.effective_time) return Wrong(given[i] + " is not a time of RFC 3339");
    } else if (absl::StartsWith(word, "--") || !arguments.file.empty()) {
      return Wrong("unexpected: " + word);
    } else {
      arguments.file = word;
    }
  }
  if (arguments.file.empty()) return Wrong("a file must be named");
  return arguments;
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  if (Reason(status) == "ARGUMENTS_INVALID") std::fputs(kUsage, stderr);
  return absl::IsInvalidArgument(status) ? 2 : 1;
}

int RunLoadPrices(service::Process& process) {
  const absl::StatusOr<Arguments> arguments = ParseArguments(process.arguments());
  if (!arguments.ok()) return Fail(arguments.status());
  absl::StatusOr<PriceChange> change = ReadPriceFile(arguments->file);
  if (!change.ok()) return Fail(change.status());
  change->effective_time = arguments->effective_time;
  if (arguments->notes) change->notes = *arguments->notes;
  pg::Database db(process.DatabaseOptions());
  const absl::StatusOr<Publication> made =
      PublishPrices(db, *change, {.dry_run = arguments->dry_run});
  if (!made.ok()) return Fail(made.status());
  for (const std::string& line : DescribeChanges(made->before, made->after)) {
    std::printf("%s\n", line.c_str());
  }
  const std::string when = FormatTime(made->book.effective_time);
  const bool changes = made->published || ContentHash(made->before) != ContentHash(made->after);
  std::printf("version %d %s from %s on\n", made->book.version,
              made->published ? "applies"
              : changes       ? "would apply"
                              : "has these prices already and applies",
              when.c_str());
  return 0;
}

}  // namespace

service::Command LoadPricesCommand() {
  return {.name = "load-prices",
          .help = "Publishes the price book of a YAML file and prints what changes.",
          .run = RunLoadPrices,
          .usage = kUsage};
}

}  // namespace gatehouse::billing
