#include <algorithm>
#include <cctype>
#include <iterator>

#include "libs/base/secret.h"
#include "libs/service/process.h"

namespace gatehouse::service {
namespace {

using config::Kind;
using config::Setting;

constexpr std::size_t kSeedBytes = 32;

std::string CheckEnv(const std::string& value) {
  return value == "development" || value == "production" ? "" : "must be development or production";
}

std::string CheckLogLevel(const std::string& value) {
  std::string lower = value;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const char* level : {"debug", "info", "warning", "warn", "error"}) {
    if (lower == level) return "";
  }
  return "must be debug, info, warning or error, not \"" + value + "\"";
}

std::string CheckLogFormat(const std::string& value) {
  std::string lower = value;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower == "json" || lower == "plain" ? "" : "must be json or plain, not \"" + value + "\"";
}

std::string CheckAddress(const std::string& value) {
  return value.find(':') == std::string::npos ? "must be unix:PATH or HOST:PORT" : "";
}

std::string CheckKey(const std::string& value) {
  const std::optional<std::string> seed = Base64UrlDecode(value);
  return seed.has_value() && seed->size() == kSeedBytes
             ? ""
             : "must be 32 bytes in base64url; the command keygen makes one";
}

std::string CheckKeyList(const std::string& path) {
  const absl::Status status = rpc::ReadKeyList(path).status();
  return status.ok() ? "" : "cannot be used: " + std::string(status.message());
}

// What a reload applies in every process.
std::vector<Setting> ReloadableSettings() {
  return {{.name = "LOG_LEVEL",
           .help = "The least level logged: debug, info, warning or error.",
           .fallback = "info",
           .reloadable = true,
           .check = CheckLogLevel},
          {.name = "LOG_FORMAT",
           .help = "How lines are logged: json or plain.",
           .fallback = "json",
           .reloadable = true,
           .check = CheckLogFormat},
          {.name = "METRICS_ENABLED",
           .help = "Whether metrics are counted and shown.",
           .fallback = "true",
           .kind = Kind::kBool,
           .reloadable = true}};
}

void AppendDatabaseSettings(std::vector<Setting>* settings) {
  settings->push_back({.name = "DATABASE_URL",
                       .help = "The database, as the runtime role.",
                       .required = true,
                       .secret = true});
  settings->push_back({.name = "OWNER_DATABASE_URL",
                       .help = "The database, as the owner of the schema; for migrate only.",
                       .secret = true});
}

}  // namespace

config::Setting AddressSetting(const std::string& process) {
  std::string name = process + "_ADDRESS";
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return {.name = name,
          .help = "Where " + process + " serves: unix:PATH, HOST:PORT or dns:///HOST:PORT.",
          .required = true,
          .check = CheckAddress};
}

std::vector<config::Setting> CommonSettings(bool has_database) {
  std::vector<Setting> settings = {
      {.name = "ENV",
       .help = "development, or production, which refuses weak secrets.",
       .fallback = "development",
       .check = CheckEnv},
      {.name = "ENV_FILE",
       .help = "A file with settings, read again by SIGHUP.",
       .fallback = ".env"},
      {.name = "GRPC_ADDRESS",
       .help = "Where RPCs are served: unix:PATH or HOST:PORT.",
       .fallback = "127.0.0.1:0",
       .check = CheckAddress},
      {.name = "METRICS_ADDRESS",
       .help = "Where Prometheus metrics are served; keep it private.",
       .fallback = "127.0.0.1:0",
       .check = CheckAddress},
      {.name = "SERVICE_KEY",
       .help = "The seed of this process's signing key, in base64url.",
       .required = true,
       .secret = true,
       .strong_in_production = true,
       .check = CheckKey},
      {.name = "SERVICE_KEYS_FILE",
       .help = "The public keys of all processes, a line \"name key\" each.",
       .required = true,
       .check = CheckKeyList},
      {.name = "POOL_MAX",
       .help = "Threads that handle RPCs, and database connections.",
       .fallback = "8",
       .kind = Kind::kInt,
       .min = 1,
       .max = 256},
      {.name = "DRAIN_SECONDS",
       .help = "How long SIGTERM waits for calls under way.",
       .fallback = "10",
       .kind = Kind::kInt,
       .min = 0,
       .max = 300},
      {.name = "READY_FD",
       .help = "A descriptor that gets the addresses once they serve; -1 for none.",
       .fallback = "-1",
       .kind = Kind::kInt,
       .min = -1,
       .max = 1 << 20},
  };
  std::ranges::move(ReloadableSettings(), std::back_inserter(settings));
  if (has_database) AppendDatabaseSettings(&settings);
  return settings;
}

}  // namespace gatehouse::service
