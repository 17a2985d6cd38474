#include "services/gateway/csv.h"

#include <gtest/gtest.h>

namespace gatehouse::gateway {
namespace {

std::string Cell(const std::string& text) { return CsvLine().Text(text).Take(); }

TEST(CsvTest, ALineHasItsCellsAndItsEnd) {
  CsvLine line;
  EXPECT_EQ(line.Number(7).Text("Acme").Text("").Units(-150).Take(), "7,Acme,,-1.50\r\n");
  EXPECT_EQ(line.Text("next").Take(), "next\r\n");
}

TEST(CsvTest, WhatWouldBreakALineIsQuoted) {
  EXPECT_EQ(Cell("a,b"), "\"a,b\"\r\n");
  EXPECT_EQ(Cell("say \"hi\""), "\"say \"\"hi\"\"\"\r\n");
  EXPECT_EQ(Cell("a;b"), "\"a;b\"\r\n") << "where the decimal point is a comma";
  EXPECT_EQ(Cell("a\tb"), "\"a\tb\"\r\n");
  EXPECT_EQ(Cell("two\r\nlines"), "\"two\r\nlines\"\r\n");
}

TEST(CsvTest, WhatASpreadsheetWouldComputeIsText) {
  EXPECT_EQ(Cell("=1+1"), "'=1+1\r\n");
  EXPECT_EQ(Cell("+49"), "'+49\r\n");
  EXPECT_EQ(Cell("-2"), "'-2\r\n");
  EXPECT_EQ(Cell("@SUM(A1)"), "'@SUM(A1)\r\n");
  EXPECT_EQ(Cell("\t=1"), "\"'\t=1\"\r\n");
  EXPECT_EQ(Cell("\n=1"), "\"'\n=1\"\r\n");
  EXPECT_EQ(Cell("\r=1"), "\"'\r=1\"\r\n");
  EXPECT_EQ(Cell("=HYPERLINK(\"http://x\",\"y\")"),
            "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"\r\n");
  EXPECT_EQ(Cell("a=b"), "a=b\r\n");
}

TEST(CsvTest, NumbersStayNumbers) {
  EXPECT_EQ(CsvLine().Number(-5).Units(-5).Units(0).Units(5).Units(123).Take(),
            "-5,-0.05,0.00,0.05,1.23\r\n");
  EXPECT_EQ(CsvLine().Units(INT64_MIN).Take(), "-92233720368547758.08\r\n");
}

}  // namespace
}  // namespace gatehouse::gateway
