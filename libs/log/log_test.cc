#include "libs/log/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cmath>
#include <limits>
#include <regex>
#include <thread>
#include <vector>

#include "libs/base/time_text.h"

namespace gatehouse::log {
namespace {

namespace json = boost::json;

// What `body` writes to standard error, a parsed object per line.
template <typename Body>
std::vector<json::object> Lines(Body body) {
  ::testing::internal::CaptureStderr();
  body();
  const std::string text = ::testing::internal::GetCapturedStderr();
  std::vector<json::object> lines;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = text.find('\n', at);
    if (end == std::string::npos) {
      ADD_FAILURE() << "the last line has no end";
      return lines;
    }
    json::error_code error;
    const json::value value = json::parse(text.substr(at, end - at), error);
    if (error || !value.is_object()) {
      ADD_FAILURE() << "not an object: " << text.substr(at, end - at);
    } else {
      lines.push_back(value.as_object());
    }
    at = end + 1;
  }
  return lines;
}

template <typename Body>
json::object Line(Body body) {
  const std::vector<json::object> lines = Lines(body);
  EXPECT_EQ(lines.size(), 1u);
  return lines.empty() ? json::object() : lines[0];
}

std::string Text(const json::object& line, const char* name) {
  const json::value* value = line.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : "(no text)";
}

class LogTest : public ::testing::Test {
 protected:
  void SetUp() override { Init("billing", Level::kInfo); }
};

TEST_F(LogTest, ALineHasTimeLevelServiceAndMessage) {
  const Time before = FromMicros(ToMicros(std::chrono::system_clock::now()));
  const json::object line = Line([] { Info("started"); });
  EXPECT_EQ(line.size(), 4u);
  EXPECT_EQ(Text(line, "level"), "info");
  EXPECT_EQ(Text(line, "service"), "billing");
  EXPECT_EQ(Text(line, "message"), "started");
  EXPECT_TRUE(std::regex_match(Text(line, "time"),
                               std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)")));
  const auto time = ParseTime(Text(line, "time"));
  ASSERT_TRUE(time.has_value());
  EXPECT_GE(*time, before);
  EXPECT_LE(*time, std::chrono::system_clock::now());
}

TEST_F(LogTest, FieldsKeepTheirTypes) {
  const json::object line = Line([] {
    Warning("x", {{"text", "a"},
                  {"string", std::string("b")},
                  {"flag", true},
                  {"int", -7},
                  {"big", std::numeric_limits<std::uint64_t>::max()},
                  {"real", 0.25},
                  {"nan", std::nan("")}});
  });
  EXPECT_EQ(Text(line, "level"), "warning");
  EXPECT_EQ(Text(line, "text"), "a");
  EXPECT_EQ(Text(line, "string"), "b");
  EXPECT_EQ(line.at("flag"), json::value(true));
  EXPECT_EQ(line.at("int"), json::value(-7));
  EXPECT_EQ(line.at("big").as_uint64(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(line.at("real"), json::value(0.25));
  EXPECT_TRUE(line.at("nan").is_null());
}

TEST_F(LogTest, EveryByteSurvivesOrIsReplaced) {
  std::string ascii;
  for (int c = 0; c < 128; ++c) ascii += static_cast<char>(c);
  const json::object line = Line([&] {
    Info(ascii,
         {{"valid", "\u20ac \U0001f600"}, {"invalid", "a\xff\xc0\xaf"}, {ascii.c_str() + 1, 1}});
  });
  EXPECT_EQ(Text(line, "message"), ascii);
  EXPECT_EQ(Text(line, "valid"), "\u20ac \U0001f600");
  EXPECT_EQ(Text(line, "invalid"), "a\ufffd\ufffd\ufffd");
  EXPECT_TRUE(line.contains(ascii.c_str() + 1)) << "names are escaped too";
}

TEST_F(LogTest, FieldsNamedLikeASecretAreRedacted) {
  for (const char* name : {"password", "new_PASSWORD", "client_secret", "access_token", "passkey",
                           "Authorization", "set-cookie", "database_dsn"}) {
    const json::object line = Line([&] { Error("x", {{name, "hunter2"}}); });
    EXPECT_EQ(Text(line, name), "[redacted]");
  }
  EXPECT_EQ(Text(Line([] { Info("x", {{"token", 1234}}); }), "token"), "[redacted]");
  EXPECT_EQ(Text(Line([] { Info("x", {{"user", "ada"}}); }), "user"), "ada");
}

TEST_F(LogTest, AFieldCannotForgeAPartOfTheLine) {
  const json::object line = Line([] {
    Info("x", {{"level", "error"}, {"service", "jobs"}, {"time", 1}});
  });
  EXPECT_EQ(Text(line, "level"), "info");
  EXPECT_EQ(Text(line, "level_"), "error");
  EXPECT_EQ(Text(line, "service"), "billing");
  EXPECT_EQ(Text(line, "service_"), "jobs");
  EXPECT_EQ(line.size(), 7u);
}

TEST_F(LogTest, WritesNothingBelowTheLevel) {
  EXPECT_TRUE(Lines([] { Debug("x"); }).empty());
  SetLevel(Level::kError);
  EXPECT_FALSE(Enabled(Level::kWarning));
  const auto lines = Lines([] {
    Info("x");
    Warning("x");
    Error("y");
  });
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(Text(lines[0], "message"), "y");
  SetLevel(Level::kDebug);
  EXPECT_EQ(Text(Line([] { Debug("z"); }), "level"), "debug");
}

TEST_F(LogTest, ReadsTheNamesOfLevels) {
  EXPECT_EQ(ParseLevel("debug"), Level::kDebug);
  EXPECT_EQ(ParseLevel("INFO"), Level::kInfo);
  EXPECT_EQ(ParseLevel("warn"), Level::kWarning);
  EXPECT_EQ(ParseLevel("Warning"), Level::kWarning);
  EXPECT_EQ(ParseLevel("ERROR"), Level::kError);
  EXPECT_EQ(ParseLevel("loud"), Level::kInfo);
}

TEST_F(LogTest, TheScopesIdsAreOnEveryLine) {
  const auto lines = Lines([] {
    const Scope outer({"outer-request", "0af7651916cd43dd8448eb211c80319c"});
    Info("a");
    {
      const Scope inner({"inner-request", ""});
      Info("b");
      Info("c", {{"request_id", "another"}});
    }
    Info("d");
  });
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(Text(lines[0], "request_id"), "outer-request");
  EXPECT_EQ(Text(lines[0], "trace_id"), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(Text(lines[1], "request_id"), "inner-request");
  EXPECT_FALSE(lines[1].contains("trace_id"));
  EXPECT_EQ(Text(lines[2], "request_id"), "another");
  EXPECT_EQ(Text(lines[3], "request_id"), "outer-request");
  EXPECT_EQ(Current().request_id, "");
}

TEST_F(LogTest, AScopeBelongsToItsThread) {
  const Scope scope({"mine", ""});
  std::string seen = "unset";
  std::thread([&] { seen = Current().request_id; }).join();
  EXPECT_EQ(seen, "");
  EXPECT_EQ(Current().request_id, "mine");
}

// Lines parses each line; one that is torn by another would fail there.
// What `body` writes as plain lines, without the time in front.
template <typename Body>
std::string Plain(Body body) {
  SetFormat(Format::kPlain);
  ::testing::internal::CaptureStderr();
  body();
  SetFormat(Format::kJson);
  const std::string text = ::testing::internal::GetCapturedStderr();
  return text.substr(text.find(' ') + 1);
}

TEST_F(LogTest, APlainLineIsForPeople) {
  EXPECT_EQ(Plain([] {
              Warning("disk is full", {{"path", "/var/lib"}, {"percent", 99}});
            }),
            "WARNING billing disk is full path=/var/lib percent=99\n");
  EXPECT_EQ(Plain([] {
              const Scope scope({"r-1", ""});
              Info("said", {{"text", "a \"b\" c"}, {"empty", ""}, {"pair", "a=b"}});
            }),
            "INFO billing said request_id=r-1 text=\"a \\\"b\\\" c\" empty=\"\" "
            "pair=\"a=b\"\n");
}

TEST_F(LogTest, APlainLineCannotBeForgedAndTellsNoSecret) {
  EXPECT_EQ(Plain([] {
              Info("a\nINFO billing b", {{"text", "c\nd"}});
            }),
            "INFO billing a\\nINFO billing b text=\"c\\nd\"\n");
  EXPECT_EQ(Plain([] {
              Info("login", {{"password", "hunter2"}});
            }),
            "INFO billing login password=[redacted]\n");
}

TEST_F(LogTest, TheFormatChangesWithTheNextLine) {
  EXPECT_EQ(ParseFormat("PLAIN"), Format::kPlain);
  EXPECT_EQ(ParseFormat("json"), Format::kJson);
  EXPECT_EQ(Plain([] { Info("one"); }), "INFO billing one\n");
  EXPECT_EQ(Text(Line([] { Info("two"); }), "message"), "two");
}

TEST_F(LogTest, RacingThreadsDoNotTearLines) {
  constexpr int kThreads = 8;
  constexpr int kEach = 200;
  const auto lines = Lines([] {
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([t] {
        for (int i = 0; i < kEach; ++i) {
          Info("racing", {{"thread", t}, {"fill", std::string(300, 'x')}});
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  ASSERT_EQ(lines.size(), static_cast<std::size_t>(kThreads * kEach));
  std::vector<int> counts(kThreads);
  for (const json::object& line : lines) {
    ++counts[static_cast<std::size_t>(line.at("thread").as_int64())];
  }
  for (const int count : counts) EXPECT_EQ(count, kEach);
}

}  // namespace
}  // namespace gatehouse::log
