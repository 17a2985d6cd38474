#include "services/gateway/upstream_names.h"

#include <arpa/inet.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace gatehouse::gateway {
namespace {

struct Name {
  std::string host;
  std::string port;
};

bool IsNumeric(const Name& name) {
  unsigned char bytes[16];
  return ::inet_pton(AF_INET, name.host.c_str(), bytes) == 1 ||
         ::inet_pton(AF_INET6, name.host.c_str(), bytes) == 1;
}

std::vector<Name> NamesOf(const std::vector<std::string>& urls) {
  std::vector<Name> names;
  for (const std::string& url : urls) {
    Name name;
    if (http::ParseUpstreamUrl(url, &name.host, &name.port).empty()) names.push_back(name);
  }
  return names;
}

Endpoints Resolve(const std::vector<Name>& names) {
  Endpoints all;
  for (const Name& name : names) {
    for (auto& endpoint : http::ResolveEndpoints(name.host, name.port)) {
      all.push_back(std::move(endpoint));
    }
  }
  return all;
}

}  // namespace

struct Resolution::Shared {
  std::mutex mutex;
  std::condition_variable changed;
  bool is_done = false;  // guarded by mutex
  Endpoints endpoints;   // guarded by mutex

  void Finish(Endpoints found) {
    const std::lock_guard lock(mutex);
    endpoints = std::move(found);
    is_done = true;
    changed.notify_all();
  }
};

Resolution::Resolution(const std::vector<std::string>& urls) : shared_(std::make_shared<Shared>()) {
  std::vector<Name> names = NamesOf(urls);
  if (std::all_of(names.begin(), names.end(), IsNumeric)) {
    shared_->Finish(Resolve(names));
    return;
  }
  std::thread([shared = shared_, names = std::move(names)] {
    shared->Finish(Resolve(names));
  }).detach();
}

bool Resolution::IsDone(std::chrono::milliseconds patience) const {
  std::unique_lock lock(shared_->mutex);
  return shared_->changed.wait_for(lock, patience, [this] { return shared_->is_done; });
}

Endpoints Resolution::Take() {
  const std::lock_guard lock(shared_->mutex);
  return std::move(shared_->endpoints);
}

std::string AuthorityOfUrl(const std::string& url) {
  const std::size_t scheme = url.find("://");
  const std::size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
  return url.substr(begin, url.find('/', begin) - begin);
}

}  // namespace gatehouse::gateway
