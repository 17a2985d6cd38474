#include "libs/status/status.h"

#include <gmock/gmock.h>
#include <grpcpp/support/status.h>
#include <gtest/gtest.h>

#include "absl/strings/cord.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace gatehouse {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

absl::Status OverTheWire(const absl::Status& status) { return FromGrpc(ToGrpc(status)); }

TEST(ErrorTest, CarriesCodeMessageReasonAndMetadata) {
  const absl::Status status = Error(absl::StatusCode::kFailedPrecondition, "RESERVE_INSUFFICIENT",
                                    "add funds", {{"missing_cents", "12"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "add funds");
  EXPECT_EQ(Reason(status), "RESERVE_INSUFFICIENT");
  EXPECT_EQ(ReasonMetadata(status, "missing_cents"), "12");
  EXPECT_EQ(ReasonMetadata(status, "other"), "");
}

TEST(ErrorTest, StatusesOfOthersHaveNoReason) {
  EXPECT_EQ(Reason(absl::OkStatus()), "");
  EXPECT_EQ(Reason(absl::NotFoundError("x")), "");
  EXPECT_THAT(FieldViolations(absl::NotFoundError("x")), IsEmpty());
  EXPECT_EQ(RetryDelayMillis(absl::NotFoundError("x")), 0);
}

TEST(ErrorTest, TheWireFormIsGooglesErrorInfo) {
  const grpc::Status wire = ToGrpc(Error(absl::StatusCode::kNotFound, "JOB_NOT_FOUND", "no job"));
  google::rpc::Status status;
  ASSERT_TRUE(status.ParseFromString(wire.error_details()));
  ASSERT_EQ(status.details_size(), 1);
  EXPECT_EQ(status.code(), 5);
  EXPECT_EQ(status.message(), "no job");
  EXPECT_EQ(status.details(0).type_url(), "type.googleapis.com/google.rpc.ErrorInfo");
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(info.ParseFromString(status.details(0).value()));
  EXPECT_EQ(info.reason(), "JOB_NOT_FOUND");
  EXPECT_EQ(info.domain(), "gatehouse");
}

TEST(WireTest, EveryCodeRoundTrips) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status = WithRetryDelay(
        WithFieldViolation(
            Error(static_cast<absl::StatusCode>(code), "REASON", "text \u20ac", {{"key", "value"}}),
            "payload.text", "is empty"),
        1500);
    EXPECT_EQ(OverTheWire(status), status) << code;
    EXPECT_EQ(static_cast<int>(ToGrpc(status).error_code()), code);
    EXPECT_EQ(Reason(OverTheWire(status)), "REASON");
  }
}

TEST(WireTest, OkStaysOk) {
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok());
  EXPECT_EQ(OverTheWire(absl::OkStatus()), absl::OkStatus());
}

TEST(WireTest, PlainStatusOfGrpcKeepsCodeAndMessage) {
  const absl::Status status = FromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE, "no route"));
  EXPECT_EQ(status, absl::UnavailableError("no route"));
  EXPECT_EQ(Reason(status), "");
}

TEST(WireTest, ForeignDetailsAreKeptAndGarbageIsDropped) {
  absl::Status status = absl::AbortedError("x");
  status.SetPayload("type.example.com/Foreign", absl::Cord(std::string("\x00\xff", 2)));
  EXPECT_EQ(OverTheWire(status), status);

  const absl::Status garbled =
      FromGrpc(grpc::Status(grpc::StatusCode::ABORTED, "x", "\xff\xff\xff"));
  EXPECT_EQ(garbled, absl::AbortedError("x"));
}

TEST(WireTest, ACodeOutsideTheEnumerationIsUnknown) {
  const absl::Status status = FromGrpc(grpc::Status(static_cast<grpc::StatusCode>(31), "x"));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnknown);
}

TEST(WireTest, AMessageThatIsNotUtf8DoesNotLoseTheReason) {
  const absl::Status status = OverTheWire(
      Error(absl::StatusCode::kInvalidArgument, "TEXT_INVALID", "bad \xff", {{"text", "\xff"}}));
  EXPECT_EQ(Reason(status), "TEXT_INVALID");
  EXPECT_EQ(ReasonMetadata(status, "text"), "\xef\xbf\xbd");
}

TEST(FieldViolationTest, ViolationsAddUp) {
  absl::Status status = Error(absl::StatusCode::kInvalidArgument, "REQUEST_INVALID", "2 problems");
  status = WithFieldViolation(std::move(status), "email", "is not an address");
  status = WithFieldViolation(std::move(status), "email", "is too long");
  status = WithFieldViolation(std::move(status), "age", "is negative");
  EXPECT_THAT(FieldViolations(OverTheWire(status)),
              ElementsAre(Pair("age", "is negative"), Pair("email", "is not an address"),
                          Pair("email", "is too long")));
  EXPECT_EQ(Reason(status), "REQUEST_INVALID");
}

TEST(RetryDelayTest, KeepsMilliseconds) {
  const absl::Status status = absl::ResourceExhaustedError("slow down");
  EXPECT_EQ(RetryDelayMillis(OverTheWire(WithRetryDelay(status, 12345))), 12345);
  EXPECT_EQ(RetryDelayMillis(OverTheWire(WithRetryDelay(status, 7))), 7);
}

absl::Status Fail(bool fail) { return fail ? absl::DataLossError("lost") : absl::OkStatus(); }
absl::StatusOr<std::string> Text(bool fail) {
  GH_RETURN_IF_ERROR(Fail(fail));
  return std::string("text");
}
absl::StatusOr<std::size_t> Length(bool fail) {
  GH_ASSIGN_OR_RETURN(const std::string first, Text(false));
  GH_ASSIGN_OR_RETURN(const std::string second, Text(fail));
  return first.size() + second.size();
}

TEST(MacrosTest, PassOnValuesAndErrors) {
  EXPECT_EQ(*Length(false), 8u);
  EXPECT_EQ(Length(true).status(), absl::DataLossError("lost"));
}

}  // namespace
}  // namespace gatehouse
