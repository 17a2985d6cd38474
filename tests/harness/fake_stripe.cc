#include "tests/harness/fake_stripe.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <fstream>
#include <iterator>
#include <utility>

#include "tests/harness/process.h"

namespace gatehouse::harness {
namespace {

constexpr int kReadyFd = 3;
constexpr char kAsIs[] = R"({"duplicate":1,"reorder":false,"delay_ms":0,"fail_next":0,)"
                         R"("timeout_after_commit":0,"async":"succeed","async_ms":200})";

std::string ReadAll(int fd) {
  std::string text;
  char bytes[512];
  for (ssize_t count; (count = ::read(fd, bytes, sizeof bytes)) > 0;) {
    text.append(bytes, static_cast<std::size_t>(count));
  }
  return text;
}

boost::json::array ParseArray(const Answer& answer, const char* member = nullptr) {
  boost::json::error_code error;
  const boost::json::value value = boost::json::parse(answer.body, error);
  if (error) return {};
  if (member == nullptr) return value.is_array() ? value.get_array() : boost::json::array();
  return value.is_object() && value.get_object().contains(member) ? value.at(member).as_array()
                                                                  : boost::json::array();
}

int TimesTaken(const boost::json::value& event) {
  int times = 0;
  for (const boost::json::value& delivery : event.at("deliveries").as_array()) {
    const boost::json::value& status = delivery.at("status");
    if (status.is_int64() && status.get_int64() / 100 == 2) ++times;
  }
  return times;
}

}  // namespace

FakeStripe::FakeStripe(std::string directory) : directory_(std::move(directory)) {}

FakeStripe::~FakeStripe() { Kill(); }

bool FakeStripe::Start(const std::string& webhook_url, const std::string& secret) {
  const std::string secret_file = directory_ + "/stripe.secret";
  std::ofstream(secret_file) << secret;
  const std::string log = directory_ + "/stripe.log";
  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) return false;
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    if (ready[1] == kReadyFd) ::fcntl(kReadyFd, F_SETFD, 0);
    ::dup2(ready[1], kReadyFd);
    ::execlp("python3", "python3", "-B", GATEHOUSE_SOURCE "/tests/harness/fake_stripe.py", "--port",
             "0", "--ready-fd", "3", "--webhook-url", webhook_url.c_str(), "--secret-file",
             secret_file.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(ready[1]);
  const std::string said = ReadAll(ready[0]);
  ::close(ready[0]);
  const std::size_t equals = said.find('=');
  if (equals == said.npos) return false;
  address_ = said.substr(equals + 1, said.find('\n', equals) - equals - 1);
  return true;
}

void FakeStripe::Kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

Answer FakeStripe::Pay(const std::string& checkout_url, const std::string& payment_method,
                       const std::string& action) const {
  if (!checkout_url.starts_with(Url())) return {};
  return HttpClient(address_).Call("POST", checkout_url.substr(Url().size()),
                                   "action=" + action + "&payment_method=" + payment_method);
}

void FakeStripe::Misbehave(const std::string& knobs_json) const {
  for (const std::string& knobs : {std::string(kAsIs), knobs_json}) {
    HttpClient(address_).Call("POST", "/_knobs", knobs);
  }
}

void FakeStripe::SetWebhook(const std::string& url) const {
  HttpClient(address_).Call("POST", "/_knobs", R"({"webhook_url":")" + url + R"("})");
}

int FakeStripe::Count(const std::string& collection, const std::string& tenant) const {
  const Answer all = HttpClient(address_).Call("GET", "/v1/" + collection + "?limit=1000", "", "",
                                               {{"Authorization", "Bearer sk_test_flow"}});
  int count = 0;
  for (const boost::json::value& thing : ParseArray(all, "data")) {
    const boost::json::object& metadata = thing.at("metadata").as_object();
    const boost::json::value* owner = metadata.if_contains("tenant_id");
    if (owner != nullptr && owner->is_string() && owner->get_string() == tenant) ++count;
  }
  return count;
}

bool FakeStripe::AwaitDelivered(int times) {
  std::size_t count = delivered_;
  const bool all = Eventually([&] {
    const boost::json::array events = ParseArray(HttpClient(address_).Call("GET", "/_events"));
    count = events.size();
    for (std::size_t i = delivered_; i < events.size(); ++i) {
      if (TimesTaken(events[i]) < times) return false;
    }
    return true;
  });
  delivered_ = count;
  return all;
}

std::string FakeStripe::Log() const {
  std::ifstream file(directory_ + "/stripe.log");
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace gatehouse::harness
