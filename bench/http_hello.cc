// Serves one fixed answer through libs/http until SIGTERM, to be measured against
// other servers. Prints its address.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "libs/http/server.h"

int main(int argc, char** argv) {
  using gatehouse::http::Exchange;
  using gatehouse::http::Response;
  using gatehouse::http::Server;

  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  gatehouse::http::ServerOptions options;
  options.address = argc > 1 ? argv[1] : "127.0.0.1:0";
  options.workers = argc > 2 ? static_cast<int>(std::strtol(argv[2], nullptr, 10)) : 2;
  auto server = Server::Start(options, [](std::shared_ptr<Exchange> exchange) {
    Response response;
    response.headers.push_back({"Content-Type", "application/json"});
    response.body = R"({"name":"gatehouse","version":"0.1.0"})";
    exchange->Reply(std::move(response));
  });
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", std::string(server.status().message()).c_str());
    return 1;
  }
  std::printf("%s\n", (*server)->address().c_str());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  (*server)->Drain(std::chrono::seconds(5));
  return 0;
}
