// The strict envelope, answer by answer.
#include "services/gateway/envelope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace gatehouse::gateway {
namespace {

std::string Enclosed(int status, const std::string& body,
                     const std::string& type = "application/json") {
  http::Response response;
  response.status = status;
  response.body = body;
  if (!type.empty()) response.headers.push_back({"Content-Type", type});
  Enclose(&response);
  return std::to_string(response.status) + " " + response.body;
}

TEST(EnvelopeTextTest, AnObjectStandsWithinAndBeside) {
  EXPECT_EQ(Enclosed(201, R"({"a":1,"b":[true,null]})"),
            R"(200 {"status_code":201,"response":{"a":1,"b":[true,null]},"a":1,"b":[true,null]})");
  EXPECT_EQ(Enclosed(200, "{}"), R"(200 {"status_code":200,"response":{}})");
}

TEST(EnvelopeTextTest, NoMemberStandsTwice) {
  const std::string payload = R"({"status_code":200,"response":null,"data":1})";
  EXPECT_EQ(Enclosed(200, payload),
            R"(200 {"status_code":200,"response":)" + payload + R"(,"data":1})");
}

TEST(EnvelopeTextTest, WhatIsNoObjectStandsWithinOnly) {
  EXPECT_EQ(Enclosed(200, "[1,2]"), R"(200 {"status_code":200,"response":[1,2]})");
  EXPECT_EQ(Enclosed(204, "", ""), R"(200 {"status_code":204})");
}

TEST(EnvelopeTextTest, AnErrorKeepsItsCodeItsTextAndItsDetails) {
  EXPECT_EQ(Enclosed(404, R"({"error":"X","message":"m","status_code":404,"error_code":"X",)"
                          R"("error_message":"m","detail":"m","request_id":"r"})"),
            R"(200 {"status_code":404,"error_code":"X","error_message":"m","request_id":"r"})");
  EXPECT_EQ(Enclosed(409, R"({"type":"about:blank","detail":"m","code":"X"})",
                     "application/problem+json"),
            R"(200 {"status_code":409,"error_code":"X","error_message":"m"})");
}

TEST(EnvelopeTextTest, WhatIsNotJsonIsLeftAlone) {
  EXPECT_EQ(Enclosed(200, "a 1\n", "text/plain"), "200 a 1\n");
  EXPECT_EQ(Enclosed(503, "a 1\n", "text/plain"), "503 a 1\n");
}

TEST(EnvelopeTextTest, IsForTwoSurfaces) {
  for (const char* path : {"/platform", "/platform/user", "/api/caches", "/api/caches/"}) {
    EXPECT_TRUE(IsEnveloped(path)) << path;
  }
  for (const char* path : {"/", "/platforms", "/api/me/", "/api/cachesx"}) {
    EXPECT_FALSE(IsEnveloped(path)) << path;
  }
}

}  // namespace
}  // namespace gatehouse::gateway
