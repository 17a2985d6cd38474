// The job type text.stats: counts lines, words and bytes of a text and names its
// ten most frequent words. Not a linguist: a word is a run of bytes.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "services/jobs/job_type.h"

namespace gatehouse::jobs {

struct TextStats {
  std::int64_t lines = 0;  // Line feeds, plus a last line that lacks one.
  std::int64_t words = 0;
  std::int64_t bytes = 0;  // Of the text as UTF-8.
  // At most ten, most frequent first, equals in byte order.
  std::vector<std::pair<std::string, std::int64_t>> top_words;
};

// A word is a maximal run of ASCII letters and digits and of all characters
// beyond ASCII; ASCII letters are lower-cased. CANCELLED when `context` stops.
absl::StatusOr<TextStats> CountText(const std::string& text, const AttemptContext& context);

// Payload {"text": string}; one per_job line of resource "text.stats".
JobType TextStatsType();

}  // namespace gatehouse::jobs
