#include "tests/harness/edge.h"

#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace gatehouse::harness {
namespace {

std::string MakeDirectory() {
  char path[] = "/tmp/gh-XXXXXX";  // Short: a socket's name has at most 107 bytes.
  if (mkdtemp(path) == nullptr) std::abort();
  return path;
}

std::size_t CountReloads(const std::string& log) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = log.find("Configuration reload", at)) != log.npos; ++at) ++count;
  return count;
}

}  // namespace

Edge::Edge(const std::string& config, const Environment& settings) : directory_(MakeDirectory()) {
  std::ofstream(directory_ + "/gateway.yaml") << config;
  std::ofstream(directory_ + "/env").close();
  Environment env = {{"ENV", "development"},
                     {"ENV_FILE", directory_ + "/env"},
                     {"CONFIG_FILE", directory_ + "/gateway.yaml"},
                     {"LOG_LEVEL", "info"},
                     {"ACCESS_LOG", "false"},
                     {"GRPC_ADDRESS", "unix:" + directory_ + "/gateway.sock"},
                     {"METRICS_ADDRESS", "127.0.0.1:0"},
                     {"HTTP_ADDRESS", "127.0.0.1:0"},
                     {"SERVICE_KEY_FILE", directory_ + "/gateway.key"},
                     {"SERVICE_KEYS_FILE", directory_ + "/service-keys"}};
  for (const char* service : {"AUTH", "INVITATIONS", "BILLING", "JOBS", "ORCHESTRATOR_MONITOR"}) {
    env[std::string(service) + "_ADDRESS"] = "unix:" + directory_ + "/nobody.sock";
  }
  for (const auto& [key, value] : settings) env[key] = value;
  process_ = std::make_unique<Process>("gateway", env, directory_ + "/gateway.log");
}

Edge::~Edge() {
  process_.reset();
  std::filesystem::remove_all(directory_);
}

std::string Edge::Start() {
  Process keygen("gateway", {}, directory_ + "/keygen.log");
  if (keygen.Run({"keygen", directory_}) != 0) return "keygen failed: " + keygen.Log();
  std::ofstream(directory_ + "/service-keys") << keygen.Log();
  if (!process_->Start()) return "the gateway did not start: " + process_->Log();
  address_ = process_->Address("http");
  return "";
}

bool Edge::Configure(const std::string& config) {
  const std::size_t before = CountReloads(process_->Log());
  const std::string path = directory_ + "/gateway.yaml";
  std::ofstream(path + ".new") << config;
  std::filesystem::rename(path + ".new", path);
  process_->Signal(SIGHUP);
  return Eventually([&] { return CountReloads(process_->Log()) > before; });
}

long Edge::PssKib() const { return harness::PssKib(process_->pid()); }

long PssKib(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/smaps_rollup");
  std::string word;
  while (file >> word) {
    if (word != "Pss:") continue;
    long kib = 0;
    file >> kib;
    return kib;
  }
  return 0;
}

}  // namespace gatehouse::harness
