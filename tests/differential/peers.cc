#include "tests/differential/peers.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>

#include "libs/http/server.h"
#include "tests/harness/edge.h"

namespace gatehouse::differential {
namespace {

// Notes requests by the number that they carry.
class Upstream {
 public:
  Upstream() {
    http::ServerOptions options;
    options.address = "127.0.0.1:0";
    options.workers = 1;
    auto started = http::Server::Start(options, [this](std::shared_ptr<http::Exchange> exchange) {
      Note(exchange->request());
      http::Response response;
      response.body = "ok";
      exchange->Reply(std::move(response));
    });
    if (!started.ok()) std::abort();
    server_ = *std::move(started);
  }

  std::string port() const { return server_->address().substr(server_->address().rfind(':') + 1); }

  std::vector<Seen> SeenOf(const std::string& id) const {
    std::lock_guard lock(mutex_);
    const auto found = seen_.find(id);
    return found == seen_.end() ? std::vector<Seen>() : found->second;
  }

 private:
  void Note(const http::Request& request) {
    const auto id = request.Find("X-Id");
    const std::size_t slash = request.path.rfind('/');
    std::lock_guard lock(mutex_);
    seen_[std::string(id ? *id : request.path.substr(slash + 1))].push_back(
        {request.method, std::string(request.target), request.body});
  }

  mutable std::mutex mutex_;
  std::map<std::string, std::vector<Seen>> seen_;  // guarded by mutex_
  std::unique_ptr<http::Server> server_;
};

int ConnectUnix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

int ConnectTcp(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &peer.sin_addr);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&peer), sizeof peer) == 0) return fd;
  ::close(fd);
  return -1;
}

constexpr char kEdgeConfig[] = R"(
upstreams:
  - name: origin
    urls: ["http://127.0.0.1:PORT"]
routes:
)";

std::string EdgeConfig(const std::string& port) {
  std::string config = kEdgeConfig;
  config.replace(config.find("PORT"), 4, port);
  for (const char* method : {"GET", "POST", "PUT", "DELETE", "PATCH"}) {
    for (const char* path : {"/d/{n}", "/p/{n}", "/s/{n}"}) {
      config += std::string("  - {method: ") + method + ", path: \"" + path +
                "\", audience: public, limit: none, json: false, upstream: origin}\n";
    }
  }
  return config;
}

class EdgeSubject final : public Subject {
 public:
  EdgeSubject() : edge_(EdgeConfig(upstream_.port())) {
    if (const std::string problem = edge_.Start(); !problem.empty()) {
      std::cerr << problem << std::endl;
      std::abort();
    }
  }
  const std::string& name() const override { return name_; }
  int Connect() const override { return ConnectTcp(edge_.address()); }
  std::vector<Seen> SeenOf(const std::string& id) const override { return upstream_.SeenOf(id); }

 private:
  const std::string name_ = "edge";
  Upstream upstream_;
  harness::Edge edge_;
};

// A program on a unix socket, since none of these can choose a free port.
class PeerSubject final : public Subject {
 public:
  PeerSubject(std::string name, const std::string& config, std::vector<std::string> command)
      : name_(std::move(name)) {
    char path[] = "/tmp/gh-XXXXXX";
    directory_ = mkdtemp(path);
    std::filesystem::permissions(directory_, std::filesystem::perms(0755));
    std::ofstream(directory_ + "/config") << Fill(config);
    for (std::string& word : command) word = Fill(word);
    pid_ = ::fork();
    if (pid_ == 0) {
      std::vector<char*> arguments;
      for (std::string& word : command) arguments.push_back(word.data());
      arguments.push_back(nullptr);
      if (::freopen("/dev/null", "w", stdout) == nullptr) ::_exit(126);
      if (::freopen((directory_ + "/log").c_str(), "w", stderr) == nullptr) ::_exit(126);
      ::execvp(arguments[0], arguments.data());
      ::_exit(127);
    }
    const bool is_up = harness::Eventually([this] {
      const int fd = Connect();
      if (fd >= 0) ::close(fd);
      return fd >= 0;
    });
    if (!is_up) {
      std::cerr << name_ << " did not start: " << std::ifstream(directory_ + "/log").rdbuf();
      std::abort();
    }
  }
  ~PeerSubject() override {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    std::filesystem::remove_all(directory_);
  }
  const std::string& name() const override { return name_; }
  int Connect() const override { return ConnectUnix(directory_ + "/socket"); }
  std::vector<Seen> SeenOf(const std::string& id) const override { return upstream_.SeenOf(id); }

 private:
  std::string Fill(std::string text) const {
    const auto replace = [&](const std::string& what, const std::string& by) {
      for (std::size_t at; (at = text.find(what)) != text.npos;) text.replace(at, what.size(), by);
    };
    replace("@DIR@", directory_);
    replace("@PORT@", upstream_.port());
    return text;
  }

  const std::string name_;
  std::string directory_;
  Upstream upstream_;
  pid_t pid_ = -1;
};

constexpr char kNginx[] = R"(
daemon off; worker_processes 1; pid @DIR@/pid; error_log @DIR@/log;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path @DIR@; proxy_temp_path @DIR@; fastcgi_temp_path @DIR@;
  uwsgi_temp_path @DIR@; scgi_temp_path @DIR@;
  upstream o { server 127.0.0.1:@PORT@; keepalive 16; }
  server { listen unix:@DIR@/socket; lingering_close off;
    location / { proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection "";
                 proxy_set_header Host $http_host; } }
}
)";

constexpr char kHaproxy[] = R"(
global
  nbthread 1
defaults
  mode http
  timeout connect 2s
  timeout client 5s
  timeout server 5s
  http-reuse always
frontend f
  bind unix@@DIR@/socket
  default_backend b
backend b
  server s 127.0.0.1:@PORT@
)";

bool IsInstalled(const std::string& program) {
  for (const char* folder : {"/usr/sbin/", "/usr/bin/", "/usr/local/bin/"}) {
    if (std::filesystem::exists(folder + program)) return true;
  }
  return false;
}

}  // namespace

std::string ToText(const Seen& seen) {
  return seen.method + " " + seen.target + " [" + std::to_string(seen.body.size()) + "]";
}

std::vector<std::unique_ptr<Subject>> StartSubjects(std::string* missing) {
  std::vector<std::unique_ptr<Subject>> subjects;
  subjects.push_back(std::make_unique<EdgeSubject>());
  const auto add = [&](const std::string& program, const char* config,
                       std::vector<std::string> command) {
    if (IsInstalled(program)) {
      subjects.push_back(std::make_unique<PeerSubject>(program, config, std::move(command)));
    } else {
      *missing += " " + program;
    }
  };
  add("nginx", kNginx, {"nginx", "-c", "@DIR@/config", "-e", "@DIR@/log"});
  add("haproxy", kHaproxy, {"haproxy", "-f", "@DIR@/config", "-db"});
  add("node", "", {"node", GATEHOUSE_SOURCE "/tests/clients/proxy.mjs", "@DIR@/socket", "@PORT@"});
  return subjects;
}

}  // namespace gatehouse::differential
