// The ledger as a CSV file that is sent while it is read: page by page from billing, no
// faster than the client takes it. A file that cannot be finished is cut, which the client
// notices. Not the route (routes_ledger.cc).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "gatehouse/billing/v1/account.pb.h"
#include "libs/http/stream.h"
#include "services/gateway/credential_watch.h"
#include "services/gateway/request_context.h"

namespace gatehouse::gateway {

// On the worker of the exchange.
class LedgerDownload final : public http::StreamOwner,
                             public std::enable_shared_from_this<LedgerDownload> {
 public:
  // `request` says whose entries and of when. Errors before the first line are answered
  // as any others.
  static void Start(const Context& context, const billing::v1::ExportLedgerRequest& request);

  LedgerDownload(Context context, billing::v1::ExportLedgerRequest request);

  void OnBody(std::string_view, bool) override {}
  void OnBodyRefused(int) override {}
  void OnWritable() override;
  void OnTick(SteadyTime now) override;
  void OnClosed() override;

 private:
  void FetchPage();
  void TakePage(const absl::StatusOr<billing::v1::ExportLedgerResponse>& page);
  void FindNames();
  void WritePage();
  bool Begin();
  void Write(std::string bytes);
  void Fail(const absl::Status& status, const std::string& service);
  void Cut(int status);

  const Context context_;
  CredentialWatch watch_;
  billing::v1::ExportLedgerRequest request_;
  billing::v1::ExportLedgerResponse page_;
  int named_ = 0;                              // Entries of the page whose tenant has a name.
  std::map<std::int64_t, std::string> names_;  // Of tenants; empty for one that is gone.
  http::Stream* stream_ = nullptr;
  bool has_begun_ = false;
  bool is_waiting_ = false;  // For the client to read.
  std::uint64_t bytes_ = 0;
};

}  // namespace gatehouse::gateway
