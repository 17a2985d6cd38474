// Character classes of RFC 9110 and RFC 9112 as tables. Internal to libs/http.
#pragma once

#include <array>
#include <string_view>

namespace gatehouse::http {

using CharTable = std::array<bool, 256>;

inline constexpr CharTable MakeTokenChars() {
  CharTable table{};
  for (int c = '0'; c <= '9'; ++c) table[c] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[c] = table[c - 'a' + 'A'] = true;
  for (char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}

// HTAB, SP, VCHAR and obs-text: no CR, LF, NUL, DEL or other control characters.
inline constexpr CharTable MakeFieldChars() {
  CharTable table{};
  for (int c = 0x20; c <= 0xff; ++c) table[c] = c != 0x7f;
  table['\t'] = true;
  return table;
}

// Visible ASCII but "#": a fragment is never sent.
inline constexpr CharTable MakeTargetChars() {
  CharTable table{};
  for (int c = 0x21; c <= 0x7e; ++c) table[c] = c != '#';
  return table;
}

// unreserved, sub-delims and "%" of RFC 3986: what the name of a host is made of. Without
// the comma, which is what two fields joined into one would show.
inline constexpr CharTable MakeHostChars() {
  CharTable table = MakeTokenChars();
  for (char c : std::string_view("();=")) table[static_cast<unsigned char>(c)] = true;
  for (char c : std::string_view("#^`|")) table[static_cast<unsigned char>(c)] = false;
  return table;
}

inline constexpr CharTable kTokenChars = MakeTokenChars();
inline constexpr CharTable kFieldChars = MakeFieldChars();
inline constexpr CharTable kTargetChars = MakeTargetChars();
inline constexpr CharTable kHostChars = MakeHostChars();

inline bool In(const CharTable& table, char c) { return table[static_cast<unsigned char>(c)]; }

inline bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The value of a hexadecimal digit, or -1.
inline int HexDigit(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace gatehouse::http
