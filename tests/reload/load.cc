#include "tests/reload/load.h"

#include "tests/reload/wire.h"

namespace gatehouse::reload {

Load::Load(const std::string& address, const std::string& token, std::vector<std::string> paths,
           int connections, int per_second)
    : token_(token),
      paths_(std::move(paths)),
      pause_(std::chrono::microseconds(1'000'000LL * connections / per_second)) {
  for (int i = 0; i < connections; ++i) {
    threads_.emplace_back([this, address, i] { Run(address, i); });
  }
}

Load::~Load() { Stop(); }

void Load::Stop() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Load::Run(const std::string& address, int number) {
  Wire wire(address);
  auto next = std::chrono::steady_clock::now();
  for (std::size_t turn = static_cast<std::size_t>(number); !stopping_; ++turn) {
    const std::string& path = paths_[turn % paths_.size()];
    const int status = Ask(wire, "GET " + path + " HTTP/1.1\r\nHost: " + address +
                                     "\r\nAuthorization: Bearer " + token_ + "\r\n\r\n");
    ++requests_;
    if (status != 200) {
      ++failures_;
      if (!has_failed_.exchange(true)) first_failure_ = path + ' ' + std::to_string(status);
      if (status == 0) return;  // The connection is the one that must not break.
    }
    next += pause_;
    std::this_thread::sleep_until(next);
  }
}

}  // namespace gatehouse::reload
