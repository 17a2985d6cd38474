#include "libs/log/line.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <functional>
#include <vector>

#include "libs/base/time_text.h"
#include "libs/log/log.h"

namespace gatehouse::log {
namespace {

std::string Captured(const std::function<void()>& body) {
  ::testing::internal::CaptureStderr();
  body();
  return ::testing::internal::GetCapturedStderr();
}

boost::json::object Parsed(const std::string& line) {
  EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
  boost::json::error_code error;
  const boost::json::value value = boost::json::parse(line, error);
  EXPECT_FALSE(error) << line;
  return error ? boost::json::object() : value.as_object();
}

class LineTest : public ::testing::Test {
 protected:
  void SetUp() override { Init("gateway", Level::kInfo); }
  void TearDown() override {
    SetFormat(Format::kJson);
    SetLevel(Level::kInfo);
  }
};

TEST_F(LineTest, ReadsLikeALineOfTheLog) {
  const auto line = Parsed(Captured(
      [] { Line("request", "r-1", "t-1").Text("method", "GET").Number("status", -5).Write(); }));
  const auto same = Parsed(Captured([] {
    const Scope scope({"r-1", "t-1"});
    Info("request", {{"method", "GET"}, {"status", -5}});
  }));
  ASSERT_EQ(line.size(), same.size());
  for (const auto& [name, value] : same) {
    if (name == "time") continue;
    EXPECT_EQ(line.at(name), value) << name;
  }
}

TEST_F(LineTest, SaysWhen) {
  const Time before = std::chrono::system_clock::now();
  const auto line = Parsed(Captured([] { Line("m", "", "").Write(); }));
  const std::string text(line.at("time").as_string());
  EXPECT_EQ(text.size(), FormatTime(before).size());
  const auto time = ParseTime(text);
  ASSERT_TRUE(time) << text;
  EXPECT_GE(*time, std::chrono::floor<std::chrono::microseconds>(before));
  EXPECT_LE(*time, std::chrono::system_clock::now());
}

TEST_F(LineTest, ValuesCannotBreakOut) {
  for (const std::string value :
       {"a\"b", "a\\b", "a\nb", "a\x01", "\xff", "\xc3\xa9", "\",\"level\":\"error"}) {
    const auto line = Parsed(Captured([&] { Line("m", "", "").Text("v", value).Write(); }));
    EXPECT_EQ(line.at("level"), "info");
    EXPECT_FALSE(line.contains("request_id"));
    EXPECT_EQ(line.at("v").as_string(), value == "\xff" ? "\xef\xbf\xbd" : value);
  }
}

TEST_F(LineTest, HonoursFormatAndLevel) {
  SetFormat(Format::kPlain);
  const std::string plain = Captured(
      [] { Line("request", "r-1", "").Text("route", "/a b").Number("status", 200).Write(); });
  EXPECT_EQ(plain.substr(plain.find(' ')),
            " INFO gateway request request_id=r-1 route=\"/a b\" status=200\n");
  SetLevel(Level::kWarning);
  EXPECT_EQ(Captured([] { Line("request", "", "").Write(); }), "");
}

TEST_F(LineTest, WaitsForTheEndOfItsBatchAndGoesOutWhole) {
  const std::string text = Captured([] {
    {
      const LineBatch batch;
      Line("first", "", "").Write();
      Info("at once");
      Line("second", "", "").Write();
    }
    Line("third", "", "").Write();
  });
  std::vector<std::size_t> order;
  for (const char* message : {"at once", "first", "second", "third"}) {
    order.push_back(text.find("\"" + std::string(message) + "\""));
  }
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end())) << text;
  EXPECT_NE(order.back(), std::string::npos);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4);
}

TEST_F(LineTest, ABatchOfManyLinesDoesNotKeepThemAll) {
  const std::string text = Captured([] {
    const LineBatch batch;
    for (int i = 0; i < 1000; ++i) Line("one of many", "", "").Number("number", i).Write();
    Info("the batch goes on");
  });
  EXPECT_LT(text.find("\"number\":0}"), text.find("the batch goes on"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1001);
}

}  // namespace
}  // namespace gatehouse::log
