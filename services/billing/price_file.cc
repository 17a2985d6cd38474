#include "services/billing/price_file.h"

#include <cctype>
#include <cstdint>
#include <fstream>
#include <iterator>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/config/yaml_tree.h"
#include "services/billing/money.h"
#include "services/billing/price_store.h"

namespace gatehouse::billing {
namespace {

using config::YamlNode;
using Kind = YamlNode::Kind;

constexpr std::size_t kFileBytesMax = std::size_t{4} << 20;
constexpr int kDecimalsMax = 9;
constexpr std::int64_t kNanosPerDollar = 1'000'000'000;

bool IsDigits(const std::string& text) {
  for (const char c : text) {
    if (std::isdigit(static_cast<unsigned char>(c)) == 0) return false;
  }
  return !text.empty();
}

// "0.15" as nanos; the fault, or "" when there is none.
std::string ParseDollars(const std::string& text, std::int64_t* nanos) {
  const std::size_t point = text.find('.');
  const std::string whole = text.substr(0, point);
  std::string decimals = point == std::string::npos ? "0" : text.substr(point + 1);
  if (!IsDigits(whole) || !IsDigits(decimals)) {
    return "must be dollars as a decimal number, as in \"0.15\"";
  }
  if (decimals.size() > kDecimalsMax) {
    return "has more than nine decimals; give the price of more units, with \"per\"";
  }
  decimals.append(kDecimalsMax - decimals.size(), '0');
  std::int64_t dollars = 0;
  std::int64_t rest = 0;
  if (!absl::SimpleAtoi(whole, &dollars) || !absl::SimpleAtoi(decimals, &rest) ||
      dollars > kAmountMaxNanos / kNanosPerDollar) {
    return "must be at most a million dollars";
  }
  *nanos = dollars * kNanosPerDollar + rest;
  return "";
}

// Reads the tree; everything that is wrong becomes a problem.
class Reader {
 public:
  Reader(const std::string& file, config::Problems* problems) : file_(file), problems_(problems) {}

  PriceChange Read(const YamlNode& root) {
    change_.replace = true;
    if (root.kind != Kind::kMap) {
      Refuse(root.line, "the file must be a map with the key \"prices\"");
      return change_;
    }
    for (const YamlNode::Member& member : root.members) {
      if (member.key == "notes") {
        ReadNotes(member.value);
      } else if (member.key != "prices") {
        Refuse(member.line, member.key + " is not known; there are notes and prices");
      }
    }
    const YamlNode* const prices = root.Find("prices");
    if (prices == nullptr || prices->kind != Kind::kMap || prices->members.empty()) {
      Refuse(prices == nullptr ? root.line : prices->line,
             "prices must be a map of resources, with at least one");
      return change_;
    }
    for (const YamlNode::Member& resource : prices->members) ReadResource(resource);
    if (change_.prices.size() > kPricesMax) {
      Refuse(prices->line, absl::StrCat("there are more than ", kPricesMax, " prices"));
    }
    return change_;
  }

 private:
  void Refuse(int line, const std::string& text) {
    problems_->push_back({config::PlaceOf(file_, line), text});
  }

  void ReadNotes(const YamlNode& node) {
    if (node.kind == Kind::kNull) return;
    if (node.kind != Kind::kScalar || node.text.size() > kNotesBytesMax) {
      return Refuse(node.line, absl::StrCat("notes must be at most ", kNotesBytesMax, " bytes"));
    }
    change_.notes = node.text;
  }

  void ReadResource(const YamlNode::Member& resource) {
    if (resource.value.kind != Kind::kMap) {
      return Refuse(resource.line, resource.key + " must be a map of line types");
    }
    for (const YamlNode::Member& line : resource.value.members) {
      ReadPrice({line.key, resource.key}, line);
    }
  }

  // "per_job: 0.02" or "prompt_tokens: {price: 0.15, per: 1000000}".
  void ReadPrice(const PriceKey& key, const YamlNode::Member& line) {
    Price price;
    const std::string name = absl::StrCat(key.first, " of ", key.second);
    if (line.value.kind == Kind::kScalar) {
      if (!ReadDollars(name, line.value, &price)) return;
    } else if (line.value.kind != Kind::kMap) {
      return Refuse(line.line, name + " must be a price, or a map of price and per");
    } else if (!ReadParts(name, line, &price)) {
      return;
    }
    for (const auto& [field, text] : FaultsOf(key, price)) {
      const std::string what = field == "per_units"    ? "per"
                               : field == "unit_nanos" ? "price"
                                                       : field;
      Refuse(line.line, absl::StrCat(name, ": the ", what, " ", text));
    }
    change_.prices[key] = price;
  }

  bool ReadParts(const std::string& name, const YamlNode::Member& line, Price* price) {
    bool good = true;
    for (const YamlNode::Member& part : line.value.members) {
      if (part.key == "price") {
        good &= ReadDollars(name, part.value, price);
      } else if (part.key == "per") {
        if (part.value.kind != Kind::kScalar || !IsDigits(part.value.text) ||
            !absl::SimpleAtoi(part.value.text, &price->per_units)) {
          Refuse(part.line, name + ": per must be a whole number");
          good = false;
        }
      } else {
        Refuse(part.line, absl::StrCat(name, ": ", part.key, " is not known"));
        good = false;
      }
    }
    if (line.value.Find("price") != nullptr) return good;
    Refuse(line.line, name + " has no price");
    return false;
  }

  bool ReadDollars(const std::string& name, const YamlNode& node, Price* price) {
    const std::string fault = node.kind == Kind::kScalar
                                  ? ParseDollars(node.text, &price->unit_nanos)
                                  : "must be a decimal number";
    if (!fault.empty()) Refuse(node.line, absl::StrCat("the price of ", name, " ", fault));
    return fault.empty();
  }

  const std::string& file_;
  config::Problems* const problems_;
  PriceChange change_;
};

}  // namespace

std::optional<PriceChange> ParsePriceFile(std::string_view text, const std::string& file,
                                          config::Problems* problems) {
  const std::optional<YamlNode> root = config::ParseYamlTree(text, file, problems);
  if (!root) return std::nullopt;
  PriceChange change = Reader(file, problems).Read(*root);
  if (!problems->empty()) return std::nullopt;
  return change;
}

absl::StatusOr<PriceChange> ReadPriceFile(const std::string& path) {
  config::Problems problems;
  std::ifstream file(path, std::ios::binary);
  std::string text;
  text.resize(kFileBytesMax + 1);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (!file.is_open() || file.bad()) {
    problems.push_back({path, "cannot be read"});
  } else if (text.size() > kFileBytesMax) {
    problems.push_back({path, "is larger than 4 MiB"});
  } else if (std::optional<PriceChange> change = ParsePriceFile(text, path, &problems)) {
    return *std::move(change);
  }
  return config::StatusOf(problems, "PRICE_FILE_INVALID");
}

absl::StatusOr<bool> LoadPriceFile(pg::Database& db, const std::string& path) {
  GH_ASSIGN_OR_RETURN(const PriceChange change, ReadPriceFile(path));
  GH_ASSIGN_OR_RETURN(const Publication made, PublishPrices(db, change, {.once = true}));
  if (made.published) LogPublication(made);
  return made.published;
}

config::Setting PriceBookFileSetting() {
  return {.name = "PRICE_BOOK_FILE",
          .help = "YAML file of prices, published at start unless its book was so once before."};
}

}  // namespace gatehouse::billing
