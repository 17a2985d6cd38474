#include "libs/base/time_text.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace gatehouse {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// Reads a text from the left; every step says whether it fitted.
class Reader {
 public:
  explicit Reader(const std::string& text) : text_(text) {}

  // Exactly `count` digits.
  bool Digits(int count, int* value) {
    *value = 0;
    for (int i = 0; i < count; ++i) {
      if (!IsDigit()) return false;
      *value = *value * 10 + (text_[at_++] - '0');
    }
    return true;
  }

  bool Any(const char* choices, char* found) {
    for (const char* c = choices; *c != '\0'; ++c) {
      if (at_ < text_.size() && text_[at_] == *c) {
        *found = *c;
        ++at_;
        return true;
      }
    }
    return false;
  }

  bool One(char wanted) {
    const char choices[] = {wanted, '\0'};
    char found;
    return Any(choices, &found);
  }

  // ".1" to ".123456789", or nothing.
  bool Fraction(nanoseconds* fraction) {
    *fraction = nanoseconds(0);
    if (!One('.')) return true;
    std::int64_t value = 0;
    int digits = 0;
    for (; IsDigit() && digits < 9; ++digits) value = value * 10 + (text_[at_++] - '0');
    if (digits == 0) return false;
    for (; digits < 9; ++digits) value *= 10;
    *fraction = nanoseconds(value);
    return true;
  }

  // "Z", "+02:00", "-05:30", or nothing.
  bool Offset(seconds* offset) {
    *offset = seconds(0);
    if (AtEnd() || One('Z')) return true;
    char sign;
    int hour;
    int minute;
    if (!Any("+-", &sign) || !Digits(2, &hour) || !One(':') || !Digits(2, &minute)) return false;
    if (hour > 23 || minute > 59) return false;
    *offset = std::chrono::hours(hour) + std::chrono::minutes(minute);
    if (sign == '-') *offset = -*offset;
    return true;
  }

  bool AtEnd() const { return at_ == text_.size(); }

 private:
  bool IsDigit() const { return at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; }

  const std::string& text_;
  std::size_t at_ = 0;
};

}  // namespace

std::string FormatTime(Time time) {
  const auto micros = std::chrono::floor<microseconds>(time);
  const auto days = std::chrono::floor<std::chrono::days>(micros);
  const std::chrono::year_month_day date(days);
  const std::chrono::hh_mm_ss<microseconds> clock(micros - days);
  std::array<char, 64> text;
  const int size = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ",
      static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
      static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
      static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()),
      static_cast<int>(clock.subseconds().count()));
  return std::string(text.data(), static_cast<std::size_t>(size));
}

std::optional<Time> ParseTime(const std::string& text) {
  Reader reader(text);
  int year;
  int month;
  int day;
  int hour;
  int minute;
  int second;
  char separator;
  nanoseconds fraction;
  seconds offset;
  if (!reader.Digits(4, &year) || !reader.One('-') || !reader.Digits(2, &month) ||
      !reader.One('-') || !reader.Digits(2, &day) || !reader.Any("T ", &separator) ||
      !reader.Digits(2, &hour) || !reader.One(':') || !reader.Digits(2, &minute) ||
      !reader.One(':') || !reader.Digits(2, &second) || !reader.Fraction(&fraction) ||
      !reader.Offset(&offset) || !reader.AtEnd()) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return std::nullopt;

  const std::chrono::sys_time<seconds> whole =
      std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
      seconds(second) - offset;
  // Time counts nanoseconds in 64 bits: 1677 to 2262. One second of margin for the fraction.
  if (whole <= std::chrono::ceil<seconds>(Time::min()) + seconds(1) ||
      whole >= std::chrono::floor<seconds>(Time::max()) - seconds(1)) {
    return std::nullopt;
  }
  return Time(whole) + std::chrono::duration_cast<Time::duration>(fraction);
}

std::int64_t ToMicros(Time time) {
  return std::chrono::floor<microseconds>(time.time_since_epoch()).count();
}

Time FromMicros(std::int64_t micros) {
  // What Time cannot hold (before 1677, after 2262) becomes its end, not an overflow.
  const microseconds held = std::clamp(
      microseconds(micros), std::chrono::ceil<microseconds>(Time::min().time_since_epoch()),
      std::chrono::floor<microseconds>(Time::max().time_since_epoch()));
  return Time(std::chrono::duration_cast<Time::duration>(held));
}

}  // namespace gatehouse
