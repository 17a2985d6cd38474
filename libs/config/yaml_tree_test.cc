#include "libs/config/yaml_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gatehouse::config {
namespace {

using ::testing::HasSubstr;

class YamlTreeTest : public ::testing::Test {
 protected:
  static std::string Fault(const std::string& yaml) {
    Problems problems;
    EXPECT_FALSE(ParseYamlTree(yaml, "f", &problems));
    return TextOf(problems);
  }
};

TEST_F(YamlTreeTest, RemembersLinesAndKeepsTextsAsTheyAreWritten) {
  Problems problems;
  const auto root =
      ParseYamlTree("# first\na: 1.50\nb:\n  - 'x y'\n  - {c: \"0\", d: ~}\n", "f", &problems);
  ASSERT_TRUE(root) << TextOf(problems);
  EXPECT_EQ(root->Find("a")->text, "1.50");
  EXPECT_EQ(root->members[1].line, 3);
  const YamlNode& list = *root->Find("b");
  ASSERT_EQ(list.items.size(), 2u);
  EXPECT_EQ(list.items[0].text, "x y");
  EXPECT_EQ(list.items[1].line, 5);
  EXPECT_EQ(list.items[1].Find("c")->text, "0");
  EXPECT_EQ(list.items[1].Find("d")->kind, YamlNode::Kind::kNull);
  EXPECT_EQ(root->Find("e"), nullptr);
}

TEST_F(YamlTreeTest, AnEmptyTextIsNull) {
  Problems problems;
  EXPECT_EQ(ParseYamlTree("# nothing\n", "f", &problems)->kind, YamlNode::Kind::kNull);
}

TEST_F(YamlTreeTest, AFaultOfSyntaxHasItsLine) {
  EXPECT_THAT(Fault("a: 1\nb: [1, 2\nc: 3\n"), HasSubstr("f:3: "));
  EXPECT_THAT(Fault("a: 1\n\tb: 2\n"), HasSubstr("f:2: "));
  EXPECT_THAT(Fault("a: \"open\n"), HasSubstr("f:"));
  EXPECT_THAT(Fault("a: \xff\xfe\n"), HasSubstr("f:"));
}

TEST_F(YamlTreeTest, WhatMakesAFileHardToReadIsRefused) {
  EXPECT_EQ(Fault("a: &x 1\nb: *x\n"), "f:2: aliases are not supported");
  EXPECT_EQ(Fault("a: 1\n---\nb: 2\n"), "f:2: a second document");
  EXPECT_EQ(Fault("a: 1\n? [b]\n: 2\n"), "f:2: a key must be a text");
  EXPECT_THAT(Fault("a: " + std::string(40, '[')), HasSubstr("nested too deep"));
  Problems problems;
  EXPECT_TRUE(ParseYamlTree("a: 1\nb: 2\na: 3\n", "f", &problems));
  EXPECT_EQ(TextOf(problems), "f:3: a is there twice");
}

}  // namespace
}  // namespace gatehouse::config
