// Starts the sample program for the tests of this folder. Not for other tests.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "libs/base/unique_fd.h"

namespace gatehouse::service::testing {

using Environment = std::map<std::string, std::string>;

// Asks `condition` until it holds, for at most ten seconds.
bool Eventually(const std::function<bool()>& condition);

// One run of the sample program; killed when destroyed.
class Sample {
 public:
  // Its output goes to files in `directory`. With `ready`, READY_FD is a pipe.
  Sample(const std::string& directory, const std::vector<std::string>& arguments,
         const Environment& environment, bool ready = false);
  ~Sample();
  Sample(const Sample&) = delete;
  Sample& operator=(const Sample&) = delete;

  // Waits for its end; the exit code, or -1 when it was killed or does not end.
  int Wait();
  void Signal(int signal);
  bool IsRunning();

  std::string Output() const;  // Standard output so far.
  std::string Errors() const;  // Standard error so far.

  // Waits until standard error contains `text`.
  bool AwaitLog(const std::string& text) const;

  // What came through READY_FD, by name; empty when it does not come.
  std::map<std::string, std::string> AwaitReady();

 private:
  const std::string directory_;
  const std::string number_;  // Of the run; tells its files apart.
  UniqueFd ready_;
  pid_t pid_ = -1;
  int status_ = 0;
};

// A directory of its own with a key and a key list for the sample.
class SampleTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // The least that serve needs, at a socket in the directory.
  Environment ServeEnvironment() const;
  std::string socket() const { return "unix:" + directory_ + "/sample.sock"; }

  // Runs a command to its end.
  struct Result {
    int code;
    std::string output;
    std::string errors;
  };
  Result RunSample(const std::vector<std::string>& arguments, const Environment& environment = {});

  // Writes a file of the directory; returns its path.
  std::string Write(const std::string& name, const std::string& text) const;

  const std::string& directory() const { return directory_; }

 private:
  std::string directory_;
};

// The body of GET /metrics at "host:port"; "" when nobody answers.
std::string Scrape(const std::string& address);

}  // namespace gatehouse::service::testing
