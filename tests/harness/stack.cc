#include "tests/harness/stack.h"

#include <sys/stat.h>

#include <atomic>
#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "libs/pg/testing.h"

namespace gatehouse::harness {
namespace {

const char* const kServices[] = {"auth", "invitations", "billing", "jobs", "orchestrator_monitor"};

std::string Upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(c));
  return text;
}

std::string MakeDirectory() {
  char path[] = "/tmp/gh-XXXXXX";  // Short: a socket's name has at most 107 bytes.
  if (mkdtemp(path) == nullptr) std::abort();
  return path;
}

[[noreturn]] void Die(const std::string& why) {
  std::cerr << why << std::endl;
  std::abort();
}

std::string Require(const Answer& answer, int status, const std::string& pointer) {
  if (answer.status != status) {
    Die("expected " + std::to_string(status) + ", got " + std::to_string(answer.status) + " " +
        answer.body);
  }
  return answer.At(pointer);
}

}  // namespace

std::string Quote(const std::string& text) {
  return boost::json::serialize(boost::json::value(text));
}

Stack::Stack(Options options) : options_(std::move(options)), directory_(MakeDirectory()) {
  for (const char* service : kServices) AddProcess(service, service);
  for (int i = 1; i <= options_.gateways; ++i) {
    AddProcess(i == 1 ? "gateway" : "gateway-" + std::to_string(i), "gateway");
  }
}

Stack::~Stack() {
  processes_.clear();
  proxies_.clear();
  database_.reset();
  std::filesystem::remove_all(directory_);
}

void Stack::AddProcess(const std::string& name, const std::string& program) {
  Environment env = {{"ENV", "development"},
                     {"ENV_FILE", directory_ + "/env"},
                     {"LOG_LEVEL", "info"},
                     {"GRPC_ADDRESS", "unix:" + directory_ + "/" + name + ".sock"},
                     {"METRICS_ADDRESS", "127.0.0.1:0"},
                     {"HTTP_ADDRESS", "127.0.0.1:0"},
                     {"SERVICE_KEY_FILE", directory_ + "/" + program + ".key"},
                     {"SERVICE_KEYS_FILE", directory_ + "/service-keys"},
                     {"ADMIN_USERNAME", "admin"},
                     {"ADMIN_EMAIL", "admin@example.com"},
                     {"ADMIN_PASSWORD", kAdminPassword},
                     {"SECRET_KEY", std::string(48, 'k')},
                     // Where limits are tested, the test sets them.
                     {"AUTH_RATE_LIMIT", "0"},
                     {"RATE_LIMIT_ENABLED", "false"}};
  for (const char* service : kServices) {
    env[Upper(service) + "_ADDRESS"] = "unix:" + directory_ + "/" + service + ".sock";
  }
  for (const auto& [caller, callee] : options_.proxied) {
    const std::string path = directory_ + "/" + caller + "-" + callee + ".sock";
    if (caller == name) env[Upper(callee) + "_ADDRESS"] = "unix:" + path;
  }
  for (const auto& [key, value] : options_.common) env[key] = value;
  if (auto own = options_.own.find(name); own != options_.own.end()) {
    for (const auto& [key, value] : own->second) env[key] = value;
  }
  processes_[name] = std::make_unique<Process>(program, env, directory_ + "/" + name + ".log");
}

std::string Stack::MakeKeys() {
  std::ofstream(directory_ + "/env").close();
  std::string list;
  for (auto& [name, process] : processes_) {
    Process keygen(process->name(), {}, directory_ + "/keygen." + name);
    if (keygen.Run({"keygen", directory_}) != 0) return "keygen failed: " + keygen.Log();
    if (name == process->name()) list += keygen.Log();
  }
  std::ofstream(directory_ + "/service-keys") << list;
  return "";
}

std::string Stack::Start() {
  if (std::string problem = MakeKeys(); !problem.empty()) return problem;
  database_ = std::make_unique<pg::testing::TestDatabase>("auth", std::vector<pg::Migration>());
  for (const auto& [caller, callee] : options_.proxied) {
    const std::string path = directory_ + "/" + caller + "-" + callee + ".sock";
    proxies_[caller + "-" + callee] =
        std::make_unique<Proxy>(path, directory_ + "/" + callee + ".sock");
  }
  for (const char* service : kServices) {
    Process& process = at(service);
    const std::string role = std::string("gatehouse_") + service;
    process.environment()["DATABASE_URL"] = database_->Url(role);
    process.environment()["OWNER_DATABASE_URL"] = database_->Url(role + "_owner");
    if (process.Run({"migrate"}) != 0) return "migrate failed: " + process.Log();
  }
  if (at("auth").Run({"bootstrap"}) != 0) return "bootstrap failed: " + Log("auth");
  for (auto& [name, process] : processes_) process->Spawn();
  for (auto& [name, process] : processes_) {
    if (!process->AwaitReady(std::chrono::seconds(20))) return name + ": " + process->Log();
  }
  return AwaitHealthy() ? "" : "not healthy: " + http().Call("GET", "/health").body;
}

bool Stack::AwaitHealthy() {
  return Eventually([this] {
    for (auto& [name, process] : processes_) {
      if (process->name() != "gateway") continue;
      if (http(name).Call("GET", "/health").At("/status") != "healthy") return false;
    }
    return true;
  });
}

Proxy& Stack::proxy(const std::string& caller, const std::string& callee) {
  return *proxies_.at(caller + "-" + callee);
}

bool Stack::Restart(const std::string& name, const std::string& failpoints) {
  Process& process = at(name);
  process.Kill();
  process.environment()["GATEHOUSE_FAILPOINTS"] = failpoints;
  return process.Start();
}

HttpClient Stack::http(const std::string& gateway) {
  return HttpClient(at(gateway).Address("http"));
}

std::string Stack::AdminToken() {
  const std::string body = R"({"username":"admin","password":)" + Quote(kAdminPassword) + "}";
  return Require(http().Call("POST", "/api/auth/token/", body), 200, "/token");
}

std::string Stack::Passkey() {
  return Require(http().Call("POST", "/api/admin/passkeys/", R"({"expires_days":7,"notes":"test"})",
                             AdminToken()),
                 201, "/passkey");
}

std::string Stack::SignUp(const std::string& username) {
  const std::string body = R"({"username":)" + Quote(username) + R"(,"email":)" +
                           Quote(username + "@example.com") + R"(,"password":)" + Quote(kPassword) +
                           R"(,"passkey":)" + Quote(Passkey()) + "}";
  Require(http().Call("POST", "/api/auth/signup/", body), 201, "/user/id");
  const std::string login =
      R"({"username":)" + Quote(username) + R"(,"password":)" + Quote(kPassword) + "}";
  return Require(http().Call("POST", "/api/auth/token/", login), 200, "/token");
}

std::string Stack::TenantOf(const std::string& token) {
  return Require(http().Call("GET", "/api/me/", "", token), 200, "/profile/tenant");
}

void Stack::Credit(const std::string& tenant, long cents) {
  const std::string body = R"({"tenant_id":)" + tenant + R"(,"amount_cents":)" +
                           std::to_string(cents) + R"(,"reason":"Credit"})";
  Require(http().Call("POST", "/api/billing/admin/reserve/adjust/", body, AdminToken()), 200,
          "/message");
}

std::string Stack::Sql(const std::string& sql) {
  pg::Database db(
      {.url = pg::testing::Cluster::Get().Url(database_->name(), ""), .connections_max = 1});
  auto value = db.Statement([&](pg::Tx& tx) -> absl::StatusOr<std::string> {
    const pqxx::result rows = tx.exec(sql);
    return rows.empty() || rows[0][0].is_null() ? "" : rows[0][0].as<std::string>();
  });
  if (!value.ok()) Die(value.status().ToString());
  return *value;
}

}  // namespace gatehouse::harness
