#include "services/billing/stripe_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <mutex>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/metrics/metrics.h"
#include "services/billing/stripe_answer.h"

namespace gatehouse::billing {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// Answers have this version's shape, whatever the account's default is.
constexpr char kStripeVersion[] = "Stripe-Version: 2024-06-20";
constexpr std::size_t kAnswerBytesMax = 1 << 20;
constexpr std::size_t kIdleHandlesMax = 8;
constexpr int kAttempts = 3;
constexpr milliseconds kBackOff[] = {milliseconds(200), milliseconds(800)};

using Handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using List = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

std::size_t TakeBody(char* bytes, std::size_t size, std::size_t count, void* argument) {
  std::string& body = static_cast<StripeAnswer*>(argument)->body;
  const std::size_t length = size * count;
  if (length > kAnswerBytesMax - body.size()) return 0;  // Ends the transfer.
  body.append(bytes, length);
  return length;
}

std::size_t TakeHeader(char* bytes, std::size_t size, std::size_t count, void* argument) {
  const absl::string_view line(bytes, size * count);
  const std::size_t colon = line.find(':');
  if (colon == absl::string_view::npos) return size * count;
  const absl::string_view name = line.substr(0, colon);
  const absl::string_view value = absl::StripAsciiWhitespace(line.substr(colon + 1));
  const bool is_last = (absl::EqualsIgnoreCase(name, "Stripe-Should-Retry") && value == "false") ||
                       (absl::EqualsIgnoreCase(name, "Idempotent-Replayed") && value == "true");
  if (is_last) static_cast<StripeAnswer*>(argument)->may_retry = false;
  return size * count;
}

int AskCancelled(void* argument, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto& is_cancelled = static_cast<const StripeCall*>(argument)->is_cancelled;
  return is_cancelled && is_cancelled() ? 1 : 0;
}

// Appends a line; a list that could not grow is lost.
void Append(List& list, const std::string& line) {
  curl_slist* const longer = curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr) return list.reset();
  static_cast<void>(list.release());  // It is part of the longer one now.
  list.reset(longer);
}

void SetTransport(CURL* curl, milliseconds left) {
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  // The environment has no say in where the key goes.
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  // Signals would end a look-up of the name in whichever thread gets them.
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(left.count()));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(left.count()));
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "gatehouse-billing");
}

std::string Base(const StripeOptions& options) {
  return std::string(absl::StripSuffix(options.api_base, "/"));
}

milliseconds LeftUntil(SteadyTime deadline) {
  return std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
}

metrics::Counter& CallsOf(const char* outcome) {
  return metrics::GetCounter("gatehouse_billing_stripe_calls_total", "Calls of Stripe's API.",
                             {{"outcome", outcome}});
}

}  // namespace

struct StripeClient::Request {
  std::string url;
  std::string body;  // Of a POST.
  std::vector<std::string> headers;
  bool is_post = false;
};

struct StripeClient::Impl {
  std::mutex mutex;
  std::vector<Handle> idle;  // guarded by mutex; each may keep a connection
  metrics::Counter& ok = CallsOf("ok");
  metrics::Counter& refused = CallsOf("refused");
  metrics::Counter& unavailable = CallsOf("unavailable");

  Handle Take() {
    const std::lock_guard lock(mutex);
    if (idle.empty()) return Handle(curl_easy_init(), &curl_easy_cleanup);
    Handle handle = std::move(idle.back());
    idle.pop_back();
    return handle;
  }

  void GiveBack(Handle handle) {
    curl_easy_reset(handle.get());  // Keeps the connection, forgets the key.
    const std::lock_guard lock(mutex);
    if (idle.size() < kIdleHandlesMax) idle.push_back(std::move(handle));
  }

  // One attempt.
  StripeAnswer Ask(const Request& request, const StripeCall& call, milliseconds left);
  void Count(const absl::Status& status) {
    metrics::Counter& counter =
        status.ok() ? ok : (Reason(status) == "STRIPE_REFUSED" ? refused : unavailable);
    counter.Increment();
  }
};

StripeAnswer StripeClient::Impl::Ask(const Request& request, const StripeCall& call,
                                     milliseconds left) {
  StripeAnswer answer;
  Handle curl = Take();
  List headers(nullptr, &curl_slist_free_all);
  // Without a list none is sent; then neither is the request.
  for (const std::string& line : request.headers) Append(headers, line);
  if (curl == nullptr || headers == nullptr) {
    answer.transport_error = "out of memory";
    return answer;
  }
  SetTransport(curl.get(), left);
  curl_easy_setopt(curl.get(), CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  if (request.is_post) {
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, request.body.c_str());
  }
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &TakeBody);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer);
  curl_easy_setopt(curl.get(), CURLOPT_HEADERFUNCTION, &TakeHeader);
  curl_easy_setopt(curl.get(), CURLOPT_HEADERDATA, &answer);
  curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, &AskCancelled);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, &call);
  const CURLcode result = curl_easy_perform(curl.get());
  if (result != CURLE_OK) {
    answer.transport_error = curl_easy_strerror(result);
    answer.may_retry = result != CURLE_ABORTED_BY_CALLBACK;
  } else {
    curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &answer.http_status);
  }
  GiveBack(std::move(curl));
  return answer;
}

StripeClient::StripeClient(StripeOptions options)
    : options_(std::move(options)), impl_(std::make_unique<Impl>()) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

StripeClient::~StripeClient() = default;

absl::StatusOr<JsonDocument> StripeClient::Post(const std::string& path, const StripeForm& form,
                                                const std::string& idempotency_key,
                                                const StripeCall& call) {
  Request request;
  request.url = absl::StrCat(Base(options_), path);
  request.body = EncodeForm(form);
  request.is_post = true;
  request.headers = {"Idempotency-Key: " + idempotency_key,
                     "Content-Type: application/x-www-form-urlencoded", "Expect:"};
  return Send(request, call);
}

absl::StatusOr<JsonDocument> StripeClient::Get(const std::string& path, const StripeForm& query,
                                               const StripeCall& call) {
  Request request;
  request.url = absl::StrCat(Base(options_), path, query.empty() ? "" : "?", EncodeForm(query));
  return Send(request, call);
}

absl::StatusOr<JsonDocument> StripeClient::Send(const Request& request, const StripeCall& call) {
  Request authorized = request;
  authorized.headers.push_back("Authorization: Bearer " + options_.secret_key);
  authorized.headers.push_back(kStripeVersion);
  const SteadyTime end = std::min(call.deadline, steady_clock::now() + options_.timeout);
  absl::StatusOr<JsonDocument> result = StripeTimeout();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (attempt > 0) {
      // What would be over before it began is not begun.
      if (LeftUntil(end) <= 2 * kBackOff[attempt - 1]) break;
      if (call.is_cancelled && call.is_cancelled()) break;
      std::this_thread::sleep_for(kBackOff[attempt - 1]);
    }
    const milliseconds left = LeftUntil(end);
    if (left <= milliseconds(0)) break;
    const StripeAnswer answer = impl_->Ask(authorized, call, left);
    result = ReadStripeAnswer(answer);
    if (result.ok() || Reason(result.status()) == "STRIPE_REFUSED" || !answer.may_retry) break;
  }
  impl_->Count(result.status());
  return result;
}

}  // namespace gatehouse::billing
