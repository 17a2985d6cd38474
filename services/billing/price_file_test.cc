#include "services/billing/price_file.h"

#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "services/billing/billing_testing.h"
#include "services/billing/price_store.h"

namespace gatehouse::billing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string FaultsOf(const std::string& yaml) {
  config::Problems problems;
  EXPECT_FALSE(ParsePriceFile(yaml, "f", &problems));
  return config::TextOf(problems);
}

std::int64_t NanosOf(const std::string& price) {
  config::Problems problems;
  const auto change = ParsePriceFile("prices:\n  a:\n    per_job: " + price, "f", &problems);
  EXPECT_TRUE(change) << config::TextOf(problems);
  return change ? change->prices.at({"per_job", "a"}).unit_nanos : -1;
}

TEST(PriceFileTest, DollarsAreReadToTheLastNano) {
  EXPECT_EQ(NanosOf("\"0.02\""), 20'000'000);
  EXPECT_EQ(NanosOf("0.000000001"), 1);
  EXPECT_EQ(NanosOf("0.1"), 100'000'000) << "not a nano more or less";
  EXPECT_EQ(NanosOf("7"), 7'000'000'000);
  EXPECT_EQ(NanosOf("\"1000000\""), 1'000'000'000'000'000);
  EXPECT_EQ(NanosOf("0"), 0);
}

TEST(PriceFileTest, APriceMayBeOfManyUnits) {
  config::Problems problems;
  const auto change = ParsePriceFile(
      "notes: why\nprices:\n  openai/gpt:\n    prompt_tokens: {price: 0.15, per: 1000000}\n", "f",
      &problems);
  ASSERT_TRUE(change) << config::TextOf(problems);
  EXPECT_TRUE(change->replace);
  EXPECT_EQ(change->notes, "why");
  const Price& price = change->prices.at({"prompt_tokens", "openai/gpt"});
  EXPECT_EQ(price.unit_nanos, 150'000'000);
  EXPECT_EQ(price.per_units, 1'000'000);
}

TEST(PriceFileTest, EveryProblemOfAFileIsToldWithItsLine) {
  const std::string faults = FaultsOf(R"(colour: red
prices:
  a:
    per_job: 0.0000000001
    per_banana: 1
    per_request: -1
    per_document: 1e3
  b: 5
  c:
    per_job: {per: 10}
    per_request: {price: 1, per: ten, size: 3}
    per_document: {price: 1, per: 0}
    compute_seconds: 1000001
    per_mb_storage: [1]
  a:
    per_job: 1
)");
  for (const char* fault :
       {"f:1: colour is not known", "f:4: the price of per_job of a has more than nine decimals",
        "f:5: per_banana of a: the line_type must be", "f:6: the price of per_request of a must be",
        "f:7: the price of per_document of a must be", "f:8: b must be a map",
        "f:10: per_job of c has no price", "f:11: per_request of c: per must be a whole number",
        "f:11: per_request of c: size is not known", "f:12: per_document of c: the per must be",
        "f:13: ", "f:14: per_mb_storage of c must be", "f:15: a is there twice"}) {
    EXPECT_THAT(faults, HasSubstr(fault));
  }
}

TEST(PriceFileTest, AFileWithoutPricesIsRefused) {
  EXPECT_THAT(FaultsOf(""), HasSubstr("f:"));
  EXPECT_THAT(FaultsOf("prices:\n"), HasSubstr("prices must be a map"));
  EXPECT_THAT(FaultsOf("notes: x\n"), HasSubstr("prices must be a map"));
  EXPECT_THAT(FaultsOf("prices: {a: [\n"), HasSubstr("f:"));
}

class LoadPricesTest : public BillingTest {
 protected:
  LoadPricesTest() {
    std::string pattern = ::testing::TempDir() + "prices-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~LoadPricesTest() override { std::filesystem::remove_all(directory_); }

  std::string Write(const std::string& text) {
    std::string path = directory_ + "/prices.yaml";
    std::ofstream(path) << text;
    return path;
  }
  int VersionInForce() {
    return *db_.Read(
        [](pg::Tx& tx) -> absl::StatusOr<int> { return FindPriceBook(tx, 0)->version; });
  }
  // The program's answer, both of its streams, and its exit code.
  std::string Run(const std::string& arguments, int* code) {
    const std::string command = absl::StrCat("DATABASE_URL='", Url(), "' ", BILLING_PROGRAM,
                                             " load-prices ", arguments, " 2>&1");
    std::FILE* const pipe = ::popen(command.c_str(), "r");
    std::string text;
    char buffer[4096];
    while (const std::size_t size = std::fread(buffer, 1, sizeof buffer, pipe)) {
      text.append(buffer, size);
    }
    *code = WEXITSTATUS(::pclose(pipe));
    return text;
  }

  std::string directory_;
};

TEST_F(LoadPricesTest, TheFileThatComesWithTheProgramKeepsTheFirstPrices) {
  const auto change = ReadPriceFile(BILLING_PRICES);
  ASSERT_TRUE(change.ok()) << change.status();
  const auto made = PublishPrices(db_, *change, {.dry_run = true});
  ASSERT_TRUE(made.ok()) << made.status();
  for (const std::string& line : DescribeChanges(made->before, made->after)) {
    EXPECT_EQ(line[0], '+') << line;
  }
  EXPECT_TRUE(made->after.contains({"prompt_tokens", "openai/gpt-4o-mini"}));
  EXPECT_EQ(VersionInForce(), 1) << "a dry run";
}

TEST_F(LoadPricesTest, AtAStartABookIsPublishedOnceAndNeverTakesBackALaterChange) {
  const std::string path = Write("prices:\n  text.stats:\n    per_job: 0.05\n");
  const auto first = LoadPriceFile(db_, path);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(*first);
  EXPECT_FALSE(*LoadPriceFile(db_, path)) << "it applies already";
  PriceChange change;
  change.prices[{"per_job", "text.stats"}] = {.unit_nanos = 1, .per_units = 1};
  ASSERT_TRUE(PublishPrices(db_, change).ok());
  EXPECT_FALSE(*LoadPriceFile(db_, path)) << "an administrator has changed it since";
  EXPECT_EQ(VersionInForce(), 3);
  EXPECT_TRUE(*LoadPriceFile(db_, Write("prices: {a: {per_job: 1}}"))) << "another file";
}

TEST_F(LoadPricesTest, ProcessesThatStartTogetherPublishOneVersion) {
  const std::string path = Write("prices:\n  text.stats:\n    per_job: 0.05\n");
  Together(4, [&](int) { EXPECT_TRUE(LoadPriceFile(db_, path).ok()); });
  EXPECT_EQ(VersionInForce(), 2);
}

TEST_F(LoadPricesTest, TheCommandPublishesAndTellsWhatChanges) {
  int code = -1;
  const std::string path = Write("notes: spring\nprices:\n  text.stats:\n    per_job: 0.05\n");
  EXPECT_THAT(Run("--dry-run " + path, &code),
              AllOf(HasSubstr("~ per_job of text.stats: 0.05 USD, 0.02 USD before\n"),
                    HasSubstr("- per_job of sleep: 0.00 USD\n"), HasSubstr("would apply")));
  EXPECT_EQ(code, 0);
  EXPECT_EQ(VersionInForce(), 1);
  EXPECT_THAT(Run(path + " --notes autumn", &code), HasSubstr("version 2 applies from 20"));
  EXPECT_EQ(code, 0);
  EXPECT_EQ(VersionInForce(), 2);
  ExpectSql("SELECT notes = 'autumn' FROM billing.price_books WHERE version = 2");
  EXPECT_THAT(Run(path, &code), HasSubstr("version 2 has these prices already"));
  EXPECT_EQ(code, 0);
  Run(path + " --effective-time 2100-01-01T00:00:00Z", &code);
  EXPECT_EQ(code, 0);
  EXPECT_EQ(VersionInForce(), 2);
}

TEST_F(LoadPricesTest, TheCommandRefusesAWrongFileAndWrongArguments) {
  int code = -1;
  const std::string path = Write("prices:\n  a:\n    per_job: x\n    per_banana: 1\n");
  EXPECT_THAT(Run(path, &code), AllOf(HasSubstr(path + ":3: "), HasSubstr(path + ":4: ")));
  EXPECT_EQ(code, 2);
  EXPECT_THAT(Run(directory_ + "/nothing.yaml", &code), HasSubstr("cannot be read"));
  EXPECT_EQ(code, 2);
  EXPECT_THAT(Run("", &code), HasSubstr("usage: billing load-prices FILE"));
  EXPECT_EQ(code, 2);
  const std::string good = Write("prices: {a: {per_job: 1}}");
  EXPECT_THAT(Run(good + " --effective-time soon", &code), HasSubstr("not a time"));
  EXPECT_EQ(code, 2);
  Run(good + " --effective-time 2020-01-01T00:00:00Z", &code);
  EXPECT_EQ(code, 2) << "in the past";
  Run(good + " --colour red", &code);
  EXPECT_EQ(code, 2);
  EXPECT_EQ(VersionInForce(), 1);
}

}  // namespace
}  // namespace gatehouse::billing
