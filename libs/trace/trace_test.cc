#include "libs/trace/trace.h"

#include <gtest/gtest.h>

#include <set>

namespace gatehouse::trace {
namespace {

// The example of W3C Trace Context, section 3.2.3.
constexpr char kExample[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(TraceParentTest, ReadsTheExampleOfTheStandard) {
  const auto parent = Parse(kExample);
  ASSERT_TRUE(parent.has_value());
  EXPECT_EQ(parent->trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(parent->span_id, "00f067aa0ba902b7");
  EXPECT_TRUE(parent->sampled);
  EXPECT_EQ(Format(*parent), kExample);
}

TEST(TraceParentTest, OnlyTheLowestFlagMeansSampled) {
  EXPECT_FALSE(Parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")->sampled);
  EXPECT_FALSE(Parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe")->sampled);
  EXPECT_TRUE(Parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ab")->sampled);
}

TEST(TraceParentTest, RefusesWhatTheStandardForbids) {
  for (const char* header : {
           "",
           "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",       // upper case
           "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",       // version ff
           "00-00000000000000000000000000000000-00f067aa0ba902b7-01",       // no trace
           "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",       // no span
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",        // short
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",      // long
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",      // version 00 ends here
           "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",       // no dash
           "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",       // dash elsewhere
           "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.what",  // no dash behind
           "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",       // not hex
       }) {
    EXPECT_FALSE(Parse(header).has_value()) << header;
  }
}

TEST(TraceParentTest, ReadsTheKnownPartOfALaterVersion) {
  const auto parent = Parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more");
  ASSERT_TRUE(parent.has_value());
  EXPECT_EQ(Format(*parent), kExample);
}

TEST(TraceParentTest, AChildStaysInTheTraceWithASpanOfItsOwn) {
  const TraceParent parent = Start();
  const TraceParent child = Child(parent);
  EXPECT_EQ(child.trace_id, parent.trace_id);
  EXPECT_NE(child.span_id, parent.span_id);
  EXPECT_EQ(child.sampled, parent.sampled);
  EXPECT_FALSE(Child(*Parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")).sampled);
}

TEST(TraceParentTest, WhatIsStartedCanBeRead) {
  const TraceParent started = Start();
  const auto read = Parse(Format(started));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->trace_id, started.trace_id);
  EXPECT_EQ(read->span_id, started.span_id);
  EXPECT_NE(Start().trace_id, started.trace_id);
}

TEST(TraceParentTest, TextsThatAreStartedDifferAndCanBeRead) {
  std::set<std::string> traces;
  for (int i = 0; i < 1000; ++i) {
    const auto read = Parse(StartText());
    ASSERT_TRUE(read.has_value());
    EXPECT_TRUE(read->sampled);
    traces.insert(read->trace_id);
  }
  EXPECT_EQ(traces.size(), 1000u);
}

}  // namespace
}  // namespace gatehouse::trace
