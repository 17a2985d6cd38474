#include "services/jobs/text_stats.h"

#include <algorithm>
#include <unordered_map>

#include "services/jobs/json_text.h"

namespace gatehouse::jobs {
namespace {

constexpr std::size_t kChunkBytes = 16384;
constexpr std::size_t kTopWords = 10;
constexpr char kName[] = "text.stats";

using Counts = std::unordered_map<std::string, std::int64_t>;

bool IsWordByte(unsigned char byte) {
  return byte >= 0x80 || (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
         (byte >= 'A' && byte <= 'Z');
}

char Lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
}

std::vector<std::pair<std::string, std::int64_t>> TopWords(const Counts& counts) {
  std::vector<std::pair<std::string, std::int64_t>> words(counts.begin(), counts.end());
  const auto end = words.begin() + std::min(words.size(), kTopWords);
  std::partial_sort(words.begin(), end, words.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  words.erase(end, words.end());
  return words;
}

absl::StatusOr<std::string> Run(const std::string& payload, AttemptContext& context) {
  GH_ASSIGN_OR_RETURN(const std::string text, PayloadText(payload, "text"));
  GH_ASSIGN_OR_RETURN(const TextStats stats, CountText(text, context));
  context.ReportUsage({"per_job", kName, 1});
  return JsonTextStats(stats.lines, stats.words, stats.bytes, stats.top_words);
}

}  // namespace

absl::StatusOr<TextStats> CountText(const std::string& text, const AttemptContext& context) {
  TextStats stats;
  stats.bytes = static_cast<std::int64_t>(text.size());
  Counts counts;
  std::string word;
  auto end_word = [&] {
    if (word.empty()) return;
    ++stats.words;
    ++counts[word];
    word.clear();
  };
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (at % kChunkBytes == 0 && context.Stopped()) return absl::CancelledError("stopped");
    if (text[at] == '\n') ++stats.lines;
    if (IsWordByte(static_cast<unsigned char>(text[at]))) {
      word.push_back(Lower(text[at]));
    } else {
      end_word();
    }
  }
  end_word();
  if (!text.empty() && text.back() != '\n') ++stats.lines;
  stats.top_words = TopWords(counts);
  return stats;
}

JobType TextStatsType() {
  return {
      .name = kName,
      .check = [](const std::string& payload) { return PayloadText(payload, "text").status(); },
      .estimate =
          [](const std::string&) {
            return std::vector<UsageLine>{{"per_job", kName, 1}};
          },
      .run = Run,
  };
}

}  // namespace gatehouse::jobs
